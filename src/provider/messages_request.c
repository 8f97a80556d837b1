/* In: prompts and limits. Out: a request body that the model's API version accepts. */
#include "provider/messages_request.h"

#include <string.h>

#include "text/json.h"

#define ESCAPE_MAX      6    /* bytes that one byte of text can become in JSON */
#define CACHE_MIN       1024 /* tokens: the provider caches no shorter prompt */
#define FRAME_MAX       4096 /* all that is not the caller's text */
#define SCHEMA_SIZE_MAX ((size_t)1 << 20)

static size_t length(const char *s)
{
    return s == NULL ? 0 : strlen(s);
}

static void put_text(struct buf *b, const char *before, const char *text, const char *after)
{
    buf_puts(b, before);
    json_put_string(b, text, strlen(text));
    buf_puts(b, after);
}

/* The system prompt is the same for all calls of a job, often of all jobs: worth a cache entry. */
static void put_system(struct buf *b, const char *system)
{
    size_t n = length(system);
    if (n == 0)
        return;
    bool cache = tokens_estimate(system, n) >= CACHE_MIN;
    put_text(b, ",\"system\":[{\"type\":\"text\",\"text\":", system,
             cache ? ",\"cache_control\":{\"type\":\"ephemeral\"}}]" : "}]");
}

static enum err check_schema(const char *schema, struct errmsg *msg)
{
    json_t *json = NULL;
    enum err e = json_parse(schema, strlen(schema), SCHEMA_SIZE_MAX, &json, msg);
    if (e == OK && !json_is_object(json))
        e = err_set(msg, ERR_INVALID, "the answer's schema is not a JSON object");
    json_decref(json);
    return e;
}

enum err messages_request_write(const struct provider_request *r, struct buf *out,
                                struct errmsg *msg)
{
    const struct model *model = r->model;
    bool schema = model->schema && r->schema != NULL;
    size_t text = length(r->system) + length(r->user) + length(model->id);
    if (text + length(r->schema) > MESSAGES_BODY_MAX)
        return err_set(msg, ERR_TOO_BIG, "the prompt is larger than the provider takes (32 MB)");
    if (schema) {
        enum err e = check_schema(r->schema, msg);
        if (e != OK)
            return e;
    }
    int64_t most = model->max_output_tokens;
    int64_t max_tokens = most > 0 && r->max_tokens > most ? most : r->max_tokens;
    *out = BUF_INIT(text * ESCAPE_MAX + length(r->schema) + FRAME_MAX);
    put_text(out, "{\"model\":", model->id, "");
    buf_putf(out, ",\"max_tokens\":%lld,\"stream\":true", (long long)max_tokens);
    put_system(out, r->system);
    put_text(out, ",\"messages\":[{\"role\":\"user\",\"content\":", r->user != NULL ? r->user : "",
             "}]");
    if (schema) {
        buf_puts(out, ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":");
        buf_puts(out, r->schema);
        buf_puts(out, "}}");
    }
    buf_puts(out, "}");
    if (out->len > MESSAGES_BODY_MAX) {
        buf_free(out);
        return err_set(msg, ERR_TOO_BIG, "the prompt is larger than the provider takes (32 MB)");
    }
    return OK;
}
