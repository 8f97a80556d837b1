/* In: an answer's pieces. Out: server-sent events of the Messages API, one `event:` and one
 * `data:` line each. */
#include "provider/sim/sim_events.h"

#include <string.h>

static void put_string_or_null(struct buf *out, const char *s)
{
    if (s == NULL)
        buf_puts(out, "null");
    else
        json_put_string(out, s, strlen(s));
}

static void put_usage(struct buf *out, int64_t input_tokens, int64_t output_tokens)
{
    buf_putf(out,
             "\"usage\":{\"input_tokens\":%lld,\"cache_creation_input_tokens\":0,"
             "\"cache_read_input_tokens\":0,\"output_tokens\":%lld}",
             (long long)input_tokens, (long long)output_tokens);
}

/* What comes first in a message, with the comma before its content. */
static void put_message_head(struct buf *out, const char *id, const char *model)
{
    buf_puts(out, "{\"id\":");
    json_put_string(out, id, strlen(id));
    buf_puts(out, ",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    json_put_string(out, model, strlen(model));
}

void events_put_message_start(struct buf *out, const char *id, const char *model,
                              int64_t input_tokens)
{
    buf_puts(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
    put_message_head(out, id, model);
    buf_puts(out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,");
    put_usage(out, input_tokens, 1); /* a placeholder, as the real one's */
    buf_puts(out, "}}\n\n");
}

void events_put_block_start(struct buf *out, size_t index, bool thinking)
{
    buf_putf(out,
             "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":%zu,"
             "\"content_block\":%s}\n\n",
             index,
             thinking ? "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"
                      : "{\"type\":\"text\",\"text\":\"\"}");
}

static void put_delta_head(struct buf *out, size_t index)
{
    char digit = (char)('0' + index); /* at most SIM_PARTS_MAX blocks */
    buf_puts(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
    buf_put(out, &digit, 1);
    buf_puts(out, ",\"delta\":{\"type\":");
}

void events_put_delta(struct buf *out, size_t index, bool thinking, const char *text, size_t n)
{
    put_delta_head(out, index);
    buf_puts(out, thinking ? "\"thinking_delta\",\"thinking\":" : "\"text_delta\",\"text\":");
    json_put_string(out, text, n);
    buf_puts(out, "}}\n\n");
}

void events_put_block_stop(struct buf *out, size_t index, bool thinking)
{
    if (thinking) {
        put_delta_head(out, index);
        buf_puts(out, "\"signature_delta\",\"signature\":\"c2ltdWxhdGVk\"}}\n\n");
    }
    buf_putf(out,
             "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":%zu}\n\n",
             index);
}

void events_put_message_delta(struct buf *out, const char *stop_reason, const char *stop_sequence,
                              int64_t input_tokens, int64_t output_tokens)
{
    buf_puts(out, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":"
                  "{\"stop_reason\":");
    put_string_or_null(out, stop_reason);
    buf_puts(out, ",\"stop_sequence\":");
    put_string_or_null(out, stop_sequence);
    buf_puts(out, "},");
    put_usage(out, input_tokens, output_tokens);
    buf_puts(out, "}\n\n");
}

void events_put_message_stop(struct buf *out)
{
    buf_puts(out, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

void events_put_ping(struct buf *out)
{
    buf_puts(out, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

void events_put_error(struct buf *out, const char *body)
{
    buf_putf(out, "event: error\ndata: %s\n\n", body);
}

void events_put_message(struct buf *out, const char *id, const char *model,
                        const struct sim_answer *a, int64_t input_tokens)
{
    put_message_head(out, id, model);
    buf_puts(out, ",\"content\":[");
    for (size_t i = 0; i < a->n; i++) {
        const struct sim_part *p = &a->parts[i];
        buf_puts(out, i > 0 ? "," : "");
        buf_puts(out, p->thinking ? "{\"type\":\"thinking\",\"signature\":\"c2ltdWxhdGVk\","
                                    "\"thinking\":"
                                  : "{\"type\":\"text\",\"text\":");
        json_put_string(out, p->text, p->len);
        buf_puts(out, "}");
    }
    buf_puts(out, "],\"stop_reason\":");
    put_string_or_null(out, a->stop_reason);
    buf_puts(out, ",\"stop_sequence\":");
    put_string_or_null(out, a->stop_sequence);
    buf_puts(out, ",");
    put_usage(out, input_tokens, a->tokens);
    buf_puts(out, "}");
}
