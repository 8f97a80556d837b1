/* In: jobs that somebody looks at while they are worked on. Out: whether each look brings what is
 * new since the one before: all of it, and nothing twice. */
#include "conformance.h"

#include <string.h>

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct store_followed *look(struct fixture *f, const struct store_follow *known,
                                         size_t n)
{
    const struct store_result *r = CALL(f, store_follow, known, n);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, n);
    return r->followed;
}

static void write_text(struct fixture *f, const struct store_claimed *c, const char *step,
                       const struct uuid *call, size_t offset, const char *text)
{
    struct store_progress p = {.job = c->id,
                               .fence = c->fence,
                               .text_step = step,
                               .text_hash = HASH_A,
                               .text_offset = offset,
                               .text = text,
                               .text_len = strlen(text),
                               .call = *call};
    const struct store_result *r = CALL(f, store_progress, &p, 1);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->lost[0], STORE_HELD);
}

static void save(struct fixture *f, const struct store_claimed *c, const char *key,
                 const char *hash, const char *output)
{
    struct store_held held = {c->id, c->fence};
    struct store_step step = {.key = key, .input_hash = hash, .output = output, .stop = "end_turn"};
    assert_int_equal(CALL(f, store_step_save, &held, c->run, &step, NULL)->lost[0], STORE_HELD);
}

static void nothing_is_found_of_a_job_that_is_not_there(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_follow known[] = {{.job = user_id(77)}, {.job = id}};
    const struct store_followed *got = look(f, known, 2);
    assert_false(got[0].found);
    assert_true(got[1].found);
    assert_memory_equal(&got[1].job.id, &id, sizeof id);
    assert_int_equal(got[1].job.status, JOB_PENDING);
    assert_true(got[1].job.queued);
    assert_int_equal(got[1].job.run, 1);
    assert_string_equal(got[1].job.current_step, "queued");
    assert_int_equal(got[1].n_steps, 0);
    assert_null(got[1].text);
    assert_int_equal(CALL(f, store_delete, &id)->err, OK);
    assert_false(look(f, known + 1, 1)[0].found);
}

static void text_comes_from_where_it_is_known(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1), call = user_id(901);
    struct store_claimed c = claim_one(f);
    write_text(f, &c, "chunk_1", &call, 0, "Once ");
    write_text(f, &c, "chunk_1", &call, 5, "upon a caf\xc3\xa9 ");
    struct store_follow known = {.job = id};
    const struct store_followed *got = look(f, &known, 1);
    assert_int_equal(got->text_offset, 0);
    assert_string_equal(got->text, "Once upon a caf\xc3\xa9 ");
    assert_int_equal(got->text_len, 18);
    assert_string_equal(got->text_step, "chunk_1");
    assert_string_equal(got->text_hash, HASH_A);
    assert_memory_equal(&got->text_call, &call, sizeof call);
    known.call = call;
    known.offset = 18;
    got = look(f, &known, 1);
    assert_int_equal(got->text_offset, 18);
    assert_int_equal(got->text_len, 0);
    write_text(f, &c, "chunk_1", &call, 18, "noir");
    got = look(f, &known, 1);
    assert_int_equal(got->text_offset, 18);
    assert_string_equal(got->text, "noir");
}

static void a_call_that_starts_over_is_told_from_its_start(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1), first = user_id(901), second = user_id(902);
    struct store_claimed c = claim_one(f);
    write_text(f, &c, "chunk_1", &first, 0, "Once upon");
    struct store_follow known = {.job = id, .call = first, .offset = 9};
    /* Longer by now than what is known of the first one. */
    write_text(f, &c, "chunk_1", &second, 0, "Long ago, far");
    write_text(f, &c, "chunk_1", &second, 13, " away");
    const struct store_followed *got = look(f, &known, 1);
    assert_int_equal(got->text_offset, 0);
    assert_string_equal(got->text, "Long ago, far away");
    assert_memory_equal(&got->text_call, &second, sizeof second);
}

static void steps_come_once_and_in_order(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1), call = user_id(901);
    struct store_claimed c = claim_one(f);
    save(f, &c, "outline", HASH_A, "{}");
    save(f, &c, "chunk_1", HASH_B, "Once");
    write_text(f, &c, "chunk_2", &call, 0, "upon");
    struct store_follow known = {.job = id};
    const struct store_followed *got = look(f, &known, 1);
    assert_int_equal(got->n_steps, 2);
    assert_string_equal(got->steps[0].key, "outline");
    assert_string_equal(got->steps[0].output, "{}");
    assert_string_equal(got->steps[1].key, "chunk_1");
    assert_string_equal(got->steps[1].input_hash, HASH_B);
    assert_string_equal(got->steps[1].stop, "end_turn");
    assert_true(got->steps[1].place > got->steps[0].place && got->steps[0].place > 0);
    assert_string_equal(got->text, "upon");
    known.run = 1;
    known.place = got->steps[1].place;
    known.step_hash = HASH_B;
    got = look(f, &known, 1);
    assert_int_equal(got->n_steps, 0);
    assert_false(got->whole);
    save(f, &c, "chunk_2", HASH_A, "upon a time");
    got = look(f, &known, 1);
    assert_false(got->whole);
    assert_int_equal(got->n_steps, 1);
    assert_string_equal(got->steps[0].output, "upon a time");
    assert_null(got->text);
    /* Completing takes nothing away. */
    assert_int_equal(finish_one(f, &c, STORE_COMPLETE), STORE_HELD);
    got = look(f, &known, 1);
    assert_int_equal(got->n_steps, 1);
    assert_int_equal(got->job.status, JOB_COMPLETED);
    assert_false(got->job.queued);
}

static void steps_that_are_no_longer_are_told_as_a_whole(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    save(f, &c, "outline", HASH_A, "{}");
    save(f, &c, "chunk_1", HASH_A, "Once");
    struct store_follow known = {.job = id};
    const struct store_followed *got = look(f, &known, 1);
    known.run = 1;
    known.place = got->steps[1].place;
    known.step_hash = HASH_A;
    save(f, &c, "chunk_1", HASH_B, "Twice");
    got = look(f, &known, 1);
    assert_true(got->whole);
    assert_int_equal(got->n_steps, 2);
    assert_string_equal(got->steps[1].output, "Twice");
    /* Run again after it had completed: the checkpoints of that run are history. */
    known.place = got->steps[1].place;
    known.step_hash = HASH_B;
    assert_int_equal(finish_one(f, &c, STORE_COMPLETE), STORE_HELD);
    assert_int_equal(CALL(f, store_retry, &id)->err, OK);
    got = look(f, &known, 1);
    assert_int_equal(got->job.run, 2);
    assert_true(got->whole);
    assert_int_equal(got->n_steps, 0);
}

static void many_jobs_are_told_apart(void **state)
{
    struct fixture *f = fixture(state);
    struct store_follow known[40] = {{.run = 0}};
    for (int i = 0; i < 40; i++)
        known[i].job = add_job(f, i);
    const struct store_result *claimed = claim(f, 40, 0);
    assert_int_equal(claimed->n, 40);
    for (size_t i = 0; i < 40; i++) {
        struct uuid call = user_id(1000 + (int)i);
        save(f, &claimed->claimed[i], "outline", HASH_A, "{}");
        write_text(f, &claimed->claimed[i], "chunk_1", &call, 0, i % 2 == 0 ? "even" : "odd");
        known[i].job = claimed->claimed[i].id;
    }
    const struct store_followed *got = look(f, known, 40);
    for (size_t i = 0; i < 40; i++) {
        assert_true(got[i].found);
        assert_memory_equal(&got[i].job.id, &known[i].job, sizeof known[i].job);
        assert_int_equal(got[i].n_steps, 1);
        assert_string_equal(got[i].text, i % 2 == 0 ? "even" : "odd");
        assert_int_equal(got[i].job.status, JOB_PROCESSING);
    }
}

const struct CMUnitTest follow_tests[] = {
    CASE(nothing_is_found_of_a_job_that_is_not_there),    CASE(text_comes_from_where_it_is_known),
    CASE(a_call_that_starts_over_is_told_from_its_start), CASE(steps_come_once_and_in_order),
    CASE(steps_that_are_no_longer_are_told_as_a_whole),   CASE(many_jobs_are_told_apart),
};
CASES(follow_tests);
