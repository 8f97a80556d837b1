/* In: ops. Out: one SQL function's call for each, and their results; who puts and takes what. */
#include "store/pg/pg_verbs.h"

#include <string.h>

/* ---- what many have in common ---- */

static void put_none(struct pg_params *p, struct pg_task *t)
{
    (void)p;
    (void)t;
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

/* ---- the table ---- */

#define F                "SELECT * FROM scriptorium."
#define CLAIM_AGAIN      F "claim_again($1, $2, $3)"
#define CLAIM_LABELLED   F "claim_labelled($1, $2, $3, $4, $5, $6)"
#define STEP_COLUMNS     14
#define SCHEDULE_COLUMNS 14
#define RUN_COLUMNS      12
#define SCALE_COLUMNS    9

static const struct pg_verb verbs[VERB_MAX] = {
    [VERB_INSERT] = {LANE_ANY, true, false, F "insert_jobs($1, $2, $3, $4, $5, $6, $7, $8)", 2,
                     pg_jobs_put_insert, pg_jobs_take_insert},
    [VERB_GET] = {LANE_ANY, false, true, F "jobs_of(ARRAY[$1], true)", PG_JOB_COLUMNS,
                  pg_jobs_put_id, pg_jobs_take},
    [VERB_SHOW] = {LANE_ANY, false, true, F "show_jobs($1)", 1 + PG_JOB_COLUMNS + PG_STEP_COLUMNS,
                   pg_jobs_put_ids, pg_jobs_take_shown},
    [VERB_LIST] = {LANE_ANY, false, true,
                   F "jobs_of(scriptorium.page_ids($1, $2, $3, $4, $5), false)", PG_JOB_COLUMNS,
                   pg_jobs_put_filter, pg_jobs_take},
    [VERB_LIVE] = {LANE_ANY, false, true, F "live($1, $2, $3, $4, $5, $6)", 3, pg_look_put_live,
                   pg_look_take_live},
    [VERB_CANCEL] = {LANE_ANY, true, false, F "cancel_job($1)", 1, pg_jobs_put_id, take_count},
    [VERB_RETRY] = {LANE_ANY, true, false, F "retry_job($1)", 1, pg_jobs_put_id, take_count},
    [VERB_DELETE] = {LANE_ANY, true, false, F "delete_job($1)", 1, pg_jobs_put_id, take_count},
    [VERB_RETRY_ALL] = {LANE_ANY, true, false, F "retry_all($1, $2)", 1, pg_jobs_put_filter,
                        take_count},
    [VERB_RESCUE_FOREIGN] = {LANE_ANY, true, false, F "rescue_foreign($1)", 1, pg_jobs_put_age,
                             take_count},
    [VERB_WORKER_OPEN] = {LANE_LEASE, false, true, F "worker_open_with($1, $2, $3, nullif($4, -1))",
                          1, pg_workers_put_open, take_nothing},
    [VERB_WORKER_VERSION] = {LANE_LEASE, false, true, F "worker_version($1, nullif($2, -1))", 1,
                             pg_deployments_put_worker, take_nothing},
    [VERB_WORKER_RENEW] = {LANE_LEASE, false, true, F "worker_renew($1)", 1, pg_jobs_put_id,
                           take_nothing},
    [VERB_WORKER_CLOSE] = {LANE_CLAIM, true, true, F "worker_close($1)", 1, pg_jobs_put_id,
                           take_count},
    [VERB_RESCUE] = {LANE_CLAIM, false, true, F "rescue($1)", 2, pg_jobs_put_id,
                     pg_workers_take_rescue},
    [VERB_CLAIM] = {LANE_CLAIM, false, true, F "claim($1, $2, $3, $4)", 13, pg_workers_put_claim,
                    pg_workers_take_claim},
    [VERB_CHECK] = {LANE_LEASE, false, true, F "check_held($1, $2)", 1, pg_attempt_put_check,
                    pg_attempt_take_check},
    [VERB_PROGRESS] = {LANE_WRITE, false, true,
                       F "progress($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)", 2,
                       pg_attempt_put_progress, pg_attempt_take_progress},
    [VERB_STEPS] = {LANE_ANY, false, true, F "run_state($1, $2)", STEP_COLUMNS,
                    pg_attempt_put_steps, pg_attempt_take_steps},
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
    [VERB_INPUT] = {LANE_HOOK, false, true, F "input($1, $2, $3, $4)", 4, pg_hooks_put_input,
                    pg_hooks_take_input},
    [VERB_RUN_ENDED] = {LANE_HOOK, false, true, F "run_ended($1, $2)", 2, pg_hooks_put_ended,
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
                    31, put_none, pg_look_take_stats},
    [VERB_PLACES] = {LANE_ANY, false, true, F "places($1)", 5, pg_look_put_places,
                     pg_look_take_places},
    [VERB_WORKERS] = {LANE_ANY, false, true, F "workers()", 5, put_none, pg_look_take_workers},
    [VERB_SCALE] = {LANE_ANY, true, false, F "scale($1, $2, $3, $4 <> 0)", SCALE_COLUMNS,
                    pg_control_put_scale, pg_control_take_scale},
    [VERB_SWEEP] = {LANE_ANY, false, true, F "sweep($1, $2, $3, $4 <> 0, $5)", 2,
                    pg_control_put_sweep, pg_control_take_sweep},
    [VERB_ERASE] = {LANE_ANY, true, true, F "erase($1, $2, $3)", 8, pg_control_put_erase,
                    pg_control_take_erase},
    [VERB_SCALE_GET] = {LANE_ANY, false, true, F "scale_get($1, $2 <> 0)", SCALE_COLUMNS,
                        pg_control_put_scale_look, pg_control_take_scale},
    [VERB_EXAMINE] = {LANE_ANY, false, true, F "examine()", 2, put_none, pg_look_take_facts},
    [VERB_SETTING_SET] = {LANE_ANY, true, true, F "setting_set($1, $2)", 1, pg_look_put_setting,
                          take_nothing},
    [VERB_SETTING_GET] = {LANE_ANY, false, true, F "setting_get($1)", 1, pg_look_put_setting,
                          pg_look_take_text},
    [VERB_READY] = {LANE_LEASE, false, true, F "ready()", 1, put_none, take_nothing},
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
    [VERB_SCHEDULE_LIST_SQL] = {LANE_ANY, false, true, F "schedules_in_sql($1, $2, $3)",
                                SCHEDULE_COLUMNS, pg_schedules_put_list, pg_schedules_take_list},
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

enum pg_lane_name pg_verb_lane(const struct pg_store *s, const struct store_op *op)
{
    if (op->verb == VERB_FINISH && s->hook != NULL && op->n == 1 &&
        op->in.finish[0].outcome == STORE_COMPLETE)
        return LANE_HOOK;
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
    if (pg_workers_is_labelled(t)) {
        pg_workers_put_claim_labelled(p, t);
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
    int columns = verb->columns + pg_workers_is_labelled(t); /* due_left */
    struct pg_reader r = pg_reader_new(res, &t->op->arena, columns);
    bool busy = verb->take(t, &r);
    if (r.err == ERR_PROTOCOL)
        fail_shape(t, res, columns);
    else if (r.err != OK)
        store_op_fail(t->op, r.err, "a text in the database is larger than %u bytes",
                      STORE_TEXT_MAX);
    return busy && r.err == OK;
}
