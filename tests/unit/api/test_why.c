/* In: jobs and what surrounds them. Out: whether each is told what it waits for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "api/why.h"
#include "engine/engine.h"

#define NOW INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */

static const struct store_job waiting = {.status = JOB_PENDING,
                                         .queued = true,
                                         .run_at_us = NOW - 1000000,
                                         .max_retries = 3,
                                         .current_step = "queued",
                                         .position = 4};

/* One worker that is us, with two slots, both taken. */
static struct why_facts usual(const struct store_job *job)
{
    return (struct why_facts){
        .now_us = NOW, .job = job, .running = 2, .workers = 1, .here = true, .slots = 2};
}

static void assert_why(const struct why_facts *f, enum why_code code, bool waits, const char *part)
{
    struct why w = why_explain(f);
    assert_string_equal(why_code_name(w.code), why_code_name(code));
    assert_int_equal(w.waits, waits);
    if (strstr(w.text, part) == NULL)
        fail_msg("'%s' is not in: %s", part, w.text);
}

static void what_does_not_wait_is_told_so(void **state)
{
    struct store_job job = waiting;
    struct why_facts f = usual(&job);
    (void)state;
    f.paused = true;
    job.status = JOB_COMPLETED;
    assert_why(&f, WHY_ENDED, false, "completed");
    job.status = JOB_PROCESSING;
    job.progress = 40;
    assert_why(&f, WHY_RUNNING, false, "40 %");
    job.queued = false;
    assert_why(&f, WHY_FOREIGN, true, "jobs rescue");
}

static void a_job_due_later_says_until_when_and_who_put_it_off(void **state)
{
    struct store_job job = waiting;
    struct why_facts f = usual(&job);
    (void)state;
    job.run_at_us = NOW + 60000000;
    assert_why(&f, WHY_DELAYED, true, "2026-01-01T00:01:00");
    assert_true(why_explain(&f).until_us == job.run_at_us);
    job.error_message = "rate limited";
    assert_why(&f, WHY_PROVIDER, true, "rate limited");
    job.error_message = ENGINE_SPEND_CAP "this user's calls";
    assert_why(&f, WHY_SPEND_CAP, true, "this user's calls");
    job.error_message = "rate limited";
    job.current_step = "retry_queued";
    job.retry_count = 1;
    assert_why(&f, WHY_RETRY, true, "Attempt 1 of 4");
    job.run_at_us = NOW;
    assert_why(&f, WHY_QUEUE, true, "3 jobs are before it");
}

static void a_standstill_comes_before_the_place(void **state)
{
    struct store_job job = waiting;
    struct why_facts f = usual(&job);
    (void)state;
    f.slots = 0;
    assert_why(&f, WHY_TRIGGERED, true, "called");
    f.workers = 2; /* the other one may take it */
    assert_why(&f, WHY_QUEUE, true, "3 jobs");
    f.parked = "the key is not accepted";
    assert_why(&f, WHY_PROVIDER, true, "the key is not accepted");
    f.parked = ENGINE_SPEND_CAP "all calls";
    assert_why(&f, WHY_SPEND_CAP, true, "all calls");
    f.workers = 0;
    assert_why(&f, WHY_NO_WORKER, true, "serve");
    f.paused = true;
    assert_why(&f, WHY_PAUSED, true, "resume");
}

static void the_cap_of_a_user_comes_before_the_queue(void **state)
{
    struct store_job job = waiting;
    struct why_facts f = usual(&job);
    (void)state;
    f.cap_per_user = 2;
    f.user_running = 1;
    assert_why(&f, WHY_QUEUE, true, "3 jobs");
    f.user_running = 2;
    assert_why(&f, WHY_USER_CAP, true, "2 jobs");
}

static void the_first_waits_for_a_slot_or_for_nothing(void **state)
{
    struct store_job job = waiting;
    struct why_facts f = usual(&job);
    (void)state;
    job.position = 2;
    assert_why(&f, WHY_QUEUE, true, "1 job is before it");
    job.position = 1;
    assert_why(&f, WHY_QUEUE, true, "all 2 slots are taken");
    f.running = 1;
    assert_why(&f, WHY_NEXT, true, "next");
    job.position = 0; /* not counted so far down */
    assert_why(&f, WHY_QUEUE, true, "Many jobs");
}

static void long_errors_are_cut_and_the_json_is_whole(void **state)
{
    char error[5000];
    struct store_job job = waiting;
    struct why_facts f = usual(&job);
    struct buf out = BUF_INIT(1 << 16);
    (void)state;
    memset(error, '"', sizeof error);
    error[sizeof error - 1] = '\0';
    job.run_at_us = NOW + 1;
    job.error_message = error;
    struct why w = why_explain(&f);
    why_put_json(&out, &w);
    assert_non_null(
        strstr(buf_str(&out), "\"code\":\"provider\",\"waits\":true,\"text\":\"It was"));
    assert_non_null(strstr(buf_str(&out), "\"until\":\"2026-01-01T00:00:00.000"));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_wait_is_told_so),
        cmocka_unit_test(a_job_due_later_says_until_when_and_who_put_it_off),
        cmocka_unit_test(a_standstill_comes_before_the_place),
        cmocka_unit_test(the_cap_of_a_user_comes_before_the_queue),
        cmocka_unit_test(the_first_waits_for_a_slot_or_for_nothing),
        cmocka_unit_test(long_errors_are_cut_and_the_json_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
