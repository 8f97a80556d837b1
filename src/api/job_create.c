/* In: POST /v1/jobs. Out: a job in the queue, or the one that was there already. */
#include <string.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/job_json.h"
#include "api/job_request.h"

struct creation { /* between the store's answers */
    struct uuid id;
    bool existed;
};

static void on_row(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    const struct creation *c = rq->state;
    const struct store_job *job = &r->jobs[0];
    char id[UUID_TEXT_SIZE], where[64] = "/v1/jobs/";
    struct estimate e = figures_for(rq, job);
    struct buf out = BUF_INIT(1024);
    job_json_open_new(&out, job, &e);
    buf_puts(&out, "}");
    (void)strncat(where, uuid_text(&job->id, id), UUID_TEXT_SIZE);
    const char *const headers[] = {"Location", where, NULL};
    api_answer(rq, c->existed ? 200 : 201, "application/json", headers, buf_str(&out), out.len);
    buf_free(&out);
}

static void read_row(struct api_request *rq)
{
    const struct creation *c = rq->state;
    store_get(rq->api->store, &c->id, on_row, api_request_ask(rq));
}

static void on_inserted(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    struct creation *c = arena_alloc(&rq->arena, sizeof *c);
    *c = (struct creation){r->inserted[0].id, r->inserted[0].existed};
    rq->state = c;
    if (rq->api->engine != NULL)
        engine_wake(rq->api->engine);
    figures_need(rq, read_row);
}

void handle_job_create(struct api_request *rq)
{
    struct job_request want = {0};
    struct errmsg msg = {""};
    size_t n;
    const char *body = http_body(rq->x, &n);
    struct job_ceiling ceiling = rq->api->ceiling;
    ceiling.now_us = loop_wall(rq->api->loop);
    enum err e = job_request_read(body, n, http_request_header(rq->x, "Idempotency-Key"), &rq->who,
                                  &ceiling, &want, &msg);
    if (e == ERR_PERMISSION)
        api_answer_error(rq, 403, "Forbidden", "%s", msg.text);
    else if (e != OK)
        api_answer_error(rq, 400, "Bad request", "%s", msg.text);
    if (e != OK)
        return;
    struct store_new_job job = job_request_row(&want);
    store_insert(rq->api->store, &job, 1, on_inserted, api_request_ask(rq));
    job_request_free(&want);
}
