/* In: what attempts report. Out: progress, checkpoints, the ledger and the ends of attempts, and
 * nothing of it from an attempt that has lost its job. */
#include "conformance.h"

#include <string.h>

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static enum store_lost report_at(struct fixture *f, const struct store_claimed *c, const char *step,
                                 int progress, size_t offset, const char *text)
{
    struct store_progress p = {.job = c->id,
                               .fence = c->fence,
                               .step = step,
                               .progress = progress,
                               .current_chunk = 1,
                               .total_chunks = 3,
                               .text_step = text == NULL ? NULL : "chunk_1",
                               .text_hash = HASH,
                               .text_offset = offset,
                               .text = text,
                               .text_len = text == NULL ? 0 : strlen(text)};
    const struct store_result *r = CALL(f, store_progress, &p, 1);
    assert_int_equal(r->err, OK);
    return r->lost[0];
}

static enum store_lost report(struct fixture *f, const struct store_claimed *c, const char *step,
                              int progress, const char *text)
{
    return report_at(f, c, step, progress, 0, text);
}

static const struct store_result *steps_of(struct fixture *f, const struct uuid *id, int run)
{
    const struct store_result *r = CALL(f, store_steps, id, run);
    assert_int_equal(r->err, OK);
    return r;
}

static void progress_shows_and_never_goes_back(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    assert_int_equal(report(f, &c, "generating_chunk_1_of_3", 40, NULL), STORE_HELD);
    const struct store_job *j = get_job(f, &id);
    assert_int_equal(j->progress, 40);
    assert_int_equal(j->current_chunk, 1);
    assert_int_equal(j->total_chunks, 3);
    assert_string_equal(j->current_step, "generating_chunk_1_of_3");
    assert_int_equal(report(f, &c, "generating_chunk_1_of_3", 30, NULL), STORE_HELD);
    assert_int_equal(get_job(f, &id)->progress, 40);
}

static void text_is_appended_and_comes_back_with_its_step(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    assert_null(steps_of(f, &id, 1)->partial);
    assert_int_equal(report(f, &c, NULL, 0, "Once "), STORE_HELD);
    assert_int_equal(report_at(f, &c, NULL, 0, 5, "upon a caf\xc3\xa9"), STORE_HELD);
    const struct store_result *r = steps_of(f, &id, 1);
    assert_int_equal(r->n, 0);
    assert_string_equal(r->partial_key, "chunk_1");
    assert_string_equal(r->partial_hash, HASH);
    assert_string_equal(r->partial, "Once upon a caf\xc3\xa9");
    assert_string_equal(get_job(f, &id)->current_step, "initializing");
}

static void text_repeated_or_out_of_place_makes_no_double_and_no_hole(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    assert_int_equal(report_at(f, &c, NULL, 0, 0, "caf\xc3\xa9 "), STORE_HELD);
    assert_int_equal(report_at(f, &c, NULL, 0, 6, "noir"), STORE_HELD);
    assert_int_equal(report_at(f, &c, NULL, 0, 6, "noir"), STORE_HELD);  /* repeated */
    assert_int_equal(report_at(f, &c, NULL, 0, 20, "late"), STORE_HELD); /* after a hole */
    assert_string_equal(steps_of(f, &id, 1)->partial, "caf\xc3\xa9 noir");
    assert_int_equal(report_at(f, &c, NULL, 0, 0, "anew"), STORE_HELD);
    assert_string_equal(steps_of(f, &id, 1)->partial, "anew");
}

static struct store_step a_step(const char *key, const char *output)
{
    return (struct store_step){.key = key,
                               .input_hash = HASH,
                               .output = output,
                               .stop = "end_turn",
                               .model = "m",
                               .usage = {.input = 10, .output = 20},
                               .cost_udollar = 330,
                               .started_us = 1000,
                               .ended_us = 2000};
}

static enum store_lost save(struct fixture *f, const struct store_claimed *c,
                            const struct store_step *step, const struct store_call_end *end)
{
    struct store_held held = {c->id, c->fence};
    const struct store_result *r = CALL(f, store_step_save, &held, c->run, step, end);
    assert_int_equal(r->err, OK);
    return r->lost[0];
}

/* Three are asked for: one that runs in its second run, one that is not there, one that waits. */
static void jobs_are_shown_with_the_steps_of_their_runs_without_texts(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid working = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    struct store_step old = a_step("outline", "{\"old\":1}"), outline = a_step("outline", "{}"),
                      chunk = a_step("chunk_1", "Once");
    assert_int_equal(save(f, &c, &old, NULL), STORE_HELD);
    assert_int_equal(finish_one(f, &c, STORE_COMPLETE), STORE_HELD);
    assert_int_equal(CALL(f, store_retry, &working)->err, OK);
    c = claim_one(f);
    assert_int_equal(save(f, &c, &outline, NULL), STORE_HELD);
    assert_int_equal(save(f, &c, &chunk, NULL), STORE_HELD);
    struct uuid waiting = add_job(f, 2);
    struct uuid ids[] = {working, user_id(77), waiting};
    const struct store_result *r = CALL(f, store_show, ids, 3);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 3);
    const struct store_shown *first = &r->shown[0], *last = &r->shown[2];
    assert_int_equal(first->err, OK);
    assert_memory_equal(&first->job.id, &working, sizeof working);
    assert_int_equal(first->job.status, JOB_PROCESSING);
    assert_int_equal(first->job.run, 2);
    assert_json(f, first->job.params, "{\"topic\":\"tea\"}");
    assert_int_equal(first->n_steps, 2);
    assert_string_equal(first->steps[0].key, "outline");
    assert_string_equal(first->steps[1].key, "chunk_1");
    assert_string_equal(first->steps[1].stop, "end_turn");
    assert_string_equal(first->steps[1].model, "m");
    assert_int_equal(first->steps[1].usage.output, 20);
    assert_int_equal(first->steps[1].cost_udollar, 330);
    assert_true(first->steps[1].started_us == 1000 && first->steps[1].ended_us == 2000);
    assert_null(first->steps[1].output);
    assert_int_equal(r->shown[1].err, ERR_NOT_FOUND);
    assert_int_equal(r->shown[1].n_steps, 0);
    assert_int_equal(last->err, OK);
    assert_memory_equal(&last->job.id, &waiting, sizeof waiting);
    assert_int_equal(last->job.position, 1);
    assert_int_equal(last->n_steps, 0);
}

static void a_saved_step_replaces_its_text_and_is_read_in_order(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    struct store_step outline = a_step("outline", "{}"), chunk = a_step("chunk_1", "Once");
    assert_int_equal(save(f, &c, &outline, NULL), STORE_HELD);
    assert_int_equal(report(f, &c, NULL, 0, "On"), STORE_HELD);
    assert_int_equal(save(f, &c, &chunk, NULL), STORE_HELD);
    const struct store_result *r = steps_of(f, &id, 1);
    assert_int_equal(r->n, 2);
    assert_string_equal(r->steps[0].key, "outline");
    assert_string_equal(r->steps[1].key, "chunk_1");
    assert_string_equal(r->steps[1].output, "Once");
    assert_string_equal(r->steps[1].stop, "end_turn");
    assert_string_equal(r->steps[1].model, "m");
    assert_int_equal(r->steps[1].usage.output, 20);
    assert_int_equal(r->steps[1].cost_udollar, 330);
    assert_null(r->partial);
    outline.output = "{\"again\":1}";
    assert_int_equal(save(f, &c, &outline, NULL), STORE_HELD);
    r = steps_of(f, &id, 1);
    assert_int_equal(r->n, 2);
    assert_string_equal(r->steps[1].output, "{\"again\":1}");
    assert_int_equal(steps_of(f, &id, 2)->n, 0);
}

static void a_run_has_spent_what_all_its_calls_cost(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    assert_true(steps_of(f, &id, 1)->spent_udollar == 0);
    struct store_call_end cut = {
        .id = open_call_of(f, &c, &f->worker), .state = CALL_ESTIMATED, .cost_udollar = 700};
    assert_int_equal(CALL(f, store_call_close, &cut)->err, OK);
    struct store_call_end whole = {
        .id = open_call_of(f, &c, &f->worker), .state = CALL_EXACT, .cost_udollar = 330};
    struct store_step step = a_step("outline", "{}");
    assert_int_equal(save(f, &c, &step, &whole), STORE_HELD);
    assert_true(steps_of(f, &id, 1)->spent_udollar == 1030);
    assert_int_equal(steps_of(f, &id, 1)->n, 1);
    assert_true(steps_of(f, &id, 2)->spent_udollar == 0);
}

static void completion_fills_the_row_and_keeps_the_steps(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    struct store_step step = a_step("outline", "{}");
    assert_int_equal(save(f, &c, &step, NULL), STORE_HELD);
    assert_int_equal(report(f, &c, NULL, 0, "rest"), STORE_HELD);
    pass(f, 41 * SECOND);
    assert_int_equal(finish_one(f, &c, STORE_COMPLETE), STORE_HELD);
    const struct store_job *j = get_job(f, &id);
    assert_int_equal(j->status, JOB_COMPLETED);
    assert_int_equal(j->progress, 100);
    assert_string_equal(j->current_step, "completed");
    assert_string_equal(j->script, "# Tea");
    assert_json(f, j->metadata, "{\"words\":1,\"chunks\":3}");
    assert_int_equal(j->current_chunk, 3);
    assert_int_equal(j->total_chunks, 3);
    assert_null(j->error_message);
    assert_int_equal(j->processing_seconds, 41);
    assert_true(j->completed_us - j->started_us == 41 * SECOND);
    assert_false(j->queued);
    const struct store_result *r = steps_of(f, &id, 1);
    assert_int_equal(r->n, 1);
    assert_null(r->partial);
    /* Once; the same answer again where the first one may have got lost on the way. */
    assert_int_equal(finish_one(f, &c, STORE_COMPLETE),
                     f->plug->shared ? STORE_HELD : STORE_REPLACED);
    assert_int_equal(finish_one(f, &c, STORE_FAIL), STORE_REPLACED);
    assert_int_equal(get_job(f, &id)->status, JOB_COMPLETED);
}

static void a_failed_attempt_waits_and_burns_a_retry(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    struct store_finish retry = {.job = id,
                                 .fence = c.fence,
                                 .outcome = STORE_RETRY,
                                 .error = "503",
                                 .run_at_us = wall(f) + 5 * SECOND};
    assert_int_equal(CALL(f, store_finish, &retry, 1)->lost[0], STORE_HELD);
    const struct store_job *j = get_job(f, &id);
    assert_int_equal(j->status, JOB_PENDING);
    assert_string_equal(j->current_step, "retry_queued");
    assert_string_equal(j->error_message, "503");
    assert_int_equal(j->retry_count, 1);
    assert_true(j->run_at_us == retry.run_at_us);
    assert_int_equal(claim(f, 1, 0)->n, 0);
    pass(f, 6 * SECOND);
    c = claim_one(f);
    assert_int_equal(c.attempts, 1);
    assert_int_equal(finish_one(f, &c, STORE_COMPLETE), STORE_HELD);
    assert_null(get_job(f, &id)->error_message);
}

static void a_final_failure_says_why_and_how_long(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    pass(f, 3 * SECOND);
    assert_int_equal(finish_one(f, &c, STORE_FAIL), STORE_HELD);
    const struct store_job *j = get_job(f, &id);
    assert_int_equal(j->status, JOB_FAILED);
    assert_string_equal(j->current_step, "failed");
    assert_string_equal(j->error_message, "the kettle broke");
    assert_int_equal(j->processing_seconds, 3);
    assert_false(j->queued);
}

static void a_released_job_burns_nothing_and_keeps_its_work(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    struct store_step step = a_step("outline", "{}");
    assert_int_equal(save(f, &c, &step, NULL), STORE_HELD);
    assert_int_equal(report(f, &c, NULL, 0, "half a sen"), STORE_HELD);
    assert_int_equal(finish_one(f, &c, STORE_RELEASE), STORE_HELD);
    const struct store_job *j = get_job(f, &id);
    assert_int_equal(j->status, JOB_PENDING);
    assert_int_equal(j->retry_count, 0);
    c = claim_one(f);
    assert_int_equal(c.attempts, 0);
    assert_int_equal(c.run, 1);
    const struct store_result *r = steps_of(f, &id, c.run);
    assert_int_equal(r->n, 1);
    assert_string_equal(r->partial, "half a sen");
}

static void a_rerun_of_a_failed_job_keeps_its_steps_of_a_completed_one_does_not(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    struct store_step step = a_step("outline", "{}");
    assert_int_equal(save(f, &c, &step, NULL), STORE_HELD);
    assert_int_equal(finish_one(f, &c, STORE_FAIL), STORE_HELD);
    assert_int_equal(CALL(f, store_retry, &id)->err, OK);
    c = claim_one(f);
    assert_int_equal(steps_of(f, &id, c.run)->n, 1);
    assert_int_equal(finish_one(f, &c, STORE_COMPLETE), STORE_HELD);
    assert_int_equal(CALL(f, store_retry, &id)->err, OK);
    c = claim_one(f);
    assert_int_equal(c.run, 2);
    assert_int_equal(steps_of(f, &id, c.run)->n, 0);
    assert_int_equal(get_job(f, &id)->run, 2);
}

/* ---- the ledger ---- */

static struct uuid open_call(struct fixture *f, const struct store_claimed *c)
{
    return open_call_of(f, c, &f->worker);
}

static void the_ledger_sums_what_calls_cost(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    struct store_call_end end = {.id = open_call(f, &c),
                                 .state = CALL_EXACT,
                                 .usage = {100, 200, 30, 4, 5},
                                 .cost_udollar = 777,
                                 .http_status = 200};
    struct store_step step = a_step("outline", "{}");
    assert_int_equal(save(f, &c, &step, &end), STORE_HELD);
    struct store_call_end unbilled = {.id = open_call(f, &c), .state = CALL_UNBILLED};
    assert_int_equal(CALL(f, store_call_close, &unbilled)->err, OK);
    const struct store_job *j = get_job(f, &id);
    assert_int_equal(j->cost_udollar, 777);
    assert_int_equal(j->input_tokens, 139);
    assert_int_equal(j->output_tokens, 200);
    assert_int_equal(j->cache_read, 30);
    assert_int_equal(j->cache_write, 9);
    const struct store_stats *s = CALL0(f, store_stats)->stats;
    assert_int_equal(s->calls, 2);
    assert_int_equal(s->calls_estimated, 0);
    assert_int_equal(s->cost_udollar, 777);
    assert_int_equal(s->usage.input, 100);
    assert_int_equal(s->usage.cache_write_1h, 5);
}

static void an_exact_figure_replaces_an_estimate_but_not_the_other_way(void **state)
{
    struct fixture *f = fixture(state);
    add_job(f, 1);
    struct store_claimed c = claim_one(f);
    struct store_call_end end = {.id = open_call(f, &c), .state = CALL_ESTIMATED};
    end.usage.output = 50;
    end.cost_udollar = 50;
    assert_int_equal(CALL(f, store_call_close, &end)->err, OK);
    assert_int_equal(CALL0(f, store_stats)->stats->calls_estimated, 1);
    end.usage.output = 20; /* the call's own worker had seen less, then more */
    end.cost_udollar = 20;
    assert_int_equal(CALL(f, store_call_close, &end)->err, OK);
    assert_int_equal(CALL0(f, store_stats)->stats->cost_udollar, 50);
    end.usage.output = 55;
    end.cost_udollar = 55;
    assert_int_equal(CALL(f, store_call_close, &end)->err, OK);
    assert_int_equal(CALL0(f, store_stats)->stats->cost_udollar, 55);
    end.state = CALL_EXACT;
    end.usage.output = 60;
    end.cost_udollar = 60;
    assert_int_equal(CALL(f, store_call_close, &end)->err, OK);
    end.state = CALL_ESTIMATED;
    end.cost_udollar = 5000;
    assert_int_equal(CALL(f, store_call_close, &end)->err, OK);
    const struct store_stats *s = CALL0(f, store_stats)->stats;
    assert_int_equal(s->calls, 1);
    assert_int_equal(s->calls_estimated, 0);
    assert_int_equal(s->cost_udollar, 60);
    assert_int_equal(s->usage.output, 60);
    end.id = user_id(99);
    assert_int_equal(CALL(f, store_call_close, &end)->err, ERR_NOT_FOUND);
    end.state = CALL_OPEN;
    assert_int_equal(CALL(f, store_call_close, &end)->err, ERR_INVALID);
}

static void a_stale_attempt_changes_nothing_but_the_ledger(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed old = claim_one(f);
    struct uuid call = open_call(f, &old);
    assert_int_equal(finish_one(f, &old, STORE_RELEASE), STORE_HELD);
    struct store_claimed new = claim_one(f);
    assert_int_equal(check_one(f, &old), STORE_REPLACED);
    assert_int_equal(report(f, &old, "stale", 90, "stale"), STORE_REPLACED);
    struct store_step step = a_step("outline", "stale");
    struct store_call_end end = {
        .id = call, .state = CALL_EXACT, .usage = {.output = 9}, .cost_udollar = 9};
    assert_int_equal(save(f, &old, &step, &end), STORE_REPLACED);
    assert_int_equal(finish_one(f, &old, STORE_COMPLETE), STORE_REPLACED);
    const struct store_job *j = get_job(f, &id);
    assert_string_equal(j->current_step, "initializing");
    assert_int_equal(j->status, JOB_PROCESSING);
    assert_null(j->script);
    assert_int_equal(j->cost_udollar, 9);
    const struct store_result *r = steps_of(f, &id, 1);
    assert_int_equal(r->n, 0);
    assert_null(r->partial);
    assert_int_equal(check_one(f, &new), STORE_HELD);
}

static void money_outlives_a_deleted_job(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    struct uuid call = open_call(f, &c);
    assert_int_equal(CALL(f, store_delete, &id)->err, OK);
    struct store_call_end end = {.id = call, .state = CALL_EXACT, .cost_udollar = 12};
    assert_int_equal(CALL(f, store_call_close, &end)->err, OK);
    assert_int_equal(CALL0(f, store_stats)->stats->cost_udollar, 12);
}

static void a_refused_item_does_not_disturb_its_batch(void **state)
{
    struct fixture *f = fixture(state);
    struct store_finish items[3];
    struct store_claimed c[3];
    for (int i = 0; i < 3; i++) {
        add_job(f, i);
        c[i] = claim_one(f);
        items[i] = (struct store_finish){.job = c[i].id,
                                         .fence = c[i].fence,
                                         .outcome = STORE_COMPLETE,
                                         .metadata = i == 1 ? "{broken" : "{}"};
    }
    const struct store_result *r = CALL(f, store_finish, items, 3);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->lost[0], STORE_HELD);
    assert_int_equal(r->lost[1], STORE_REFUSED);
    assert_int_equal(r->lost[2], STORE_HELD);
    assert_true(strlen(r->message) > 0);
    assert_null(r->why[0]);
    assert_string_equal(r->why[1], r->message);
    assert_null(r->why[2]);
    assert_int_equal(get_job(f, &c[0].id)->status, JOB_COMPLETED);
    assert_int_equal(get_job(f, &c[1].id)->status, JOB_PROCESSING);
    assert_int_equal(get_job(f, &c[2].id)->status, JOB_COMPLETED);
    assert_int_equal(check_one(f, &c[1]), STORE_HELD); /* may be tried again */
}

static struct store_call call_of(struct fixture *f, int user, int64_t reserved)
{
    return (struct store_call){.id = uuid_new(wall(f)),
                               .job = user_id(900),
                               .user_id = user_id(user),
                               .worker = f->worker,
                               .run = 1,
                               .attempt = 1,
                               .step = "outline",
                               .provider = "sim",
                               .model = "m",
                               .reserved_udollar = reserved,
                               .day_cap_udollar = 1000,
                               .user_day_cap_udollar = 600};
}

static enum store_cap begin(struct fixture *f, const struct store_call *call)
{
    const struct store_result *r = CALL(f, store_call_open, call);
    assert_int_equal(r->err, OK);
    return r->cap;
}

static void end_call(struct fixture *f, const struct store_call *call, enum call_state state,
                     int64_t cost)
{
    struct store_call_end end = {.id = call->id, .state = state, .cost_udollar = cost};
    assert_int_equal(CALL(f, store_call_close, &end)->err, OK);
}

static void assert_today(struct fixture *f, int64_t spent, int64_t reserved)
{
    const struct store_stats *s = CALL0(f, store_stats)->stats;
    assert_int_equal(s->today_udollar, spent);
    assert_int_equal(s->today_reserved_udollar, reserved);
}

static void a_call_that_would_pass_a_cap_of_the_day_is_not_opened(void **state)
{
    struct fixture *f = fixture(state);
    struct store_call a = call_of(f, 1, 400), b = call_of(f, 1, 201), c = call_of(f, 2, 500);
    assert_int_equal(begin(f, &a), STORE_CAP_NONE);
    assert_int_equal(begin(f, &b), STORE_CAP_USER); /* 601 of 600 */
    assert_int_equal(begin(f, &c), STORE_CAP_NONE);
    assert_today(f, 0, 900);
    end_call(f, &a, CALL_EXACT, 350); /* cheaper than thought: there is room again */
    assert_today(f, 350, 500);
    assert_int_equal(begin(f, &b), STORE_CAP_DAY); /* 350 + 500 + 201 */
    end_call(f, &c, CALL_UNBILLED, 0);
    assert_int_equal(begin(f, &b), STORE_CAP_NONE);
    assert_today(f, 350, 201);
    end_call(f, &b, CALL_ESTIMATED, 190);
    end_call(f, &b, CALL_EXACT, 210); /* the truth came later */
    end_call(f, &b, CALL_ESTIMATED, 100);
    assert_today(f, 560, 0);
    struct store_call d = call_of(f, 3, 441), e = call_of(f, 3, 5000);
    assert_int_equal(begin(f, &d), STORE_CAP_DAY);
    e.day_cap_udollar = e.user_day_cap_udollar = 0;
    assert_int_equal(begin(f, &e), STORE_CAP_NONE); /* no caps */
    assert_int_equal(CALL0(f, store_stats)->stats->calls, 4);
}

static void a_new_day_begins_with_nothing_spent_and_a_call_counts_for_its_first_day(void **state)
{
    struct fixture *f = fixture(state);
    struct store_call a = call_of(f, 1, 600), b = call_of(f, 1, 300);
    assert_int_equal(begin(f, &a), STORE_CAP_NONE);
    assert_int_equal(begin(f, &b), STORE_CAP_USER);
    pass(f, 86400 * SECOND);
    assert_today(f, 0, 0);
    end_call(f, &a, CALL_EXACT, 599);
    assert_today(f, 0, 0);
    assert_int_equal(begin(f, &b), STORE_CAP_NONE);
    assert_today(f, 0, 300);
}

const struct CMUnitTest attempt_tests[] = {
    CASE(progress_shows_and_never_goes_back),
    CASE(a_call_that_would_pass_a_cap_of_the_day_is_not_opened),
    CASE(a_new_day_begins_with_nothing_spent_and_a_call_counts_for_its_first_day),
    CASE(text_is_appended_and_comes_back_with_its_step),
    CASE(text_repeated_or_out_of_place_makes_no_double_and_no_hole),
    CASE(jobs_are_shown_with_the_steps_of_their_runs_without_texts),
    CASE(a_saved_step_replaces_its_text_and_is_read_in_order),
    CASE(a_run_has_spent_what_all_its_calls_cost),
    CASE(completion_fills_the_row_and_keeps_the_steps),
    CASE(a_failed_attempt_waits_and_burns_a_retry),
    CASE(a_final_failure_says_why_and_how_long),
    CASE(a_released_job_burns_nothing_and_keeps_its_work),
    CASE(a_rerun_of_a_failed_job_keeps_its_steps_of_a_completed_one_does_not),
    CASE(the_ledger_sums_what_calls_cost),
    CASE(an_exact_figure_replaces_an_estimate_but_not_the_other_way),
    CASE(a_stale_attempt_changes_nothing_but_the_ledger),
    CASE(money_outlives_a_deleted_job),
    CASE(a_refused_item_does_not_disturb_its_batch),
};
CASES(attempt_tests);
