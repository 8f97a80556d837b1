/* In: GET /v1/jobs/{id}/why. Out: what the job waits for. */
#include <inttypes.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/owned.h"
#include "api/why.h"

struct asking { /* between the store's answers */
    struct store_job job;
    struct why_facts facts;
    struct estimate estimate;
};

static void answer(struct api_request *rq)
{
    struct asking *a = rq->state;
    char id[UUID_TEXT_SIZE];
    struct why why = why_explain(&a->facts);
    struct buf out = BUF_INIT((size_t)16 * 1024);
    buf_putf(&out, "{\"id\":\"%s\"", uuid_text(&a->job.id, id));
    job_json_put_string(&out, "status", job_status_name(a->job.status));
    buf_puts(&out, ",");
    why_put_json(&out, &why);
    buf_putf(&out, ",\"position\":%d,\"running\":%" PRId64 ",\"workers\":%zu", a->job.position,
             a->facts.running, a->facts.workers);
    job_json_put_time(&out, "estimated_start", a->estimate.start_us);
    job_json_put_time(&out, "estimated_finish", a->estimate.finish_us);
    buf_puts(&out, "}");
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

static void on_running(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    struct asking *a = rq->state;
    for (size_t i = 0; i < r->n; i++)
        a->facts.user_running += r->jobs[i].queued;
    answer(rq);
}

static void on_workers(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    struct asking *a = rq->state;
    for (size_t i = 0; i < r->n; i++)
        a->facts.workers += r->workers[i].expires_us > a->facts.now_us;
    if (a->facts.cap_per_user == 0 || a->job.status != JOB_PENDING) {
        answer(rq);
        return;
    }
    size_t most = (size_t)a->facts.cap_per_user + 1;
    struct store_filter filter = {.status = JOB_PROCESSING,
                                  .user_id = a->job.user_id,
                                  .limit = most < STORE_BATCH_MAX ? most : STORE_BATCH_MAX};
    store_list(rq->api->store, &filter, on_running, api_request_ask(rq));
}

static void on_stats(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    struct asking *a = rq->state;
    a->facts.paused = r->stats->paused;
    a->facts.running = r->stats->running;
    store_workers(rq->api->store, on_workers, api_request_ask(rq));
}

static void explain(struct api_request *rq, const struct store_job *job)
{
    struct asking *a = arena_alloc(&rq->arena, sizeof *a);
    a->job = *job;
    a->job.params = a->job.script = a->job.metadata = NULL;
    a->job.current_step = arena_strdup(&rq->arena, job->current_step);
    a->job.error_message = arena_strdup(&rq->arena, job->error_message);
    a->estimate = figures_for(rq, job);
    a->facts.job = &a->job;
    a->facts.now_us = loop_wall(rq->api->loop);
    if (rq->api->engine != NULL) {
        struct engine_view view = engine_view(rq->api->engine);
        a->facts.here = true;
        a->facts.slots = (int64_t)view.slots;
        a->facts.cap_per_user = view.cap_per_user;
        a->facts.parked = arena_strdup(&rq->arena, view.parked);
    }
    rq->state = a;
    store_stats(rq->api->store, on_stats, api_request_ask(rq));
}

static void explain_now(struct api_request *rq)
{
    owned_get(rq, explain);
}

void handle_job_why(struct api_request *rq)
{
    figures_need(rq, explain_now);
}
