/* In: a request body. Out: the first thing that the real API would not accept about it; the
 * prompt's text and size. */
#include "provider/sim/sim_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define IMAGE_TOKENS       1600
#define TURN_TOKENS        4 /* what a turn's frame costs */
#define THINKING_MIN       1024
#define USER_ID_MAX        256
#define STOP_SEQUENCES_MAX 8192

static bool one_of(const char *s, const char *const *names)
{
    for (; s != NULL && *names != NULL; names++)
        if (strcmp(s, *names) == 0)
            return true;
    return false;
}

bool sim_body_members(const struct sim_message *m, bool counting, struct sim_refusal *r)
{
    static const char *const known[] = {"model",         "max_tokens",      "messages",
                                        "system",        "stream",          "stop_sequences",
                                        "metadata",      "cache_control",   "thinking",
                                        "output_config", "service_tier",    "temperature",
                                        "top_p",         "top_k",           "tools",
                                        "tool_choice",   "container",       "context_management",
                                        "mcp_servers",   "inference_geo",   "speed",
                                        "fallbacks",     "user_profile_id", NULL};
    const char *key;
    json_t *value;
    if (!json_is_object(m->body))
        return sim_refuse(r, 400, "The request body must be a JSON object");
    json_object_foreach (m->body, key, value) {
        if (!one_of(key, known))
            return sim_refuse(r, 400, "%.60s: Extra inputs are not permitted", key);
    }
    const json_t *stream = json_object_get(m->body, "stream");
    if (stream != NULL && counting)
        return sim_refuse(r, 400, "stream: Extra inputs are not permitted");
    if (stream != NULL && !json_is_boolean(stream))
        return sim_refuse(r, 400, "stream: Input should be a valid boolean");
    return true;
}

struct prompt { /* what is being read */
    struct sim_message *m;
    struct sim_refusal *r;
    struct buf text; /* of the turn being read */
    char where[64];  /* "messages.0.content.1" */
};

static void count_text(struct sim_message *m, const char *text, size_t n)
{
    m->input_tokens += sim_tokens(n);
    for (size_t i = 0; i < n; i++)
        m->hash = (m->hash ^ (unsigned char)text[i]) * 1099511628211u;
}

static void count_value(struct sim_message *m, const json_t *value)
{
    char *text = json_text(value);
    count_text(m, text, strlen(text));
    free(text);
}

static bool read_block(struct prompt *p, const json_t *block, const char *role)
{
    static const char *const user[] = {"text",        "image",         "document",
                                       "tool_result", "search_result", NULL};
    static const char *const assistant[] = {"text", "thinking", "redacted_thinking", "tool_use",
                                            NULL};
    const char *type = json_str(block, "type");
    if (!json_is_object(block) || type == NULL)
        return sim_refuse(p->r, 400, "%s.type: Field required", p->where);
    if (!one_of(type, strcmp(role, "assistant") == 0 ? assistant : user))
        return sim_refuse(p->r, 400,
                          "%s: Input tag '%.40s' found using 'type' does not match any of the "
                          "expected tags",
                          p->where, type);
    if (strcmp(type, "image") == 0) {
        p->m->input_tokens += IMAGE_TOKENS;
        return true;
    }
    if (strcmp(type, "text") != 0) {
        count_value(p->m, block);
        return true;
    }
    json_t *text = json_object_get(block, "text");
    if (text == NULL)
        return sim_refuse(p->r, 400, "%s.text.text: Field required", p->where);
    if (!json_is_string(text))
        return sim_refuse(p->r, 400, "%s.text.text: Input should be a valid string", p->where);
    if (json_string_length(text) == 0)
        return sim_refuse(p->r, 400, "messages: text content blocks must be non-empty");
    count_text(p->m, json_string_value(text), json_string_length(text));
    buf_put(&p->text, json_string_value(text), json_string_length(text));
    return true;
}

static bool read_content(struct prompt *p, const json_t *content, size_t turn, const char *role)
{
    if (json_is_string(content)) {
        count_text(p->m, json_string_value(content), json_string_length(content));
        buf_put(&p->text, json_string_value(content), json_string_length(content));
        return true;
    }
    if (!json_is_array(content))
        return sim_refuse(p->r, 400, "messages.%zu.content: Input should be a valid list", turn);
    size_t i;
    json_t *block;
    json_array_foreach (content, i, block) {
        snprintf(p->where, sizeof(p->where), "messages.%zu.content.%zu", turn, i);
        if (!read_block(p, block, role))
            return false;
    }
    return true;
}

static bool read_turn(struct prompt *p, const json_t *turn, size_t i, size_t n)
{
    const char *role = json_str(turn, "role");
    if (!json_is_object(turn))
        return sim_refuse(p->r, 400, "messages.%zu: Input should be an object", i);
    if (json_object_get(turn, "role") == NULL)
        return sim_refuse(p->r, 400, "messages.%zu.role: Field required", i);
    if (role != NULL && strcmp(role, "system") == 0)
        return sim_refuse(p->r, 400,
                          "messages: Unexpected role \"system\". The Messages API accepts a "
                          "top-level `system` parameter, not \"system\" as an input message role.");
    if (role == NULL || (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0))
        return sim_refuse(p->r, 400, "messages.%zu.role: Input should be 'user' or 'assistant'", i);
    if (i == 0 && strcmp(role, "user") != 0)
        return sim_refuse(p->r, 400, "messages: first message must use the \"user\" role");
    const json_t *content = json_object_get(turn, "content");
    if (content == NULL)
        return sim_refuse(p->r, 400, "messages.%zu.content: Field required", i);
    buf_clear(&p->text);
    if (!read_content(p, content, i, role))
        return false;
    bool empty =
        json_is_string(content) ? json_string_length(content) == 0 : json_array_size(content) == 0;
    if (empty && (i + 1 < n || strcmp(role, "user") == 0))
        return sim_refuse(p->r, 400,
                          "messages.%zu: all messages must have non-empty content "
                          "except for the optional final assistant message",
                          i);
    p->m->input_tokens += TURN_TOKENS;
    if (strcmp(role, "user") == 0) {
        free(p->m->prompt);
        p->m->prompt_len = p->text.len;
        p->m->prompt = buf_take(&p->text);
    }
    return true;
}

static bool read_system(struct prompt *p, const json_t *system)
{
    if (system == NULL)
        return true;
    if (json_is_string(system)) {
        count_text(p->m, json_string_value(system), json_string_length(system));
        return true;
    }
    if (!json_is_array(system))
        return sim_refuse(p->r, 400, "system: Input should be a valid string or list");
    size_t i;
    json_t *block;
    json_array_foreach (system, i, block) {
        const char *type = json_str(block, "type"), *text = json_str(block, "text");
        if (type == NULL || strcmp(type, "text") != 0 || text == NULL)
            return sim_refuse(p->r, 400, "system.%zu.type: Input should be 'text'", i);
        if (*text == '\0')
            return sim_refuse(p->r, 400, "system: text content blocks must be non-empty");
        count_text(p->m, text, strlen(text));
    }
    return true;
}

bool sim_body_turns(struct sim_message *m, struct sim_refusal *r)
{
    struct prompt p = {.m = m, .r = r, .text = BUF_INIT(SIM_BODY_MAX + 1)};
    json_t *turns = json_object_get(m->body, "messages"), *turn;
    size_t i, n = json_array_size(turns);
    bool ok = true;
    if (turns == NULL)
        return sim_refuse(r, 400, "messages: Field required");
    if (!json_is_array(turns))
        return sim_refuse(r, 400, "messages: Input should be a valid list");
    if (n == 0)
        return sim_refuse(r, 400, "messages: at least one message is required");
    count_text(m, m->model->id, strlen(m->model->id));
    m->input_tokens = 0;
    ok = read_system(&p, json_object_get(m->body, "system"));
    json_array_foreach (turns, i, turn) {
        ok = ok && read_turn(&p, turn, i, n);
    }
    json_t *tools = json_object_get(m->body, "tools");
    if (ok && json_array_size(tools) > 0)
        count_value(m, tools);
    buf_free(&p.text);
    return ok;
}

static bool check_stops(struct sim_message *m, struct sim_refusal *r)
{
    const json_t *stops = json_object_get(m->body, "stop_sequences"), *stop;
    size_t i;
    if (stops == NULL)
        return true;
    if (!json_is_array(stops) || json_array_size(stops) > STOP_SEQUENCES_MAX)
        return sim_refuse(r, 400, "stop_sequences: Input should be a valid list");
    json_array_foreach (stops, i, stop) {
        const char *s = json_string_value(stop);
        if (s == NULL)
            return sim_refuse(r, 400, "stop_sequences.%zu: Input should be a valid string", i);
        if (s[strspn(s, " \t\r\n")] == '\0')
            return sim_refuse(r, 400,
                              "stop_sequences: each stop sequence must contain "
                              "non-whitespace");
    }
    m->stops = stops;
    return true;
}

static bool check_thinking(struct sim_message *m, struct sim_refusal *r)
{
    const json_t *thinking = json_object_get(m->body, "thinking");
    const char *type = json_str(thinking, "type");
    if (thinking == NULL)
        return true;
    static const char *const types[] = {"enabled", "adaptive", "disabled", NULL};
    if (!one_of(type, types))
        return sim_refuse(r, 400,
                          "thinking.type: Input should be 'enabled', 'adaptive' or "
                          "'disabled'");
    m->thinking = strcmp(type, "disabled") != 0;
    if (strcmp(type, "enabled") != 0)
        return true;
    int64_t budget = json_int(thinking, "budget_tokens", -1);
    if (budget < 0)
        return sim_refuse(r, 400, "thinking.enabled.budget_tokens: Field required");
    if (budget < THINKING_MIN)
        return sim_refuse(r, 400,
                          "thinking.enabled.budget_tokens: Input should be greater than or "
                          "equal to 1024");
    if (m->max_tokens > 0 && budget >= m->max_tokens)
        return sim_refuse(r, 400, "`max_tokens` must be greater than `thinking.budget_tokens`.");
    return true;
}

static bool check_output_config(struct sim_message *m, struct sim_refusal *r)
{
    static const char *const efforts[] = {"low", "medium", "high", "xhigh", "max", NULL};
    json_t *config = json_object_get(m->body, "output_config");
    const char *key;
    json_t *value;
    if (config == NULL)
        return true;
    if (!json_is_object(config))
        return sim_refuse(r, 400, "output_config: Input should be an object");
    json_object_foreach ((json_t *)(uintptr_t)config, key, value) {
        if (strcmp(key, "effort") == 0) {
            if (!one_of(json_string_value(value), efforts))
                return sim_refuse(r, 400,
                                  "output_config.effort: Input should be 'low', 'medium', "
                                  "'high', 'xhigh' or 'max'");
        } else if (strcmp(key, "format") != 0) {
            return sim_refuse(r, 400, "output_config.%.40s: Extra inputs are not permitted", key);
        }
    }
    const json_t *format = json_object_get(config, "format");
    if (format == NULL || json_is_null(format))
        return true;
    const char *type = json_str(format, "type");
    if (type == NULL || strcmp(type, "json_schema") != 0)
        return sim_refuse(r, 400, "output_config.format.type: Input should be 'json_schema'");
    if (!m->model->schema)
        return sim_refuse(r, 400, "output_config.format: '%s' does not support output format.",
                          m->model->id);
    m->schema = json_obj(format, "schema");
    if (m->schema == NULL)
        return sim_refuse(r, 400, "output_config.format.schema: Field required");
    count_value(m, m->schema);
    return true;
}

static bool check_rest(const struct sim_message *m, struct sim_refusal *r)
{
    static const char *const tiers[] = {"auto", "standard_only", NULL};
    const json_t *tier = json_object_get(m->body, "service_tier");
    const json_t *metadata = json_object_get(m->body, "metadata");
    const json_t *user = json_object_get(metadata, "user_id");
    if (tier != NULL && !one_of(json_string_value(tier), tiers))
        return sim_refuse(r, 400, "service_tier: Input should be 'auto' or 'standard_only'");
    if (metadata != NULL && !json_is_object(metadata))
        return sim_refuse(r, 400, "metadata: Input should be an object");
    if (user != NULL && !json_is_null(user) &&
        (!json_is_string(user) || json_string_length(user) > USER_ID_MAX))
        return sim_refuse(r, 400, "metadata.user_id: String should have at most 256 characters");
    return true;
}

bool sim_body_options(struct sim_message *m, struct sim_refusal *r)
{
    return check_stops(m, r) && check_thinking(m, r) && check_output_config(m, r) &&
           check_rest(m, r);
}
