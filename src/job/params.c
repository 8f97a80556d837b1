/* In: a row's generation_params and the input hook's result. Out: the canonical request, checked.
 */
#include "job/params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "job/date.h"
#include "job/params_shapes.h"
#include "job/plan.h"
#include "job/shape_text.h"

#define DURATION_DEFAULT_S 600

struct params_limits params_limits_of(int64_t longest_s)
{
    int64_t most = longest_s > 0 ? longest_s : PLAN_DURATION_MAX_S;
    return (struct params_limits){.duration_default_s =
                                      most < DURATION_DEFAULT_S ? most : DURATION_DEFAULT_S,
                                  .duration_max_s = most};
}

/* What a member is when the request does not say. */
static void set_defaults(json_t *all, const struct params_limits *limits)
{
    static const struct {
        const char *name, *value;
    } texts[] = {{"type", "full"}, {"platform", "youtube"}, {"mode", "live"}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (json_object_get(all, texts[i].name) == NULL)
            json_object_set_new(all, texts[i].name, json_string(texts[i].value));
    }
    if (json_object_get(all, "targetDuration") == NULL)
        json_object_set_new(all, "targetDuration", json_integer(limits->duration_default_s));
    if (json_object_get(all, "variants") == NULL)
        json_object_set_new(all, "variants", json_integer(1));
}

static enum err check_duration(int64_t seconds, const struct params_limits *limits,
                               struct errmsg *msg)
{
    if (seconds >= PLAN_DURATION_MIN_S && seconds <= limits->duration_max_s)
        return OK;
    return err_set(msg, ERR_INVALID, "targetDuration: %lld seconds is out of range (%d to %lld)",
                   (long long)seconds, PLAN_DURATION_MIN_S, (long long)limits->duration_max_s);
}

/* The typed members of a canonical object. */
static enum err read_typed(json_t *all, const struct params_limits *limits, struct params *p,
                           struct errmsg *msg)
{
    const char *deadline = json_str(all, "deadline");
    *p = (struct params){
        .all = all,
        .topic = json_str(all, "topic"),
        .title = json_str(all, "title"),
        .platform = json_str(all, "platform"),
        .model = json_str(all, "model"),
        .language = json_str(all, "language"),
        .duration_s = json_int(all, "targetDuration", 0),
        .outline_only = strcmp(json_str(all, "type"), "outline") == 0,
        .variants = (int)json_int(all, "variants", 1),
        .max_cost_udollar = llround(json_num(all, "maxCostUsd", 0) * 1e6),
    };
    if (p->topic == NULL)
        return err_set(msg, ERR_INVALID, "topic: is missing; say what the video is about");
    if (deadline != NULL && !date_parse(deadline, &p->deadline_us))
        return err_set(msg, ERR_INVALID, "deadline: '%s' is no time such as 2030-01-31T12:00:00Z",
                       deadline);
    return check_duration(p->duration_s, limits, msg);
}

static enum err parse_raw(const char *raw, size_t n, json_t **ret, struct errmsg *msg)
{
    struct errmsg why = {""};
    if (raw == NULL) {
        *ret = json_null();
        return OK;
    }
    json_t *json = NULL;
    enum err e = json_parse_wide(raw, n, PARAMS_SIZE_MAX, &json, &why);
    if (e != OK)
        return err_set(msg, e, "generation_params: %.400s", why.text);
    *ret = shape_open_text(json); /* an object that was stored as a text */
    json_decref(json);
    if (json_is_object(*ret) || json_is_null(*ret))
        return OK;
    json_decref(*ret);
    return err_set(msg, ERR_INVALID, "generation_params: an object is wanted");
}

enum err params_normalise(const char *raw, size_t n, const json_t *overlay,
                          const struct params_limits *limits, struct params *ret_params,
                          struct errmsg *msg)
{
    json_t *own = NULL, *all = NULL;
    struct params params;
    enum err e = parse_raw(raw, n, &own, msg);
    if (e != OK)
        return e;
    const json_t *const values[] = {overlay, own};
    e = shape_read(params_shapes, params_inside, values, 2, &all, msg);
    json_decref(own);
    if (e != OK)
        return e;
    set_defaults(all, limits);
    e = read_typed(all, limits, &params, msg);
    if (e != OK) {
        json_decref(all);
        return e;
    }
    *ret_params = params;
    return OK;
}

const char params_no_batch[] = "batch is not available; leave it out, or say live";

void params_free(struct params *p)
{
    if (p == NULL)
        return;
    json_decref(p->all);
    *p = (struct params){.all = NULL};
}
