/* In: ops on their way. Out: the parts of the verbs' table that live in other files, and what they
 * share. Private to this folder. */
#ifndef STORE_PG_PG_VERBS_H
#define STORE_PG_PG_VERBS_H

#include "store/pg/pg.h"

enum { LOST_BUSY = STORE_LOST_MAX }; /* the functions' own: a client holds the row; send it again */

/* ---- items of batched verbs ---- */

static inline size_t pg_item_count(const struct pg_task *t)
{
    return t->left != NULL ? t->n_left : t->op->n;
}

static inline size_t pg_item_at(const struct pg_task *t, size_t i)
{
    return t->left != NULL ? t->left[i] : i;
}

/* One array parameter: `put` for each item that is left, which it calls `item`. */
#define PG_EACH(p, t, type, list, put)                                                             \
    do {                                                                                           \
        pg_array_begin((p), (type), pg_item_count(t));                                             \
        for (size_t i_ = 0; i_ < pg_item_count(t); i_++) {                                         \
            const __typeof__(*(t)->op->in.list) *item = &(t)->op->in.list[pg_item_at((t), i_)];    \
            put;                                                                                   \
        }                                                                                          \
        pg_array_end(p);                                                                           \
    } while (0)

/* ---- pg_jobs.c ---- */

/* Takes a status; the column may hold what our CHECK forbids when the table is somebody else's. */
enum job_status pg_get_status(struct pg_reader *r);
/* Of a row in the users' table: all from user_id to updated_at. */
void pg_get_job_row(struct pg_reader *r, struct store_job *j);
struct store_place pg_get_place(struct pg_reader *r);
void pg_jobs_put_insert(struct pg_params *p, struct pg_task *t);
bool pg_jobs_take_insert(struct pg_task *t, struct pg_reader *r);
void pg_jobs_put_id(struct pg_params *p, struct pg_task *t);
void pg_jobs_put_ids(struct pg_params *p, struct pg_task *t);
void pg_jobs_put_filter(struct pg_params *p, struct pg_task *t);
void pg_jobs_put_age(struct pg_params *p, struct pg_task *t);
bool pg_jobs_take(struct pg_task *t, struct pg_reader *r);
#define PG_JOB_COLUMNS  31
#define PG_STEP_COLUMNS 11 /* of a step without its text */
bool pg_jobs_take_shown(struct pg_task *t, struct pg_reader *r);

/* ---- pg_workers.c ---- */

void pg_workers_put_open(struct pg_params *p, struct pg_task *t);
bool pg_workers_take_rescue(struct pg_task *t, struct pg_reader *r);
bool pg_workers_is_labelled(const struct pg_task *t); /* a claim of the function endpoint's */
void pg_workers_put_claim(struct pg_params *p, struct pg_task *t);
void pg_workers_put_claim_labelled(struct pg_params *p, struct pg_task *t);
bool pg_workers_take_claim(struct pg_task *t, struct pg_reader *r);

/* ---- pg_look.c ---- */

void pg_look_put_live(struct pg_params *p, struct pg_task *t);
bool pg_look_take_live(struct pg_task *t, struct pg_reader *r);
bool pg_look_take_stats(struct pg_task *t, struct pg_reader *r);
void pg_look_put_places(struct pg_params *p, struct pg_task *t);
bool pg_look_take_places(struct pg_task *t, struct pg_reader *r);
bool pg_look_take_workers(struct pg_task *t, struct pg_reader *r);
bool pg_look_take_facts(struct pg_task *t, struct pg_reader *r);
void pg_look_put_setting(struct pg_params *p, struct pg_task *t);
bool pg_look_take_text(struct pg_task *t, struct pg_reader *r);

/* ---- pg_attempts.c ---- */

void pg_attempt_put_check(struct pg_params *p, struct pg_task *t);
bool pg_attempt_take_check(struct pg_task *t, struct pg_reader *r);
void pg_attempt_put_progress(struct pg_params *p, struct pg_task *t);
bool pg_attempt_take_progress(struct pg_task *t, struct pg_reader *r);
void pg_attempt_put_save(struct pg_params *p, struct pg_task *t);
bool pg_attempt_take_save(struct pg_task *t, struct pg_reader *r);
/* From stop to cost_udollar. */
void pg_get_step_end(struct pg_reader *r, struct store_step *step);
void pg_attempt_put_steps(struct pg_params *p, struct pg_task *t);
bool pg_attempt_take_steps(struct pg_task *t, struct pg_reader *r);
void pg_attempt_put_finish(struct pg_params *p, struct pg_task *t);
bool pg_attempt_take_finish(struct pg_task *t, struct pg_reader *r);
void pg_attempt_put_call_open(struct pg_params *p, struct pg_task *t);
bool pg_attempt_take_call_open(struct pg_task *t, struct pg_reader *r);
void pg_attempt_put_call_close(struct pg_params *p, struct pg_task *t);

/* ---- pg_follow.c ---- */

#define PG_FOLLOW_COLUMNS 36
void pg_follow_put(struct pg_params *p, struct pg_task *t);
bool pg_follow_take(struct pg_task *t, struct pg_reader *r);

/* ---- pg_deployments.c ---- */

void pg_deployments_put_add(struct pg_params *p, struct pg_task *t);
bool pg_deployments_take_add(struct pg_task *t, struct pg_reader *r);
void pg_deployments_put_version(struct pg_params *p, struct pg_task *t);
void pg_deployments_put_which(struct pg_params *p, struct pg_task *t); /* null = all */
bool pg_deployments_take(struct pg_task *t, struct pg_reader *r);
bool pg_deployments_take_version(struct pg_task *t, struct pg_reader *r);
void pg_deployments_put_worker(struct pg_params *p, struct pg_task *t);

/* ---- pg_control.c ---- */

void pg_control_put_scale(struct pg_params *p, struct pg_task *t);
void pg_control_put_scale_look(struct pg_params *p, struct pg_task *t);
void pg_control_put_sweep(struct pg_params *p, struct pg_task *t);
bool pg_control_take_sweep(struct pg_task *t, struct pg_reader *r);
void pg_control_put_erase(struct pg_params *p, struct pg_task *t);
bool pg_control_take_erase(struct pg_task *t, struct pg_reader *r);
bool pg_control_take_scale(struct pg_task *t, struct pg_reader *r);

/* ---- pg_budget.c ---- */

void pg_budget_put(struct pg_params *p, struct pg_task *t);
bool pg_budget_take(struct pg_task *t, struct pg_reader *r);

/* ---- pg_history.c ---- */

void pg_history_put_invocation(struct pg_params *p, struct pg_task *t);
void pg_history_put_page(struct pg_params *p, struct pg_task *t);
bool pg_history_take_invocations(struct pg_task *t, struct pg_reader *r);
void pg_history_put_log(struct pg_params *p, struct pg_task *t);
void pg_history_put_filter(struct pg_params *p, struct pg_task *t);
bool pg_history_take_lines(struct pg_task *t, struct pg_reader *r);

/* ---- pg_hooks.c ---- */

void pg_hooks_put_check(struct pg_params *p, struct pg_task *t);
void pg_hooks_put_input(struct pg_params *p, struct pg_task *t);
bool pg_hooks_take_input(struct pg_task *t, struct pg_reader *r);
void pg_hooks_put_ended(struct pg_params *p, struct pg_task *t);
bool pg_hooks_take_ended(struct pg_task *t, struct pg_reader *r);

/* ---- pg_webhooks.c ---- */

#define PG_DELIVERY_COLUMNS 24

void pg_webhooks_put_endpoints(struct pg_params *p, struct pg_task *t);
void pg_webhooks_put_drop(struct pg_params *p, struct pg_task *t);
bool pg_webhooks_take_endpoints(struct pg_task *t, struct pg_reader *r);
void pg_webhooks_put_take(struct pg_params *p, struct pg_task *t);
void pg_webhooks_put_note(struct pg_params *p, struct pg_task *t);
void pg_webhooks_put_filter(struct pg_params *p, struct pg_task *t);
void pg_webhooks_put_retry(struct pg_params *p, struct pg_task *t);
bool pg_webhooks_take_deliveries(struct pg_task *t, struct pg_reader *r);

/* ---- pg_schedules.c ---- */

void pg_schedules_put_save(struct pg_params *p, struct pg_task *t);
void pg_schedules_put_list(struct pg_params *p, struct pg_task *t);
bool pg_schedules_take_list(struct pg_task *t, struct pg_reader *r);
void pg_schedules_put_due(struct pg_params *p, struct pg_task *t);
bool pg_schedules_take_due(struct pg_task *t, struct pg_reader *r);
void pg_schedules_put_plan(struct pg_params *p, struct pg_task *t);
void pg_schedules_put_boot(struct pg_params *p, struct pg_task *t);
bool pg_schedules_take_runs(struct pg_task *t, struct pg_reader *r);
void pg_schedules_put_end(struct pg_params *p, struct pg_task *t);
void pg_schedules_put_runs(struct pg_params *p, struct pg_task *t);

#endif
