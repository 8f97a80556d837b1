/* In: server-sent events of one answer. Out: text, usage, and how it ended. The text of deltas,
 * nearly all events, is read without building a tree. */
#include "provider/messages_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/json.h"
#include "text/json_walk.h"

#define TOKENS_MAX     ((int64_t)1000000000000) /* above: not a count */
#define PROGRESS_BYTES 64 /* less than this in a whole timeout is no progress */
#define NO_BLOCK       ((size_t)-1)

enum block_kind { BLOCK_UNSEEN, BLOCK_TEXT, BLOCK_THINKING, BLOCK_OTHER, BLOCK_KIND_MAX };

struct messages_block {
    enum block_kind kind;
    bool stopped;
    struct buf held; /* text that waits for an earlier block's end */
};

void messages_stream_init(struct messages_stream *s, const struct messages_handlers *handlers,
                          void *ctx)
{
    *s = (struct messages_stream){
        .text = BUF_INIT(MESSAGES_TEXT_MAX),
        .piece = BUF_INIT(MESSAGES_EVENT_MAX),
        .handlers = handlers,
        .ctx = ctx,
        .current = NO_BLOCK,
    };
    sse_reader_init(&s->sse, MESSAGES_EVENT_MAX);
}

void messages_stream_free(struct messages_stream *s)
{
    for (size_t i = 0; i < s->n_blocks; i++)
        buf_free(&s->blocks[i].held);
    free(s->blocks);
    buf_free(&s->text);
    buf_free(&s->piece);
    sse_reader_free(&s->sse);
}

static void keep(char *out, size_t size, const char *s)
{
    if (out[0] == '\0' && s != NULL)
        (void)snprintf(out, size, "%s", s);
}

/* Stops the stream with a typed error: the caller sees the state, not this code. */
static enum err broken(struct messages_stream *s, const char *what)
{
    s->state = MESSAGES_BROKEN;
    keep(s->error_text, sizeof(s->error_text), what);
    return ERR_PROTOCOL;
}

/* ---- text, in the order of the blocks ---- */

static void note_progress(struct messages_stream *s, size_t bytes)
{
    s->small += bytes;
    if (s->small >= PROGRESS_BYTES) {
        s->small = 0;
        s->progress++;
    }
}

static enum err hand_out(struct messages_stream *s, const char *text, size_t n)
{
    if (n == 0)
        return OK;
    if (buf_add(&s->text, text, n) != OK)
        return broken(s, "the answer is longer than any model writes");
    return s->handlers->on_text(s->ctx, text, n);
}

static enum err take_text(struct messages_stream *s, size_t index, const char *text, size_t n)
{
    note_progress(s, n);
    if (index == s->current)
        return hand_out(s, text, n);
    struct messages_block *b = &s->blocks[index];
    b->held.max = MESSAGES_TEXT_MAX - s->text.len;
    if (b->held.len > b->held.max || buf_add(&b->held, text, n) != OK)
        return broken(s, "the answer is longer than any model writes");
    return OK;
}

/* The current block ended (or there is none): the first open one that has text to give is next.
 * A stopped one is emptied on the way; at the stream's end all are. */
static enum err advance(struct messages_stream *s)
{
    if (s->current != NO_BLOCK && !s->blocks[s->current].stopped && !s->ending)
        return OK;
    s->current = NO_BLOCK;
    for (size_t i = 0; i < s->n_blocks; i++) {
        struct messages_block *b = &s->blocks[i];
        if (b->kind != BLOCK_TEXT)
            continue;
        enum err e = hand_out(s, buf_str(&b->held), b->held.len);
        buf_free(&b->held);
        if (e != OK)
            return e;
        if (!b->stopped && !s->ending) {
            s->current = i;
            return OK;
        }
    }
    return OK;
}

/* ---- events ---- */

static struct messages_block *open_block(struct messages_stream *s, int64_t index)
{
    if (index < 0 || (size_t)index >= s->n_blocks)
        return NULL;
    struct messages_block *b = &s->blocks[index];
    return b->kind == BLOCK_UNSEEN || b->stopped ? NULL : b;
}

static enum err take_thinking(struct messages_stream *s, size_t n)
{
    s->thinking_bytes += n;
    note_progress(s, n);
    return OK;
}

struct delta {
    int64_t index;
    const char *type, *member; /* member: of "delta" that holds its text */
};

static bool token_is(const struct json_walk *w, const char *s)
{
    size_t n = w->pos - w->start;
    return n == strlen(s) && memcmp(w->text + w->start, s, n) == 0;
}

static bool token_index(const struct json_walk *w, int64_t *ret_index)
{
    size_t n = w->pos - w->start;
    int64_t value = 0;
    for (size_t i = w->start; i < w->pos; i++) {
        if (w->text[i] < '0' || w->text[i] > '9' || n > 6)
            return false;
        value = value * 10 + (w->text[i] - '0');
    }
    *ret_index = value;
    return true;
}

/* {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"..."}} in any order
 * of members. False: not of this kind, or something unusual in it; the tree decides then. */
static bool scan_delta(const char *data, size_t n, struct delta *ret_delta)
{
    struct json_walk w = json_walk_start(data, n);
    enum { OTHER, TYPE, INDEX, DELTA, DELTA_TYPE } key = OTHER;
    bool is_delta = false, in_delta = false, has_index = false, text = false, thinking = false;
    enum json_event event;
    while ((event = json_walk_next(&w)) < JSON_EVENT_END) {
        if (event == JSON_EVENT_KEY && w.depth == 1)
            key = token_is(&w, "\"type\"")    ? TYPE
                  : token_is(&w, "\"index\"") ? INDEX
                  : token_is(&w, "\"delta\"") ? DELTA
                                              : OTHER;
        else if (event == JSON_EVENT_KEY)
            key = w.depth == 2 && in_delta && token_is(&w, "\"type\"") ? DELTA_TYPE : OTHER;
        else if (event == JSON_EVENT_OPEN && w.depth == 2)
            in_delta = key == DELTA;
        else if (event == JSON_EVENT_OTHER && key == INDEX && w.depth == 1)
            has_index = token_index(&w, &ret_delta->index);
        else if (event == JSON_EVENT_STRING && key == TYPE)
            is_delta = token_is(&w, "\"content_block_delta\"");
        else if (event == JSON_EVENT_STRING && key == DELTA_TYPE) {
            text = token_is(&w, "\"text_delta\"");
            thinking = token_is(&w, "\"thinking_delta\"");
        }
    }
    ret_delta->member = text ? "text" : "thinking";
    return event == JSON_EVENT_END && is_delta && has_index && (text || thinking);
}

static enum err take_delta(struct messages_stream *s, int64_t index, bool thinking,
                           const char *text, size_t n)
{
    struct messages_block *b = open_block(s, index);
    if (b == NULL)
        return broken(s, "a delta came for a content block that is not open");
    if (thinking)
        return take_thinking(s, n);
    return b->kind == BLOCK_TEXT ? take_text(s, (size_t)index, text, n) : OK;
}

/* True when it was a text or thinking delta, with the outcome in *ret_err. */
static bool quick_delta(struct messages_stream *s, const char *data, size_t n, enum err *ret_err)
{
    struct delta d = {0};
    if (!s->started || !scan_delta(data, n, &d))
        return false;
    buf_clear(&s->piece);
    if (json_scan_string(data, n, "delta", d.member, &s->piece) != OK)
        return false;
    *ret_err = take_delta(s, d.index, d.member[1] == 'h', buf_str(&s->piece), s->piece.len);
    return true;
}

static enum err on_delta(struct messages_stream *s, const json_t *event)
{
    const json_t *delta = json_obj(event, "delta");
    const char *type = json_str(delta, "type");
    int64_t index = json_int(event, "index", -1);
    if (type == NULL)
        return broken(s, "a content_block_delta without its delta");
    bool thinking = strcmp(type, "thinking_delta") == 0;
    const char *text = json_str(delta, thinking ? "thinking" : "text");
    if (!thinking && strcmp(type, "text_delta") != 0) /* signatures, citations, what will come */
        return open_block(s, index) != NULL
                   ? OK
                   : broken(s, "a delta came for a content block that is not open");
    if (text == NULL)
        return broken(s, "a text delta without text");
    return take_delta(s, index, thinking, text, strlen(text));
}

static void take_count(const json_t *usage, const char *key, int64_t *count)
{
    int64_t told = json_int(usage, key, -1);
    if (told > *count && told <= TOKENS_MAX)
        *count = told;
}

/* Counts are cumulative: each replaces the last, nulls say nothing, none ever falls. */
static void take_prompt(struct messages_stream *s, const json_t *usage)
{
    take_count(usage, "input_tokens", &s->usage.input);
    take_count(usage, "cache_read_input_tokens", &s->usage.cache_read);
    const json_t *kinds = json_obj(usage, "cache_creation");
    int64_t short_lived = 0, long_lived = 0;
    take_count(kinds, "ephemeral_5m_input_tokens", &short_lived);
    take_count(kinds, "ephemeral_1h_input_tokens", &long_lived);
    int64_t all = s->usage.cache_write_5m + s->usage.cache_write_1h;
    if (short_lived + long_lived >= all) {
        s->usage.cache_write_1h = long_lived;
        all = short_lived + long_lived;
    }
    take_count(usage, "cache_creation_input_tokens", &all);
    s->usage.cache_write_5m = all - s->usage.cache_write_1h;
}

static enum err on_message_start(struct messages_stream *s, const json_t *event)
{
    const json_t *message = json_obj(event, "message");
    if (s->started)
        return broken(s, "a second message_start");
    if (message == NULL)
        return broken(s, "a message_start without its message");
    s->started = true;
    s->progress++;
    keep(s->model, sizeof(s->model), json_str(message, "model"));
    /* Its output count is a placeholder: not taken. */
    take_prompt(s, json_obj(message, "usage"));
    return s->handlers->on_start(s->ctx, &s->usage);
}

static enum block_kind kind_of(const char *type)
{
    if (strcmp(type, "text") == 0)
        return BLOCK_TEXT;
    bool thinking = strcmp(type, "thinking") == 0 || strcmp(type, "redacted_thinking") == 0;
    return thinking ? BLOCK_THINKING : BLOCK_OTHER;
}

static enum err on_block_start(struct messages_stream *s, const json_t *event)
{
    int64_t index = json_int(event, "index", -1);
    const json_t *content = json_obj(event, "content_block");
    const char *type = json_str(content, "type");
    if (type == NULL || index < 0 || index >= MESSAGES_BLOCKS_MAX)
        return broken(s, "a content_block_start without a type or a sensible index");
    if ((size_t)index >= s->n_blocks) {
        size_t n = (size_t)index + 1;
        s->blocks = mem_resize(s->blocks, n * sizeof(*s->blocks));
        for (size_t i = s->n_blocks; i < n; i++)
            s->blocks[i] = (struct messages_block){.held = BUF_INIT(MESSAGES_TEXT_MAX)};
        s->n_blocks = n;
    }
    struct messages_block *b = &s->blocks[index];
    if (b->kind != BLOCK_UNSEEN)
        return broken(s, "a second content_block_start for one index");
    b->kind = kind_of(type);
    s->progress++;
    if (b->kind != BLOCK_TEXT)
        return OK;
    if (s->current == NO_BLOCK)
        s->current = (size_t)index;
    const char *text = json_str(content, "text");
    return text == NULL ? OK : take_text(s, (size_t)index, text, strlen(text));
}

static enum err on_block_stop(struct messages_stream *s, const json_t *event)
{
    struct messages_block *b = open_block(s, json_int(event, "index", -1));
    if (b == NULL)
        return broken(s, "a content_block_stop for a content block that is not open");
    b->stopped = true;
    return advance(s);
}

static enum err on_message_delta(struct messages_stream *s, const json_t *event)
{
    const json_t *usage = json_obj(event, "usage");
    const char *stop = json_str(json_obj(event, "delta"), "stop_reason");
    take_prompt(s, usage);
    if (json_int(usage, "output_tokens", -1) >= 0)
        s->output_told = true;
    take_count(usage, "output_tokens", &s->usage.output);
    if (stop != NULL) {
        s->stopping = true;
        keep(s->stop_reason, sizeof(s->stop_reason), stop);
    }
    return OK;
}

static enum err on_message_stop(struct messages_stream *s)
{
    s->state = s->stopping ? MESSAGES_COMPLETE : MESSAGES_TRUNCATED;
    keep(s->error_text, sizeof(s->error_text),
         s->stopping ? NULL : "the answer ended without a stop reason");
    return ERR_CLOSED; /* nothing after it counts */
}

static enum err on_error(struct messages_stream *s, const json_t *event)
{
    const json_t *error = json_obj(event, "error");
    const char *type = json_str(error, "type"), *text = json_str(error, "message");
    s->state = MESSAGES_ERROR;
    keep(s->error_type, sizeof(s->error_type), type != NULL ? type : "api_error");
    keep(s->error_code, sizeof(s->error_code), json_str(json_obj(error, "details"), "error_code"));
    keep(s->error_text, sizeof(s->error_text), text != NULL ? text : "no reason given");
    return ERR_CLOSED;
}

static enum err dispatch(struct messages_stream *s, const char *type, const json_t *event)
{
    if (strcmp(type, "error") == 0)
        return on_error(s, event);
    if (strcmp(type, "message_start") == 0)
        return on_message_start(s, event);
    bool content = strncmp(type, "content_block_", 14) == 0;
    bool message = strcmp(type, "message_delta") == 0 || strcmp(type, "message_stop") == 0;
    if (!content && !message) /* ping, and what will be invented */
        return OK;
    if (!s->started)
        return broken(s, "the answer does not begin with message_start");
    if (strcmp(type, "content_block_start") == 0)
        return on_block_start(s, event);
    if (strcmp(type, "content_block_delta") == 0)
        return on_delta(s, event);
    if (strcmp(type, "content_block_stop") == 0)
        return on_block_stop(s, event);
    if (strcmp(type, "message_delta") == 0)
        return on_message_delta(s, event);
    return message ? on_message_stop(s) : OK;
}

static enum err on_event(void *ctx, const struct sse_event *sse)
{
    struct messages_stream *s = ctx;
    enum err e;
    if (sse->data_len == 0)
        return OK;
    if (quick_delta(s, sse->data, sse->data_len, &e))
        return e;
    json_t *event;
    if (json_parse(sse->data, sse->data_len, MESSAGES_EVENT_MAX, &event, NULL) != OK)
        return s->ending ? OK : broken(s, "an event that is not JSON");
    const char *type = json_str(event, "type");
    e = dispatch(s, type != NULL ? type : sse->type, event);
    json_decref(event);
    return e;
}

/* A state that is no longer open explains the code by itself; others are the handlers'. */
static enum err settle(struct messages_stream *s, enum err e)
{
    if (e == ERR_TOO_BIG && s->state == MESSAGES_OPEN)
        broken(s, "an event larger than 8 MiB");
    return s->state != MESSAGES_OPEN ? OK : e;
}

enum err messages_stream_feed(struct messages_stream *s, const char *bytes, size_t n)
{
    if (s->state != MESSAGES_OPEN)
        return OK;
    return settle(s, sse_reader_feed(&s->sse, bytes, n, on_event, s));
}

enum err messages_stream_end(struct messages_stream *s)
{
    s->ending = true;
    enum err e = OK;
    if (s->state == MESSAGES_OPEN)
        e = settle(s, sse_reader_end(&s->sse, on_event, s));
    enum messages_state was = s->state;
    if (e == OK)
        e = advance(s);
    if (was == MESSAGES_OPEN && s->state == MESSAGES_OPEN) {
        s->state = s->stopping ? MESSAGES_COMPLETE : MESSAGES_TRUNCATED;
        keep(s->error_text, sizeof(s->error_text),
             s->stopping ? NULL : "the connection ended before the answer did");
    }
    return e == ERR_PROTOCOL && s->state == MESSAGES_BROKEN ? OK : e;
}

struct usage messages_stream_usage(const struct messages_stream *s)
{
    struct usage usage = s->usage;
    if (s->output_told && s->stopping)
        return usage;
    int64_t seen = s->text.len == 0 ? 0 : tokens_estimate(s->text.data, s->text.len);
    seen += (int64_t)(s->thinking_bytes / 4);
    if (seen > usage.output)
        usage.output = seen;
    return usage;
}
