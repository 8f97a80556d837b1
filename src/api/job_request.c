/* In: the body of POST /v1/jobs and who sent it. Out: a job to insert, or what is wrong. */
#include "api/job_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/date.h"
#include "job/params.h"
#include "job/plan.h"
#include "text/json.h"

/* Members of the body that are the row's, not the request's. */
static const char *const row_members[] = {"user_id", "workflow_id", "priority", "run_at"};
#define ROW_MEMBERS  (sizeof row_members / sizeof row_members[0])

#define PRIORITY_MAX 5 /* of users */

static enum err read_id(const json_t *body, const char *name, struct uuid *ret_id,
                        struct errmsg *msg)
{
    const json_t *value = json_object_get(body, name);
    const char *text = json_string_value(value);
    if (value == NULL || json_is_null(value))
        return OK;
    if (text != NULL && uuid_parse(text, strlen(text), ret_id) == OK)
        return OK;
    return err_set(msg, ERR_INVALID,
                   "%s: expected an id such as "
                   "0190163d-8694-739b-aea5-966c26f8ad91",
                   name);
}

static enum err read_priority(const json_t *body, int *ret_priority, struct errmsg *msg)
{
    const json_t *value = json_object_get(body, "priority");
    if (value == NULL || json_is_null(value))
        return OK;
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 1 || n > 10)
        return err_set(msg, ERR_INVALID, "priority: expected a whole number from 1 to 10");
    *ret_priority = (int)n;
    return OK;
}

static enum err read_run_at(const json_t *body, int64_t *ret_us, struct errmsg *msg)
{
    const json_t *value = json_object_get(body, "run_at");
    const char *text = json_string_value(value);
    if (value == NULL || json_is_null(value))
        return OK;
    if (text != NULL && date_parse(text, ret_us) && *ret_us > 0)
        return OK;
    return err_set(msg, ERR_INVALID, "run_at: expected a time such as 2030-01-31T12:00:00Z");
}

static enum err read_owner(const json_t *body, const struct principal *who, struct uuid *ret_user,
                           struct errmsg *msg)
{
    enum err e = read_id(body, "user_id", ret_user, msg);
    if (e != OK)
        return e;
    if (who->role == ROLE_OPERATOR)
        return !uuid_is_nil(ret_user)
                   ? OK
                   : err_set(msg, ERR_INVALID, "user_id: whose job is it? The operator must say");
    if (!uuid_is_nil(ret_user) && !uuid_equal(ret_user, &who->user_id))
        return err_set(msg, ERR_PERMISSION, "user_id: you can ask for scripts of your own only");
    *ret_user = who->user_id;
    return OK;
}

/* What the sender wrote, byte for byte, unless members of the row stand among it. */
static char *params_text(json_t *body, const char *text, size_t n)
{
    bool mixed = false;
    for (size_t i = 0; i < ROW_MEMBERS; i++)
        mixed |= json_object_del(body, row_members[i]) == 0;
    return mixed ? json_text(body) : mem_strndup(text, n);
}

/* What is asked for and cannot be had is better told now than done otherwise. */
static enum err check_means(const struct params *normal, const struct job_ceiling *ceiling,
                            struct errmsg *msg)
{
    const char *mode = json_str(normal->all, "mode");
    if (mode != NULL && strcmp(mode, "live") != 0)
        return err_set(msg, ERR_INVALID, "mode: %s", params_no_batch);
    if (ceiling->now_us > 0 && normal->deadline_us > 0 && normal->deadline_us <= ceiling->now_us)
        return err_set(msg, ERR_INVALID, "deadline: that time has passed");
    return ceiling->catalog == NULL
               ? OK
               : catalog_check_model(ceiling->catalog, "model", normal->model, msg);
}

static enum err check_params(const char *params, const char *key, const struct job_ceiling *ceiling,
                             char **ret_key, struct errmsg *msg)
{
    struct params_limits limits = params_limits_of(ceiling->duration_s);
    struct params normal = {0};
    enum err e = params_normalise(params, strlen(params), NULL, &limits, &normal, msg);
    if (e != OK)
        return e == ERR_TOO_BIG ? ERR_INVALID : e;
    e = check_means(&normal, ceiling, msg);
    if (key == NULL)
        key = json_str(normal.all, "idempotencyKey");
    if (e == OK && key != NULL && (key[0] == '\0' || strlen(key) > STORE_KEY_MAX))
        e = err_set(msg, ERR_INVALID, "the idempotency key must have 1 to %d bytes", STORE_KEY_MAX);
    else if (e == OK)
        *ret_key = mem_strdup(key);
    params_free(&normal);
    return e;
}

enum err job_request_read(const char *body, size_t n, const char *key, const struct principal *who,
                          const struct job_ceiling *ceiling, struct job_request *ret_request,
                          struct errmsg *msg)
{
    int priority_max = ceiling->priority > 0 ? ceiling->priority : PRIORITY_MAX;
    struct job_request r = {.priority = 0};
    struct errmsg why = {""};
    json_t *json = NULL;
    enum err e = json_parse_wide(body, n, JOB_REQUEST_MAX, &json, &why);
    if (e != OK)
        return err_set(msg, ERR_INVALID, "the body is not valid JSON: %s", why.text);
    if (!json_is_object(json))
        e = err_set(msg, ERR_INVALID, "the body must be an object such as {\"topic\": \"...\"}");
    if (e == OK)
        e = read_owner(json, who, &r.user_id, msg);
    if (e == OK)
        e = read_id(json, "workflow_id", &r.workflow_id, msg);
    if (e == OK)
        e = read_priority(json, &r.priority, msg);
    if (e == OK)
        e = read_run_at(json, &r.run_at_us, msg);
    if (e == OK && who->role != ROLE_OPERATOR && r.priority > priority_max)
        r.priority = priority_max;
    if (e == OK) {
        r.params = params_text(json, body, n);
        e = check_params(r.params, key, ceiling, &r.key, msg);
    }
    json_decref(json);
    if (e == OK)
        *ret_request = r;
    else
        job_request_free(&r);
    return e;
}

struct store_new_job job_request_row(const struct job_request *r)
{
    return (struct store_new_job){.user_id = r->user_id,
                                  .workflow_id = r->workflow_id,
                                  .priority = r->priority,
                                  .max_retries = -1,
                                  .params = r->params,
                                  .run_at_us = r->run_at_us,
                                  .idempotency_key = r->key};
}

void job_request_free(struct job_request *r)
{
    free(r->params);
    free(r->key);
    *r = (struct job_request){0};
}
