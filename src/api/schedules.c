/* In: requests on /v1/schedules. Out: schedules listed, saved, removed; their runs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/schedule_json.h"
#include "store/store_schedules.h"

#define LIMIT_DEFAULT 50

/* {"NAME":[...],"next_cursor":N or null}: the last id of a page that is full. */
static void answer_page(struct api_request *rq, struct buf *out, size_t n, int64_t last)
{
    const size_t *limit = rq->state;
    if (n == *limit)
        buf_putf(out, "],\"next_cursor\":%" PRId64 "}", last);
    else
        buf_puts(out, "],\"next_cursor\":null}");
    api_answer_json(rq, 200, out);
    buf_free(out);
}

static bool read_page(struct api_request *rq, size_t *ret_limit, int64_t *ret_cursor)
{
    int64_t limit = LIMIT_DEFAULT, cursor = 0;
    if (!api_request_query_int(rq, "limit", 1, STORE_BATCH_MAX, &limit) ||
        !api_request_query_int(rq, "cursor", 1, INT64_MAX, &cursor))
        return false;
    size_t *kept = arena_alloc(&rq->arena, sizeof *kept);
    *kept = *ret_limit = (size_t)limit;
    *ret_cursor = cursor;
    rq->state = kept;
    return true;
}

static const char *path_name(struct api_request *rq)
{
    const struct route_param *p = &rq->match.params[0];
    return p->text != NULL ? arena_strndup(&rq->arena, p->text, p->len) : NULL;
}

/* ---- look ---- */

static void on_list(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    struct buf out = BUF_INIT(SCHEDULES_JSON_MAX);
    buf_puts(&out, "{\"schedules\":[");
    for (size_t i = 0; i < r->n; i++) {
        buf_puts(&out, i > 0 ? "," : "");
        schedule_put_json(&out, &r->schedules[i]);
    }
    answer_page(rq, &out, r->n, r->n > 0 ? r->schedules[r->n - 1].id : 0);
}

void handle_schedule_list(struct api_request *rq)
{
    struct store_schedule_filter filter = {0};
    if (read_page(rq, &filter.limit, &filter.after))
        store_schedule_list(rq->api->store, &filter, on_list, api_request_ask(rq));
}

static void answer_one(struct api_request *rq, int status, const struct store_schedule *s)
{
    struct buf out = BUF_INIT(API_ANSWER_MAX);
    schedule_put_json(&out, s);
    api_answer_json(rq, status, &out);
    buf_free(&out);
}

static void answer_missing(struct api_request *rq)
{
    api_answer_error(rq, 404, "Not found", "there is no such schedule");
}

static void on_show(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    if (r->n == 0)
        answer_missing(rq);
    else
        answer_one(rq, 200, &r->schedules[0]);
}

void handle_schedule_show(struct api_request *rq)
{
    struct store_schedule_filter filter = {.name = path_name(rq), .limit = 1};
    store_schedule_list(rq->api->store, &filter, on_show, api_request_ask(rq));
}

static void put_runs(struct api_request *rq, const struct store_result *r)
{
    struct buf out = BUF_INIT(SCHEDULES_JSON_MAX);
    buf_puts(&out, "{\"runs\":[");
    for (size_t i = 0; i < r->n; i++) {
        buf_puts(&out, i > 0 ? "," : "");
        schedule_put_run(&out, &r->runs[i]);
    }
    answer_page(rq, &out, r->n, r->n > 0 ? r->runs[r->n - 1].id : 0);
}

static void on_schedule(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    if (r->n > 0)
        put_runs(rq, &(struct store_result){.n = 0}); /* it has not fired yet */
    else
        api_answer_error(rq, 404, "Not found", "there is no such schedule, and no run of one");
}

/* Runs outlive their schedule. */
static void on_runs(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    struct store_schedule_filter filter = {.name = path_name(rq), .limit = 1};
    if (r->n > 0 || api_request_query(rq, "cursor") != NULL)
        put_runs(rq, r);
    else
        store_schedule_list(rq->api->store, &filter, on_schedule, api_request_ask(rq));
}

void handle_schedule_runs(struct api_request *rq)
{
    struct store_run_filter filter = {.name = path_name(rq)};
    if (read_page(rq, &filter.limit, &filter.before))
        store_runs(rq->api->store, &filter, on_runs, api_request_ask(rq));
}

/* ---- change ---- */

static void on_saved(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq != NULL && !api_answer_failure(rq, r))
        answer_one(rq, r->count > 0 ? 200 : 201, &r->schedules[0]);
}

/* Of another type than that, or unknown: refused, so that nobody believes in a typing error. */
static bool read_members(const json_t *body, struct store_schedule *s, struct errmsg *msg)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)body, key, value) {
        const char *text = json_string_value(value);
        if (strcmp(key, "active") == 0 && json_is_boolean(value))
            s->active = json_is_true(value);
        else if (strcmp(key, "name") == 0 && text != NULL)
            s->name = text;
        else if (strcmp(key, "schedule") == 0 && text != NULL)
            s->expr = text;
        else if (strcmp(key, "worker_id") == 0 && (text != NULL || json_is_null(value)))
            s->label = text;
        else if (strcmp(key, "missed") == 0 && text != NULL) {
            if (schedule_read_missed(text, s, msg) != OK)
                return false;
        } else {
            (void)err_set(msg, ERR_INVALID,
                          "'%.60s': the members are name, schedule, worker_id and missed, texts, "
                          "and active, true or false",
                          key);
            return false;
        }
    }
    return true;
}

void handle_schedule_save(struct api_request *rq)
{
    struct store_schedule s = {.missed = STORE_MISSED_ONCE, .active = true};
    struct errmsg msg = {""};
    json_t *body = NULL;
    if (!api_request_object(rq, &body))
        return;
    bool fine = read_members(body, &s, &msg);
    const char *name = path_name(rq);
    if (fine && name != NULL && s.name != NULL && strcmp(name, s.name) != 0)
        fine = err_set(&msg, ERR_INVALID, "the name in the path is another one") == OK;
    if (name != NULL)
        s.name = name;
    if (fine && (s.name == NULL || s.expr == NULL))
        fine = err_set(&msg, ERR_INVALID, "name and schedule are needed") == OK;
    if (fine && schedule_check(&s, &msg) == OK)
        store_schedule_save(rq->api->store, &s, on_saved, api_request_ask(rq));
    else
        api_answer_error(rq, 400, "Bad request", "%s", msg.text);
    json_decref(body);
}

static void on_removed(void *ctx, const struct store_result *r)
{
    struct api_request *rq = api_request_told(ctx);
    if (rq == NULL)
        return;
    if (r->err == ERR_NOT_FOUND)
        answer_missing(rq);
    else if (!api_answer_failure(rq, r))
        api_answer(rq, 204, NULL, NULL, "", 0);
}

void handle_schedule_delete(struct api_request *rq)
{
    store_schedule_remove(rq->api->store, path_name(rq), on_removed, api_request_ask(rq));
}
