/* In: ops, rows. Out: one SQL function's call for each op, and results from its rows. */
#include "store/pg/pg_verbs.h"

#include "store/store_places.h"

#include <string.h>

/* ---- clients ---- */

static void put_insert(struct pg_params *p, struct pg_task *t)
{
    struct store_op *op = t->op;
    for (size_t i = 0; i < op->n; i++) { /* now: the same ids when it has to be sent again */
        if (uuid_is_nil(&op->in.insert[i].id))
            op->in.insert[i].id = uuid_new(op->now_us);
    }
    PG_EACH(p, t, PG_UUID, insert, pg_array_uuid(p, &item->id));
    PG_EACH(p, t, PG_UUID, insert, pg_array_uuid(p, &item->user_id));
    PG_EACH(p, t, PG_UUID, insert, pg_array_uuid(p, &item->workflow_id));
    PG_EACH(p, t, PG_INT, insert, pg_array_int(p, item->priority));
    PG_EACH(p, t, PG_INT, insert, pg_array_int(p, item->max_retries));
    PG_EACH(p, t, PG_TEXT, insert, pg_array_text(p, item->params));
    PG_EACH(p, t, PG_LONG, insert, pg_array_long(p, item->run_at_us));
    PG_EACH(p, t, PG_TEXT, insert, pg_array_text(p, item->idempotency_key));
}

static bool take_insert(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    struct store_inserted *inserted = arena_array(r->arena, n, sizeof *inserted);
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        inserted[i].id = pg_get_uuid(r);
        inserted[i].existed = pg_get_bool(r);
    }
    if (n != t->op->n && r->err == OK)
        r->err = ERR_PROTOCOL;
    t->op->result.inserted = inserted;
    t->op->result.n = n;
    return false;
}

static void put_id(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.id);
}

static void put_filter(struct pg_params *p, struct pg_task *t)
{
    const struct store_filter *f = &t->op->in.filter;
    pg_put_text(p, f->status == JOB_STATUS_MAX ? NULL : job_status_name(f->status));
    pg_put_uuid(p, &f->user_id);
    if (t->op->verb == VERB_LIST) {
        pg_put_uuid(p, &f->after);
        pg_put_int(p, (int64_t)f->limit);
    }
}

/* The column may hold what our CHECK forbids when the table is somebody else's. */
enum job_status pg_get_status(struct pg_reader *r)
{
    enum job_status status = JOB_FAILED;
    const char *name = pg_get_text(r);
    if (name != NULL && job_status_parse(name, &status) != OK)
        status = JOB_FAILED;
    return status;
}

static void read_job(struct pg_reader *r, struct store_job *j, bool texts)
{
    j->id = pg_get_uuid(r);
    j->user_id = pg_get_uuid(r);
    j->workflow_id = pg_get_uuid(r);
    j->status = pg_get_status(r);
    j->progress = (int)pg_get_int(r);
    j->current_chunk = (int)pg_get_int(r);
    j->total_chunks = (int)pg_get_int(r);
    j->retry_count = (int)pg_get_int(r);
    j->max_retries = (int)pg_get_int(r);
    j->priority = (int)pg_get_int(r);
    j->current_step = pg_get_text(r);
    j->error_message = pg_get_text(r);
    j->created_us = pg_get_int(r);
    j->started_us = pg_get_int(r);
    j->completed_us = pg_get_int(r);
    j->updated_us = pg_get_int(r);
    j->processing_seconds = pg_get_int(r);
    j->queued = pg_get_bool(r);
    j->run_at_us = pg_get_int(r);
    j->run = (int)pg_get_int(r);
    j->position = (int)pg_get_int(r);
    j->cost_udollar = pg_get_int(r);
    j->input_tokens = pg_get_int(r);
    j->output_tokens = pg_get_int(r);
    if (!texts)
        return;
    j->params = pg_get_text(r);
    j->script = pg_get_text(r);
    j->metadata = pg_get_text(r);
}

static struct store_place get_place(struct pg_reader *r)
{
    struct store_place place = {.priority = (int)pg_get_int(r)};
    place.tag = pg_get_int(r);
    place.tie = pg_get_int(r);
    return place;
}

static void read_place(struct store_op *op, struct pg_reader *r, struct store_job *j)
{
    bool due = !pg_next_is_null(r);
    op->place = get_place(r);
    op->placed = due ? j : NULL;
}

static bool take_jobs(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    bool one = t->op->verb == VERB_GET;
    if (one && n == 0 && r->err == OK) {
        char text[UUID_TEXT_SIZE];
        store_op_fail(t->op, ERR_NOT_FOUND, "there is no job %s", uuid_text(&t->op->in.id, text));
        return false;
    }
    struct store_job *jobs = arena_array(r->arena, n, sizeof *jobs);
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        read_job(r, &jobs[i], one);
        if (one)
            read_place(t->op, r, &jobs[i]);
    }
    t->op->result.jobs = jobs;
    t->op->result.n = n;
    return false;
}

static bool take_count(struct pg_task *t, struct pg_reader *r)
{
    t->op->result.count = pg_get_int(r);
    return false;
}

static bool take_nothing(struct pg_task *t, struct pg_reader *r)
{
    (void)t;
    (void)r;
    return false;
}

static void put_age(struct pg_params *p, struct pg_task *t)
{
    pg_put_long(p, t->op->in.age_us);
}

/* ---- workers ---- */

static void put_worker(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.worker.id);
    pg_put_text(p, t->op->in.worker.name);
    pg_put_long(p, t->op->in.worker.lease_us);
    pg_put_int(p, t->op->in.worker.version);
}

static bool take_rescue(struct pg_task *t, struct pg_reader *r)
{
    t->op->result.count = pg_get_int(r);
    t->op->result.failed = pg_get_int(r);
    t->op->changed = t->op->result.count > 0;
    return false;
}

static void put_claim(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.claim.worker);
    pg_put_int(p, (int64_t)t->op->in.claim.max);
    pg_put_int(p, t->op->in.claim.cap_per_user);
    pg_put_long(p, t->store->claim_epoch);
}

static bool is_labelled(const struct pg_task *t)
{
    return t->op->verb == VERB_CLAIM && t->op->in.claim.label != NULL && !t->claim_again;
}

static void put_claim_labelled(struct pg_params *p, struct pg_task *t)
{
    put_claim(p, t);
    pg_put_text(p, t->op->in.claim.label);
    pg_put_int(p, t->op->in.claim.label_cap);
}

/* Claimed is claimed: a job that cannot be read is handed out all the same, and fails as itself. */
static const char *read_params(struct pg_reader *r)
{
    bool null = pg_next_is_null(r);
    const char *params = pg_get_text(r);
    if (!null && params == NULL && r->err == ERR_TOO_BIG) {
        r->err = OK;
        return "the text is larger than this program reads";
    }
    return params;
}

static void read_claimed(struct pg_reader *r, struct store_claimed *c)
{
    c->id = pg_get_uuid(r);
    c->user_id = pg_get_uuid(r);
    c->workflow_id = pg_get_uuid(r);
    c->fence = pg_get_int(r);
    c->run = (int)pg_get_int(r);
    c->attempts = (int)pg_get_int(r);
    c->crashes = (int)pg_get_int(r);
    c->max_retries = (int)pg_get_int(r);
    c->priority = (int)pg_get_int(r);
    c->created_us = pg_get_int(r);
    c->waited_us = pg_get_int(r);
    c->params = read_params(r);
}

/* The last row has only the time of the next job. */
static bool take_claim(struct pg_task *t, struct pg_reader *r)
{
    struct store_op *op = t->op;
    int rows = pg_reader_rows(r);
    if (rows < 1) {
        r->err = ERR_PROTOCOL;
        return false;
    }
    size_t n = (size_t)rows - 1;
    struct store_claimed *claimed = arena_array(r->arena, n, sizeof *claimed);
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        read_claimed(r, &claimed[i]);
        if (claimed[i].fence > t->store->fence_seen)
            t->store->fence_seen = claimed[i].fence;
    }
    pg_reader_row(r, rows - 1);
    r->col = PQnfields(r->res) - (is_labelled(t) ? 2 : 1);
    if (is_labelled(t))
        op->result.due_left = pg_get_bool(r);
    int64_t due = pg_get_int(r); /* -1: paused */
    op->result.paused = due < 0;
    op->result.next_due_us = due > 0 ? due : 0;
    op->result.claimed = claimed;
    op->result.n = n;
    return false;
}

/* ---- the whole ---- */

static void put_none(struct pg_params *p, struct pg_task *t)
{
    (void)p;
    (void)t;
}

static bool take_stats(struct pg_task *t, struct pg_reader *r)
{
    struct store_stats *s = arena_alloc(r->arena, sizeof *s);
    for (int i = 0; i < JOB_STATUS_MAX; i++)
        s->count[i] = pg_get_int(r);
    for (int i = 0; i < JOB_STATUS_MAX; i++)
        s->recent[i] = pg_get_int(r);
    for (int i = 0; i < JOB_STATUS_MAX; i++)
        s->recent_seconds[i] = pg_get_double(r);
    s->due = pg_get_int(r);
    s->delayed = pg_get_int(r);
    s->running = pg_get_int(r);
    s->foreign = pg_get_int(r);
    s->oldest_due_us = pg_get_int(r);
    s->usage.input = pg_get_int(r);
    s->usage.output = pg_get_int(r);
    s->usage.cache_read = pg_get_int(r);
    s->usage.cache_write_5m = pg_get_int(r);
    s->usage.cache_write_1h = pg_get_int(r);
    s->calls = pg_get_int(r);
    s->calls_estimated = pg_get_int(r);
    s->cost_udollar = pg_get_int(r);
    s->paused = store_is_paused(pg_get_text(r), &s->paused_since_us);
    s->today_udollar = pg_get_int(r);
    s->today_reserved_udollar = pg_get_int(r);
    t->op->result.stats = s;
    return false;
}

static void put_places(struct pg_params *p, struct pg_task *t)
{
    (void)t;
    pg_put_int(p, STORE_PLACES_MAX);
}

static bool take_places(struct pg_task *t, struct pg_reader *r)
{
    struct places *p = arena_alloc(r->arena, sizeof *p);
    int rows = pg_reader_rows(r);
    if (rows > STORE_PLACES_MAX)
        r->err = ERR_PROTOCOL;
    p->at = arena_array(r->arena, (size_t)rows, sizeof *p->at);
    for (int i = 0; i < rows && r->err == OK; i++) {
        pg_reader_row(r, i);
        p->at[p->n++] = get_place(r);
        p->step = pg_get_int(r);
        p->total = pg_get_int(r);
    }
    t->op->places = p;
    return false;
}

static bool take_workers(struct pg_task *t, struct pg_reader *r)
{
    int rows = pg_reader_rows(r);
    struct store_worker_seen *seen = arena_array(r->arena, (size_t)rows, sizeof *seen);
    for (int i = 0; i < rows; i++) {
        pg_reader_row(r, i);
        seen[i].id = pg_get_uuid(r);
        seen[i].name = pg_get_text(r);
        seen[i].held_since_us = pg_get_int(r);
        seen[i].expires_us = pg_get_int(r);
        seen[i].running = pg_get_int(r);
    }
    t->op->result.workers = seen;
    t->op->result.n = (size_t)rows;
    return false;
}

static bool take_facts(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    struct store_fact *facts = arena_array(r->arena, n, sizeof *facts);
    for (size_t i = 0; i < n; i++) {
        pg_reader_row(r, (int)i);
        facts[i].name = pg_get_text(r);
        facts[i].value = pg_get_text(r);
    }
    t->op->result.facts = facts;
    t->op->result.n = n;
    return false;
}

static void put_setting(struct pg_params *p, struct pg_task *t)
{
    pg_put_text(p, t->op->in.setting.key);
    if (t->op->verb == VERB_SETTING_SET)
        pg_put_text(p, t->op->in.setting.value);
}

static bool take_text(struct pg_task *t, struct pg_reader *r)
{
    t->op->result.text = pg_get_text(r);
    return false;
}

/* ---- the table ---- */

#define F                "SELECT * FROM scriptorium."
#define JOB_COLUMNS      27
#define CLAIM_AGAIN      F "claim_again($1, $2, $3)"
#define CLAIM_LABELLED   F "claim_labelled($1, $2, $3, $4, $5, $6)"
#define STEP_COLUMNS     14
#define SCHEDULE_COLUMNS 14
#define RUN_COLUMNS      12
#define SCALE_COLUMNS    9

static const struct pg_verb verbs[VERB_MAX] = {
    [VERB_INSERT] = {LANE_ANY, true, false, F "insert_jobs($1, $2, $3, $4, $5, $6, $7, $8)", 2,
                     put_insert, take_insert},
    [VERB_GET] = {LANE_ANY, false, true,
                  "SELECT j.*, p.* FROM scriptorium.get_job($1) j"
                  " LEFT JOIN LATERAL scriptorium.place_of(j.id) p ON true",
                  JOB_COLUMNS + 3, put_id, take_jobs},
    [VERB_LIST] = {LANE_ANY, false, true, F "list_jobs($1, $2, $3, $4)", JOB_COLUMNS, put_filter,
                   take_jobs},
    [VERB_CANCEL] = {LANE_ANY, true, false, F "cancel_job($1)", 1, put_id, take_count},
    [VERB_RETRY] = {LANE_ANY, true, false, F "retry_job($1)", 1, put_id, take_count},
    [VERB_DELETE] = {LANE_ANY, true, false, F "delete_job($1)", 1, put_id, take_count},
    [VERB_RETRY_ALL] = {LANE_ANY, true, false, F "retry_all($1, $2)", 1, put_filter, take_count},
    [VERB_RESCUE_FOREIGN] = {LANE_ANY, true, false, F "rescue_foreign($1)", 1, put_age, take_count},
    [VERB_WORKER_OPEN] = {LANE_LEASE, false, true, F "worker_open_with($1, $2, $3, nullif($4, -1))",
                          1, put_worker, take_nothing},
    [VERB_WORKER_VERSION] = {LANE_LEASE, false, true, F "worker_version($1, nullif($2, -1))", 1,
                             pg_deployments_put_worker, take_nothing},
    [VERB_WORKER_RENEW] = {LANE_LEASE, false, true, F "worker_renew($1)", 1, put_id, take_nothing},
    [VERB_WORKER_CLOSE] = {LANE_LEASE, true, true, F "worker_close($1)", 1, put_id, take_count},
    [VERB_RESCUE] = {LANE_LEASE, false, true, F "rescue($1)", 2, put_id, take_rescue},
    [VERB_CLAIM] = {LANE_LEASE, false, true, F "claim($1, $2, $3, $4)", 13, put_claim, take_claim},
    [VERB_CHECK] = {LANE_LEASE, false, true, F "check_held($1, $2)", 1, pg_attempt_put_check,
                    pg_attempt_take_check},
    [VERB_PROGRESS] = {LANE_WRITE, false, true,
                       F "progress($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)", 2,
                       pg_attempt_put_progress, pg_attempt_take_progress},
    [VERB_STEPS] = {LANE_ANY, false, true,
                    "SELECT s.*, NULL::bytea FROM scriptorium.steps($1, $2) s UNION ALL"
                    " SELECT key, input_hash, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, content"
                    " FROM scriptorium.partial_text($1) UNION ALL"
                    " SELECT NULL, NULL, NULL, NULL, NULL, scriptorium.job_version($1), 0, 0, 0, 0,"
                    " scriptorium.run_spent($1, $2), 0, 0, NULL",
                    STEP_COLUMNS, pg_attempt_put_steps, pg_attempt_take_steps},
    [VERB_FOLLOW] = {LANE_ANY, false, true, F "follow($1, $2, $3, $4, $5, $6)", PG_FOLLOW_COLUMNS,
                     pg_follow_put, pg_follow_take},
    [VERB_CALL_OPEN] =
        {LANE_WRITE, false, true,
         F "call_begin($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)", 1,
         pg_attempt_put_call_open, pg_attempt_take_call_open},
    [VERB_CALL_CLOSE] = {LANE_WRITE, false, true,
                         F "call_close($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)", 1,
                         pg_attempt_put_call_close, take_nothing},
    [VERB_STEP_SAVE] = {LANE_WRITE, false, true,
                        F "step_save($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
                          " $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)",
                        1, pg_attempt_put_save, pg_attempt_take_save},
    [VERB_FINISH] = {LANE_WRITE, true, true, F "finish($1, $2, $3, $4, $5, $6, $7, $8)", 3,
                     pg_attempt_put_finish, pg_attempt_take_finish},
    [VERB_BUDGET] = {LANE_LEASE, false, true,
                     F "budget_share($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
                     10, pg_budget_put, pg_budget_take},
    [VERB_HOOKS_CHECK] = {LANE_ANY, false, true, F "hooks_check($1, $2, $3, $4::boolean)", 1,
                          pg_hooks_put_check, take_nothing},
    [VERB_INPUT] = {LANE_ANY, false, true, F "input($1, $2, $3, $4)", 4, pg_hooks_put_input,
                    pg_hooks_take_input},
    [VERB_RUN_ENDED] = {LANE_ANY, false, true, F "run_ended($1, $2)", 2, pg_hooks_put_ended,
                        pg_hooks_take_ended},
    [VERB_ENDPOINTS_SET] = {LANE_ANY, false, true, F "endpoints_set($1, $2)", 1,
                            pg_webhooks_put_endpoints, take_count},
    [VERB_ENDPOINT_DROP] = {LANE_ANY, false, true, F "endpoint_drop($1, $2)", 1,
                            pg_webhooks_put_drop, take_count},
    [VERB_ENDPOINTS] = {LANE_ANY, false, true, F "endpoints()", 7, put_none,
                        pg_webhooks_take_endpoints},
    [VERB_DELIVERIES_TAKE] = {LANE_ANY, false, true, F "deliveries_take($1, $2, $3)",
                              PG_DELIVERY_COLUMNS, pg_webhooks_put_take,
                              pg_webhooks_take_deliveries},
    [VERB_DELIVERIES_NOTE] = {LANE_ANY, false, true, F "deliveries_note($1, $2, $3, $4, $5, $6)", 1,
                              pg_webhooks_put_note, take_count},
    [VERB_DELIVERIES] = {LANE_ANY, false, true, F "deliveries($1::integer, $2, $3, $4)",
                         PG_DELIVERY_COLUMNS, pg_webhooks_put_filter, pg_webhooks_take_deliveries},
    [VERB_DELIVERIES_RETRY] = {LANE_ANY, false, true, F "deliveries_retry($1, $2)", 1,
                               pg_webhooks_put_retry, take_count},
    [VERB_STATS] = {LANE_ANY, false, true,
                    "SELECT s.*, scriptorium.setting_get('paused'), t.cost, t.reserved"
                    " FROM scriptorium.stats() s, scriptorium.spent(NULL) t",
                    31, put_none, take_stats},
    [VERB_PLACES] = {LANE_ANY, false, true, F "places($1)", 5, put_places, take_places},
    [VERB_WORKERS] = {LANE_ANY, false, true, F "workers()", 5, put_none, take_workers},
    [VERB_SCALE] = {LANE_ANY, true, false, F "scale($1, $2, $3, $4 <> 0)", SCALE_COLUMNS,
                    pg_control_put_scale, pg_control_take_scale},
    [VERB_SWEEP] = {LANE_ANY, false, true, F "sweep($1, $2, $3, $4 <> 0, $5)", 2,
                    pg_control_put_sweep, pg_control_take_sweep},
    [VERB_ERASE] = {LANE_ANY, true, true, F "erase($1, $2, $3)", 8, pg_control_put_erase,
                    pg_control_take_erase},
    [VERB_SCALE_GET] = {LANE_ANY, false, true, F "scale_get($1, $2 <> 0)", SCALE_COLUMNS,
                        pg_control_put_scale_look, pg_control_take_scale},
    [VERB_EXAMINE] = {LANE_ANY, false, true, F "examine()", 2, put_none, take_facts},
    [VERB_SETTING_SET] = {LANE_ANY, true, true, F "setting_set($1, $2)", 1, put_setting,
                          take_nothing},
    [VERB_SETTING_GET] = {LANE_ANY, false, true, F "setting_get($1)", 1, put_setting, take_text},
    [VERB_INVOCATION_SAVE] = {LANE_WRITE, false, true,
                              F "invocation_save($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,"
                                " $13, $14)",
                              1, pg_history_put_invocation, take_nothing},
    [VERB_INVOCATIONS] = {LANE_ANY, false, true, F "invocations($1, $2)", 13, pg_history_put_page,
                          pg_history_take_invocations},
    [VERB_LOG_ADD] = {LANE_ANY, false, false, F "log_add($1, $2, $3, $4, $5, $6, $7, $8, $9)", 1,
                      pg_history_put_log, take_nothing},
    [VERB_DEPLOYMENT_ADD] = {LANE_ANY, true, true, F "deployment_add($1, $2, $3, $4, $5, $6)", 2,
                             pg_deployments_put_add, pg_deployments_take_add},
    [VERB_DEPLOYMENTS] = {LANE_ANY, false, true, F "deployments(NULL, false)", 10,
                          pg_deployments_put_which, pg_deployments_take},
    [VERB_DEPLOYMENT_GET] = {LANE_ANY, false, true, F "deployments($1, true)", 10,
                             pg_deployments_put_which, pg_deployments_take},
    [VERB_DEPLOYMENT_ACTIVATE] = {LANE_ANY, true, false, F "deployment_activate($1)", 1,
                                  pg_deployments_put_version, pg_deployments_take_version},
    [VERB_DEPLOYMENT_ACTIVE] = {LANE_ANY, false, true, F "active_version()", 1, put_none,
                                pg_deployments_take_version},
    [VERB_LOG] = {LANE_ANY, false, true, F "log_lines($1, $2, $3, $4)", 9, pg_history_put_filter,
                  pg_history_take_lines},
    [VERB_SCHEDULE_SAVE] = {LANE_ANY, true, true,
                            F "schedule_save($1, $2, $3, $4, $5, $6::boolean)", SCHEDULE_COLUMNS,
                            pg_schedules_put_save, pg_schedules_take_list},
    [VERB_SCHEDULE_REMOVE] = {LANE_ANY, false, false, F "schedule_remove($1)", 1,
                              pg_schedules_put_list, take_count},
    [VERB_SCHEDULE_LIST] = {LANE_ANY, false, true, F "schedules($1, $2, $3)", SCHEDULE_COLUMNS,
                            pg_schedules_put_list, pg_schedules_take_list},
    [VERB_SCHEDULE_DUE] = {LANE_ANY, false, true, F "schedule_due($1)", SCHEDULE_COLUMNS,
                           pg_schedules_put_due, pg_schedules_take_due},
    [VERB_SCHEDULE_PLAN] = {LANE_ANY, false, false,
                            F "schedule_plan($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", RUN_COLUMNS,
                            pg_schedules_put_plan, pg_schedules_take_runs},
    [VERB_SCHEDULE_BOOT] = {LANE_ANY, false, true, F "schedule_boot($1, $2, $3)", RUN_COLUMNS,
                            pg_schedules_put_boot, pg_schedules_take_runs},
    [VERB_RUN_TAKE] = {LANE_ANY, false, true, F "run_take($1)", RUN_COLUMNS, pg_schedules_put_boot,
                       pg_schedules_take_runs},
    [VERB_RUN_END] = {LANE_ANY, false, true, F "run_end($1, $2, $3, $4, $5)", 1,
                      pg_schedules_put_end, take_count},
    [VERB_RUNS] = {LANE_ANY, false, true, F "runs($1, $2, $3)", RUN_COLUMNS, pg_schedules_put_runs,
                   pg_schedules_take_runs},
};

const struct pg_verb *pg_verb_of(enum store_verb verb)
{
    return &verbs[verb];
}

/* A hook of the users' may take its time: the text of all other jobs does not wait behind it. */
enum pg_lane_name pg_verb_lane(const struct pg_store *s, const struct store_op *op)
{
    if (op->verb == VERB_FINISH && s->hook != NULL && op->n == 1 &&
        op->in.finish[0].outcome == STORE_COMPLETE)
        return LANE_ANY;
    return verbs[op->verb].lane;
}

const char *pg_verb_put(struct pg_task *t, struct pg_params *p)
{
    struct pg_store *s = t->store;
    const struct pg_verb *verb = &verbs[t->op->verb];
    t->claim_again = t->op->verb == VERB_CLAIM && s->claim_unsure;
    if (t->claim_again) {
        pg_put_uuid(p, &t->op->in.claim.worker);
        pg_put_long(p, s->fence_seen);
        pg_put_long(p, s->claim_epoch);
        return CLAIM_AGAIN;
    }
    if (is_labelled(t)) {
        put_claim_labelled(p, t);
        return CLAIM_LABELLED;
    }
    verb->put(p, t);
    return verb->sql;
}

/* "claim" of "SELECT * FROM scriptorium.claim($1)". */
static int function_name(const char *sql, const char **ret_name)
{
    static const char schema[] = "scriptorium.";
    *ret_name = strstr(sql, schema) + strlen(schema);
    return (int)strcspn(*ret_name, "(");
}

static void fail_shape(struct pg_task *t, const PGresult *res, int columns)
{
    const char *name;
    int n = function_name(pg_verb_of(t->op->verb)->sql, &name);
    store_op_fail(
        t->op, ERR_PROTOCOL,
        "%s: an answer of %d rows and %d columns does not fit %.*s() (%d columns); should "
        "it stay so, the database has functions of another version: run `scriptorium "
        "migrate`",
        t->store->url->label, PQntuples(res), PQnfields(res), n, name, columns);
}

bool pg_verb_take(struct pg_task *t, const PGresult *res)
{
    const struct pg_verb *verb = &verbs[t->op->verb];
    int columns = verb->columns + is_labelled(t); /* due_left */
    struct pg_reader r = pg_reader_new(res, &t->op->arena, columns);
    bool busy = verb->take(t, &r);
    if (r.err == ERR_PROTOCOL)
        fail_shape(t, res, columns);
    else if (r.err != OK)
        store_op_fail(t->op, r.err, "a text in the database is larger than %u bytes",
                      STORE_TEXT_MAX);
    return busy && r.err == OK;
}
