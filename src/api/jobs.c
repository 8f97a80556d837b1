/* In: requests about jobs. Out: rows, and the changes that a client may make to them. A user sees
 * and touches only their own: another's job does not exist for them. */

#include "api/answer.h"
#include "api/handlers.h"
#include "api/job_json.h"
#include "api/owned.h"

#define LIST_DEFAULT 50

/* ---- one job ---- */

static void show(struct api_request *rq, const struct store_shown *shown)
{
    struct estimate e = figures_for(rq, &shown->job);
    struct buf out = BUF_INIT(API_ANSWER_MAX);
    job_json_open(&out, &shown->job, &e);
    job_json_put_steps(&out, shown->steps, shown->n_steps);
    buf_puts(&out, "}");
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

static void show_now(struct api_request *rq)
{
    looks_get(rq, show);
}

void handle_job_show(struct api_request *rq)
{
    figures_need(rq, show_now);
}

/* ---- many ---- */

static bool read_cursor(struct api_request *rq, struct store_filter *filter)
{
    const char *text = api_request_query(rq, "cursor");
    if (text == NULL || job_cursor_parse(text, filter) == OK)
        return true;
    api_answer_error(rq, 400, "Bad request", "cursor: '%.60s' is no next_cursor of a page", text);
    return false;
}

static void on_list(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    const struct store_filter *filter = rq->state;
    struct estimate *each = arena_array(&rq->arena, r->n, sizeof *each);
    struct buf out = BUF_INIT(API_ANSWER_MAX);
    for (size_t i = 0; i < r->n; i++)
        each[i] = figures_for(rq, &r->jobs[i]);
    buf_puts(&out, "{");
    job_json_put_page(&out, r->jobs, r->n, filter->limit, each);
    buf_puts(&out, "}");
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

static void list_now(struct api_request *rq)
{
    store_list(rq->api->store, rq->state, on_list, api_request_ask(rq));
}

static bool read_status(struct api_request *rq, enum job_status *ret_status)
{
    const char *text = api_request_query(rq, "status");
    if (text == NULL || job_status_parse(text, ret_status) == OK)
        return true;
    api_answer_error(rq, 400, "Bad request",
                     "status: '%.40s' is none; there are pending, processing, completed, failed, "
                     "cancelled",
                     text);
    return false;
}

void handle_job_list(struct api_request *rq)
{
    struct store_filter *filter = arena_alloc(&rq->arena, sizeof *filter);
    int64_t limit = LIST_DEFAULT;
    filter->status = JOB_STATUS_MAX;
    if (!read_status(rq, &filter->status) ||
        !api_request_query_int(rq, "limit", 1, STORE_BATCH_MAX, &limit) ||
        !api_request_query_id(rq, "user_id", &filter->user_id) || !read_cursor(rq, filter))
        return;
    if (rq->who.role == ROLE_USER && !uuid_is_nil(&filter->user_id) &&
        !uuid_equal(&filter->user_id, &rq->who.user_id)) {
        api_answer_error(rq, 403, "Forbidden", "user_id: you can list your own jobs only");
        return;
    }
    if (rq->who.role == ROLE_USER)
        filter->user_id = rq->who.user_id;
    filter->limit = (size_t)limit;
    rq->state = filter;
    if (filter->status == JOB_COMPLETED || filter->status == JOB_FAILED ||
        filter->status == JOB_CANCELLED)
        list_now(rq); /* nothing is to be estimated */
    else
        figures_need(rq, list_now);
}

/* ---- changes ---- */

static void answer_status(struct api_request *rq, const char *status)
{
    const struct route_param *p = &rq->match.params[0];
    char text[UUID_TEXT_SIZE];
    struct uuid id = {0};
    (void)!uuid_parse(p->text, p->len, &id); /* the store has found it */
    struct buf out = BUF_INIT(256);
    buf_putf(&out, "{\"id\":\"%s\",\"status\":\"%s\"}", uuid_text(&id, text), status);
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}

static void on_cancelled(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq != NULL && !api_answer_failure(rq, r))
        answer_status(rq, job_status_name(JOB_CANCELLED));
}

static void on_retried(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq != NULL && !api_answer_failure(rq, r))
        answer_status(rq, job_status_name(JOB_PENDING));
}

static void on_deleted(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq != NULL && !api_answer_failure(rq, r))
        api_answer(rq, 204, NULL, NULL, "", 0);
}

static void cancel(struct api_request *rq, const struct uuid *id)
{
    store_cancel(rq->api->store, id, on_cancelled, api_request_ask(rq));
}

static void retry(struct api_request *rq, const struct uuid *id)
{
    store_retry(rq->api->store, id, on_retried, api_request_ask(rq));
}

static void delete (struct api_request *rq, const struct uuid *id)
{
    store_delete(rq->api->store, id, on_deleted, api_request_ask(rq));
}

void handle_job_cancel(struct api_request *rq)
{
    owned_change(rq, cancel);
}

void handle_job_retry(struct api_request *rq)
{
    owned_change(rq, retry);
}

void handle_job_delete(struct api_request *rq)
{
    owned_change(rq, delete);
}
