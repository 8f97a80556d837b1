/* In: refusals as the provider words them. Out: the class of each, and a line for people. */
#include "provider/classify.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "text/json.h"

#define ERROR_BODY_MAX ((size_t)64 << 10)

struct rule {
    const char *name;
    enum call_class class;
};

static const struct rule by_type[] = {
    {"invalid_request_error", CALL_PERMANENT},
    {"request_too_large", CALL_PERMANENT},
    {"authentication_error", CALL_OPERATOR},
    {"billing_error", CALL_OPERATOR},
    {"permission_error", CALL_OPERATOR},
    {"not_found_error", CALL_OPERATOR},
    {"conflict_error", CALL_RETRY},
    {"rate_limit_error", CALL_THROTTLED},
    {"api_error", CALL_OVERLOADED},
    {"timeout_error", CALL_OVERLOADED},
    {"overloaded_error", CALL_OVERLOADED},
};

/* What a 429 says more closely. */
static const struct rule by_code[] = {
    {"ramp_limit_exceeded", CALL_RAMP},
    {"enforced_spend_limit_reached", CALL_PARKED},
    {"contract_spend_limit_reached", CALL_PARKED},
};

static enum call_class find(const struct rule *rules, size_t n, const char *name,
                            enum call_class fallback)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rules[i].name, name) == 0)
            return rules[i].class;
    return fallback;
}

static enum call_class class_of_429(const struct provider_error *error)
{
    size_t n = sizeof(by_code) / sizeof(by_code[0]);
    return find(by_code, n, error->code, find(by_code, n, error->type, CALL_THROTTLED));
}

static enum call_class class_of_status(int status)
{
    if (status == 408 || status == 409 || status < 300)
        return CALL_RETRY;
    if (status == 401 || status == 402 || status == 403 || status == 404 || status < 400)
        return CALL_OPERATOR; /* a redirect means that the address is not the provider's */
    return status >= 500 ? CALL_OVERLOADED : CALL_PERMANENT;
}

enum call_class provider_error_class(const struct provider_error *error)
{
    enum call_class class;
    if (error->status < 300)
        class = find(by_type, sizeof(by_type) / sizeof(by_type[0]), error->type, CALL_RETRY);
    else
        class = class_of_status(error->status);
    if (error->status == 429 || class == CALL_THROTTLED)
        class = class_of_429(error);
    /* Their word counts above the table: false is handed on by the caller, true opens a way. */
    return class == CALL_PERMANENT && error->should_retry == 1 ? CALL_RETRY : class;
}

static void copy(char *out, size_t size, const char *s)
{
    (void)snprintf(out, size, "%s", s != NULL ? s : "");
}

void provider_error_read(struct provider_error *error, const char *body, size_t n)
{
    json_t *json = NULL;
    if (json_parse(body, n, ERROR_BODY_MAX, &json, NULL) != OK) {
        copy(error->text, sizeof(error->text),
             n == 0 ? "without a reason" : "with a page that is not the provider's JSON");
        return;
    }
    const json_t *detail = json_obj(json, "error");
    const char *text = json_str(detail, "message");
    copy(error->type, sizeof(error->type), json_str(detail, "type"));
    copy(error->code, sizeof(error->code), json_str(json_obj(detail, "details"), "error_code"));
    copy(error->text, sizeof(error->text), text != NULL ? text : "without a reason");
    json_decref(json);
}

static void remove_secret(char *line, const char *secret)
{
    size_t n = secret == NULL ? 0 : strlen(secret);
    if (n == 0)
        return;
    for (char *at = line; (at = strstr(at, secret)) != NULL;)
        memmove(at, at + n, strlen(at + n) + 1);
}

/* A buffer's end may have cut a character in two. */
static void cut_whole(char *line)
{
    size_t n = strlen(line), back = 0;
    while (back < n && back < 4 && ((unsigned char)line[n - 1 - back] & 0xC0) == 0x80)
        back++;
    if (back == n)
        return;
    unsigned char lead = (unsigned char)line[n - 1 - back];
    size_t want = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (back < want)
        line[n - 1 - back] = '\0';
}

void provider_line_clean(char *line, const char *secret)
{
    remove_secret(line, secret);
    for (char *at = line; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    cut_whole(line);
}

static const char *advice(int status)
{
    switch (status) {
    case 401:
        return "; check the API key";
    case 402:
        return "; check the billing of the provider account";
    case 403:
        return "; the API key may not do this";
    case 404:
        return "; check the model id and the provider's address";
    default:
        return status >= 300 && status < 400 ? "; check the provider's address" : "";
    }
}

void provider_error_line(const struct provider_error *error, const char *secret, char *out,
                         size_t size)
{
    const char *name = error->code[0] != '\0' ? error->code : error->type;
    if (error->status < 300)
        (void)snprintf(out, size, "the provider broke its answer off: %s: %s", name, error->text);
    else
        (void)snprintf(out, size, "the provider answered %d%s%s: %s%s", error->status,
                       name[0] != '\0' ? " " : "", name, error->text, advice(error->status));
    provider_line_clean(out, secret);
}
