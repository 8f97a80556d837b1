/* In: GET /v1/limits. Out: what the provider allows, what this process uses of it, what became of
 * its calls, and how it hears of work. */
#include <inttypes.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "text/json.h"

#define CLASSES_MAX 64
#define LIMITS_MAX  ((size_t)256 * 1024)

static void put_or_null(struct buf *out, const char *name, int64_t n)
{
    if (n < 0)
        buf_putf(out, ",\"%s\":null", name);
    else
        buf_putf(out, ",\"%s\":%" PRId64, name, n);
}

static void put_limit(struct buf *out, const char *name, const struct pacer_limit *l)
{
    buf_putf(out, ",\"%s\":{\"used_last_minute\":%" PRId64, name, l->used);
    put_or_null(out, "per_minute", l->per_minute > 0 ? l->per_minute : -1);
    put_or_null(out, "share", l->share);
    put_or_null(out, "remaining", l->remaining);
    buf_puts(out, "}");
}

static void put_calls(struct buf *out, const struct pacer_view *v)
{
    buf_puts(out, ",\"calls\":{");
    for (int i = 0; i < CALL_CLASS_MAX; i++)
        buf_putf(out, "%s\"%s\":%" PRId64, i > 0 ? "," : "", call_class_name((enum call_class)i),
                 v->calls[i]);
    buf_putf(out, "},\"refused_429\":%" PRId64, v->calls[CALL_THROTTLED] + v->calls[CALL_RAMP]);
}

static void put_class(struct buf *out, const struct pacer_view *v, const struct loop *loop)
{
    buf_puts(out, "{\"running\":");
    buf_putf(out, "%d", v->running);
    job_json_put_string(out, "rate_class", v->rate_class);
    job_json_put_string(out, "parked", v->parked);
    put_or_null(out, "max_running", v->max_running > 0 ? v->max_running : -1);
    put_or_null(out, "allowed_after_overload", v->allowed);
    put_limit(out, "requests", &v->requests);
    put_limit(out, "input_tokens", &v->input);
    put_limit(out, "output_tokens", &v->output);
    put_calls(out, v);
    job_json_put_time(out, "told_at",
                      v->told_us > 0 ? loop_wall(loop) - (loop_now(loop) - v->told_us) : 0);
    buf_puts(out, "}");
}

void handle_limits(struct api_request *rq)
{
    struct pacer_view views[CLASSES_MAX];
    const char *provider = NULL;
    size_t n = 0;
    if (rq->api->engine != NULL)
        n = engine_limits(rq->api->engine, views, CLASSES_MAX, &provider);
    struct buf out = BUF_INIT(LIMITS_MAX);
    buf_puts(&out, "{\"classes\":[");
    for (size_t i = 0; i < n; i++) {
        buf_puts(&out, i > 0 ? "," : "");
        put_class(&out, &views[i], rq->api->loop);
    }
    buf_puts(&out, "]");
    job_json_put_string(&out, "provider", provider);
    buf_putf(&out, ",\"mode\":\"%s\",\"notifications_listening\":%s}",
             rq->api->slots > 0 ? "continuous" : "triggered", rq->api->deaf ? "false" : "true");
    api_answer_json(rq, 200, &out);
    buf_free(&out);
}
