/* In: headers and a body. Out: a checked message, or a refusal worded like the real API's. */
#include "provider/sim/sim_request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "provider/sim/sim_body.h"

#define VERSION_OLD "2023-06-01"
#define VERSION_NEW "2026-10-21"

const char *sim_error_type(int status)
{
    switch (status) {
    case 400:
        return "invalid_request_error";
    case 401:
        return "authentication_error";
    case 402:
        return "billing_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 409:
        return "conflict_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 504:
        return "timeout_error";
    case 529:
        return "overloaded_error";
    default:
        return status < 500 ? "invalid_request_error" : "api_error";
    }
}

char *sim_error_body(const char *type, const char *message, const char *error_code,
                     const char *request_id)
{
    json_t *error = json_pack("{s:s, s:s}", "type", type, "message", message);
    if (error == NULL) /* a message that is not UTF-8, quoted from a request */
        error = json_pack("{s:s, s:s}", "type", type, "message", "Invalid request");
    if (error_code != NULL)
        json_object_set_new(error, "details", json_pack("{s:s}", "error_code", error_code));
    json_t *body =
        json_pack("{s:s, s:o, s:s?}", "type", "error", "error", error, "request_id", request_id);
    char *text = json_text(body);
    json_decref(body);
    return text;
}

bool sim_refuse(struct sim_refusal *r, int status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    r->status = status;
    r->type = sim_error_type(status);
    vsnprintf(r->message, sizeof(r->message), fmt, args);
    va_end(args);
    return false;
}

/* Equal in a time that does not tell how much of it was right. */
static bool same_key(const char *given, const char *key)
{
    size_t n = strlen(given), want = strlen(key);
    unsigned char differ = n != want;
    for (size_t i = 0; i < n; i++)
        differ |= (unsigned char)(given[i] ^ key[want > 0 ? i % want : 0]);
    return differ == 0;
}

bool sim_auth_check(const struct sim_headers *headers, const char *key,
                    struct sim_refusal *ret_refusal)
{
    const char *given = headers->api_key;
    const char *bearer = headers->authorization;
    bool is_bearer = given == NULL && bearer != NULL;
    if (is_bearer && strncasecmp(bearer, "Bearer ", 7) == 0)
        given = bearer + 7;
    if (given == NULL || *given == '\0')
        return sim_refuse(ret_refusal, 401, "x-api-key header is required");
    if (key != NULL && !same_key(given, key))
        return sim_refuse(ret_refusal, 401,
                          is_bearer ? "Invalid bearer token" : "invalid x-api-key");
    return true;
}

const struct model *sim_model(const struct catalog *catalog, const char *id)
{
    const struct model *m = catalog_model(catalog, id);
    if (m == NULL || strcmp(m->id, id) == 0 || strncmp(id, "claude-", 7) == 0)
        return m;
    return NULL;
}

int64_t sim_tokens(size_t bytes)
{
    return (int64_t)((bytes + 3) / 4);
}

static bool check_version(const char *version, struct sim_refusal *r)
{
    if (version == NULL)
        return sim_refuse(r, 400, "anthropic-version: header is required");
    if (strcmp(version, VERSION_OLD) != 0 && strcmp(version, VERSION_NEW) != 0)
        return sim_refuse(r, 400, "anthropic-version: \"%.40s\" is not a valid version", version);
    return true;
}

static bool check_model(struct sim_message *m, const struct catalog *catalog, struct sim_refusal *r)
{
    json_t *id = json_object_get(m->body, "model");
    if (id == NULL)
        return sim_refuse(r, 400, "model: Field required");
    if (!json_is_string(id))
        return sim_refuse(r, 400, "model: Input should be a valid string");
    m->model = sim_model(catalog, json_string_value(id));
    if (m->model == NULL)
        return sim_refuse(r, 404, "model: %.120s", json_string_value(id));
    return true;
}

static bool check_max_tokens(struct sim_message *m, bool counting, struct sim_refusal *r)
{
    json_t *v = json_object_get(m->body, "max_tokens");
    if (counting)
        return v == NULL || sim_refuse(r, 400, "max_tokens: Extra inputs are not permitted");
    if (v == NULL)
        return sim_refuse(r, 400, "max_tokens: Field required");
    if (!json_is_integer(v))
        return sim_refuse(r, 400, "max_tokens: Input should be a valid integer");
    m->max_tokens = json_integer_value(v);
    if (m->max_tokens < 1)
        return sim_refuse(r, 400, "max_tokens: Input should be greater than or equal to 1");
    if (m->max_tokens > m->model->max_output_tokens)
        return sim_refuse(
            r, 400,
            "max_tokens: %lld > %lld, which is the maximum allowed number of output tokens for %s",
            (long long)m->max_tokens, (long long)m->model->max_output_tokens, m->model->id);
    return true;
}

/* Sampling parameters: gone from the new version, and from newer models on either. */
static bool check_sampling(const struct sim_message *m, const char *version, struct sim_refusal *r)
{
    static const char *const names[] = {"temperature", "top_p", "top_k"};
    bool accepted = m->model->sampling && strcmp(version, VERSION_NEW) != 0;
    for (size_t i = 0; i < 3; i++) {
        json_t *v = json_object_get(m->body, names[i]);
        if (v == NULL)
            continue;
        if (!accepted)
            return sim_refuse(r, 400, "%s: Extra inputs are not permitted", names[i]);
        if (!json_is_number(v) || (i == 2 && !json_is_integer(v)))
            return sim_refuse(r, 400, "%s: Input should be a valid %s", names[i],
                              i == 2 ? "integer" : "number");
        double x = json_number_value(v);
        if (x < 0)
            return sim_refuse(r, 400, "%s: Input should be greater than or equal to 0", names[i]);
        if (i < 2 && x > 1)
            return sim_refuse(r, 400, "%s: Input should be less than or equal to 1", names[i]);
    }
    return true;
}

/* "claude-opus-4-6", "claude-sonnet-5-5-20261101": 406, 505; 0 when the id names no version. */
static int model_version(const char *id)
{
    for (const char *p = strchr(id, '-'); p != NULL; p = strchr(p + 1, '-')) {
        char *end;
        long major = strtol(p + 1, &end, 10);
        if (end == p + 1 || end - p > 3)
            continue;
        long minor = *end == '-' ? strtol(end + 1, &end, 10) : 0;
        return (int)(major * 100 + (minor < 100 ? minor : 0));
    }
    return 0;
}

/* A last turn of the assistant's would be a prefill: only models before 4.6 go on from one. */
static bool check_prefill(const struct sim_message *m, struct sim_refusal *r)
{
    json_t *turns = json_arr(m->body, "messages");
    const char *role = json_str(json_array_get(turns, json_array_size(turns) - 1), "role");
    int version = model_version(m->model->id);
    if (strcmp(role, "assistant") != 0 || (version > 0 && version < 406))
        return true;
    return sim_refuse(r, 400,
                      "This model does not support assistant message prefill. The conversation "
                      "must end with a user message.");
}

static bool check_size(struct sim_message *m, struct sim_refusal *r)
{
    if (m->input_tokens > m->model->context_tokens)
        return sim_refuse(r, 400, "prompt is too long: %lld tokens > %lld maximum",
                          (long long)m->input_tokens, (long long)m->model->context_tokens);
    return true;
}

bool sim_request_read(const struct catalog *catalog, const struct sim_headers *headers,
                      const char *body, size_t n, bool counting, struct sim_message *ret_message,
                      struct sim_refusal *ret_refusal)
{
    struct sim_message m = {.hash = 1469598103934665603u};
    struct errmsg msg = {{0}};
    if (!check_version(headers->version, ret_refusal))
        return false;
    if (n > SIM_BODY_MAX)
        return sim_refuse(ret_refusal, 413, "Request exceeds the maximum size");
    if (json_parse(body, n, SIM_BODY_MAX, &m.body, &msg) != OK)
        return sim_refuse(ret_refusal, 400, "The request body is not valid JSON: %.200s", msg.text);
    m.stream = json_flag(m.body, "stream", false);
    bool ok =
        sim_body_members(&m, counting, ret_refusal) && check_model(&m, catalog, ret_refusal) &&
        check_max_tokens(&m, counting, ret_refusal) && sim_body_turns(&m, ret_refusal) &&
        sim_body_options(&m, ret_refusal) && check_sampling(&m, headers->version, ret_refusal) &&
        check_prefill(&m, ret_refusal) && check_size(&m, ret_refusal);
    if (ok)
        *ret_message = m;
    else
        sim_message_free(&m);
    return ok;
}

void sim_message_free(struct sim_message *m)
{
    json_decref(m->body);
    free(m->prompt);
    memset(m, 0, sizeof(*m));
}
