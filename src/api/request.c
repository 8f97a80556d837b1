/* In: one HTTP exchange on its route. Out: its parameters, query and body, checked. */
#include "api/request.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"

#define BODY_MAX ((size_t)1 << 20) /* the server's own limit */

static void free_when_idle(struct api_request *rq)
{
    if (rq->x != NULL || rq->waiting > 0)
        return;
    arena_free(&rq->arena);
    free(rq);
}

struct api_request *api_request_new(struct api *api, struct http_exchange *x)
{
    struct api_request *rq = mem_alloc(sizeof *rq);
    rq->api = api;
    rq->x = x;
    return rq;
}

void api_request_end(struct api_request *rq)
{
    timer_stop(rq->api->loop, &rq->deadline);
    if (rq->gone != NULL)
        rq->gone(rq);
    if (rq->waiting > 0)
        rq->api->requests--;
    rq->x = NULL;
    rq->api = NULL;
    free_when_idle(rq);
}

static void on_deadline(void *ctx)
{
    struct api_request *rq = ctx;
    if (rq->late != NULL)
        rq->late(rq);
    else
        api_answer_error(rq, 503, "Database error", "the database has not answered in time");
}

void api_request_set_deadline(struct api_request *rq, int64_t us)
{
    timer_set(rq->api->loop, &rq->deadline, loop_now(rq->api->loop) + us, on_deadline, rq);
}

void *api_request_ask(struct api_request *rq)
{
    if (rq->waiting++ == 0)
        rq->api->requests++;
    if (!timer_is_set(&rq->deadline))
        api_request_set_deadline(rq, API_ANSWER_US);
    return rq;
}

struct api_request *api_request_told(void *ctx)
{
    struct api_request *rq = ctx;
    rq->waiting--;
    if (rq->x == NULL) {
        free_when_idle(rq);
        return NULL;
    }
    if (rq->waiting == 0)
        rq->api->requests--;
    return rq->answered ? NULL : rq;
}

bool api_request_id(struct api_request *rq, size_t param, struct uuid *ret_id)
{
    const struct route_param *p = &rq->match.params[param];
    if (uuid_parse(p->text, p->len, ret_id) == OK)
        return true;
    api_answer_error(rq, 400, "Bad request", "'%.*s' is no id", (int)(p->len < 60 ? p->len : 60),
                     p->text);
    return false;
}

const char *api_request_query(const struct api_request *rq, const char *name)
{
    const char *text = http_query(rq->x, name);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

bool api_read_int(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
    char *end = NULL;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    bool number = isdigit((unsigned char)text[0]) || (text[0] == '-' && end != text);
    if (errno != 0 || !number || *end != '\0' || n < min || n > max)
        return false;
    *ret_value = n;
    return true;
}

bool api_read_number(const char *text, double min, double max, double *ret_value)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < min || value > max)
        return false;
    *ret_value = value;
    return true;
}

bool api_read_flag(const char *text, bool *ret_value)
{
    bool value = strcmp(text, "true") == 0;
    if (!value && strcmp(text, "false") != 0)
        return false;
    *ret_value = value;
    return true;
}

bool api_request_query_int(struct api_request *rq, const char *name, int64_t min, int64_t max,
                           int64_t *io_value)
{
    const char *text = api_request_query(rq, name);
    if (text == NULL || api_read_int(text, min, max, io_value))
        return true;
    api_answer_error(rq, 400, "Bad request", "%s must be a number from %" PRId64 " to %" PRId64,
                     name, min, max);
    return false;
}

bool api_request_query_id(struct api_request *rq, const char *name, struct uuid *io_id)
{
    const char *text = api_request_query(rq, name);
    if (text == NULL || uuid_parse(text, strlen(text), io_id) == OK)
        return true;
    api_answer_error(rq, 400, "Bad request", "%s: '%.60s' is no id", name, text);
    return false;
}

bool api_request_object(struct api_request *rq, json_t **ret_object)
{
    size_t n;
    const char *body = http_body(rq->x, &n);
    json_t *json = NULL;
    struct errmsg msg = {""};
    if (n == 0) {
        api_answer_error(rq, 400, "Bad request", "the body must be a JSON object");
        return false;
    }
    if (json_parse(body, n, BODY_MAX, &json, &msg) != OK) {
        api_answer_error(rq, 400, "Bad request", "the body is not valid JSON: %s", msg.text);
        return false;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        api_answer_error(rq, 400, "Bad request", "the body must be a JSON object");
        return false;
    }
    *ret_object = json;
    return true;
}
