/* In: a watched job, and how far one client is in it. Out: that client's next event. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "api/job_json.h"
#include "api/watch.h"
#include "text/json.h"

#define PIECE_MAX ((size_t)8 * 1024) /* text of one event */

const char *watch_event_name(enum watch_event e)
{
    static const char *const names[WATCH_MAX] = {"progress", "text", "step", "reset", "done"};
    return names[e];
}

void cursor_join(struct cursor *c, struct watch *w, void *owner)
{
    *c = (struct cursor){.watch = w, .owner = owner, .text = EVENT_HASH_NONE};
    DL_APPEND(w->cursors, c);
}

void cursor_leave(struct cursor *c)
{
    if (c->watch != NULL)
        DL_DELETE(c->watch->cursors, c);
    c->watch = NULL;
}

/* ---- where to go on ---- */

static bool knows_steps(const struct watch *w, const struct event_id *id)
{
    if (id->run != w->run || id->steps > w->done)
        return false;
    return id->chain == (id->steps > 0 ? w->parts[id->steps - 1].chain : EVENT_HASH_NONE);
}

static bool knows_text(const struct watch_part *p, const struct event_id *id)
{
    return strcmp(p->step, id->step) == 0 && id->offset <= p->text.len &&
           event_hash(EVENT_HASH_NONE, buf_str(&p->text), id->offset) == id->text;
}

void cursor_resume(struct cursor *c, const struct event_id *id)
{
    const struct watch *w = c->watch;
    c->row = id->row;
    c->done = id->done && watch_is_over(w) && id->row == w->row_hash;
    if (!knows_steps(w, id)) {
        c->forget = id->steps > 0 || id->offset > 0;
        c->done = false;
        return;
    }
    c->part = id->steps;
    if (id->offset == 0)
        return;
    if (c->part < w->n && knows_text(&w->parts[c->part], id)) {
        c->offset = id->offset;
        c->text = id->text;
    } else {
        memcpy(c->cut, id->step, sizeof c->cut);
        c->done = false;
    }
}

void cursor_skip_steps(struct cursor *c, int64_t wall_us)
{
    const struct watch *w = c->watch;
    c->part = w->done;
    while (c->part > 0 && w->parts[c->part - 1].ended_us >= wall_us)
        c->part--;
    c->offset = 0;
    c->text = EVENT_HASH_NONE;
}

void cursor_skip_text(struct cursor *c)
{
    const struct watch *w = c->watch;
    c->cut[0] = '\0';
    c->forget = false;
    if (c->part >= w->n)
        return;
    const struct buf *text = &w->parts[c->part].text;
    if (c->offset < text->len)
        c->text = event_hash(c->text, text->data + c->offset, text->len - c->offset);
    c->offset = text->len;
}

void cursor_id(const struct cursor *c, struct event_id *ret_id)
{
    const struct watch *w = c->watch;
    *ret_id =
        (struct event_id){.run = w->run,
                          .steps = (unsigned)c->part,
                          .chain = c->part > 0 ? w->parts[c->part - 1].chain : EVENT_HASH_NONE,
                          .offset = c->offset,
                          .text = c->text,
                          .row = c->row,
                          .done = c->done};
    if (c->offset > 0)
        memcpy(ret_id->step, w->parts[c->part].step, sizeof ret_id->step);
}

/* ---- the next event ---- */

static void open_object(const struct cursor *c, struct buf *out)
{
    char id[UUID_TEXT_SIZE];
    buf_putf(out, "{\"job_id\":\"%s\"", uuid_text(&c->watch->job, id));
}

static bool next_reset(struct cursor *c, struct buf *out)
{
    const struct watch *w = c->watch;
    const char *step = NULL;
    if (!c->forget && c->cut[0] == '\0')
        return false;
    if (!c->forget)
        step = c->cut;
    open_object(c, out);
    job_json_put_string(out, "step", step);
    buf_putf(out, ",\"run\":%d}", w->run);
    if (c->forget)
        c->forget = false;
    else
        c->cut[0] = '\0';
    return true;
}

/* Bytes of a character that begins with this one. */
static size_t character_size(unsigned char first)
{
    return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* A piece ends where a character does; what is not whole yet waits for its rest. */
static size_t piece_of(const struct watch_part *p, size_t from)
{
    size_t left = p->text.len - from, n = left < PIECE_MAX ? left : PIECE_MAX, back = 1;
    const unsigned char *text = (const unsigned char *)p->text.data + from;
    if (n == left && p->done)
        return n;
    while (back < 4 && back < n && (text[n - back] & 0xc0) == 0x80)
        back++;
    return n > 0 && character_size(text[n - back]) > back ? n - back : n;
}

static void put_text(struct cursor *c, const struct watch_part *p, struct buf *out)
{
    size_t n = piece_of(p, c->offset);
    const char *text = p->text.data + c->offset;
    open_object(c, out);
    job_json_put_string(out, "step", p->step);
    buf_putf(out, ",\"offset\":%zu,\"text\":", c->offset);
    json_put_string(out, text, n);
    buf_puts(out, "}");
    c->text = event_hash(c->text, text, n);
    c->offset += n;
}

static void put_step(struct cursor *c, const struct watch_part *p, struct buf *out)
{
    open_object(c, out);
    job_json_put_string(out, "step", p->step);
    buf_putf(out, ",%s", p->about + 1);
    c->part++;
    c->offset = 0;
    c->text = EVENT_HASH_NONE;
}

static void put_row(struct cursor *c, struct buf *out)
{
    open_object(c, out);
    buf_putf(out, ",%s}", c->watch->row);
    c->row = c->watch->row_hash;
}

static void put_done(struct cursor *c, struct buf *out)
{
    const struct watch *w = c->watch;
    open_object(c, out);
    if (w->gone)
        buf_puts(out, ",\"status\":\"deleted\"");
    else
        buf_putf(out, ",%s", w->row);
    job_json_put_note(out, "error_message", w->gone ? NULL : w->error);
    buf_puts(out, "}");
    c->row = w->row_hash;
    c->done = true;
}

bool cursor_next(struct cursor *c, enum watch_event *ret_event, struct buf *out)
{
    const struct watch *w = c->watch;
    const struct watch_part *p = c->part < w->n ? &w->parts[c->part] : NULL;
    if (!w->loaded || c->done)
        return false;
    if (w->gone) {
        *ret_event = WATCH_DONE;
        put_done(c, out);
    } else if (next_reset(c, out)) {
        *ret_event = WATCH_RESET;
    } else if (!watch_is_over(w) && c->row != w->row_hash) {
        *ret_event = WATCH_PROGRESS;
        put_row(c, out);
    } else if (p != NULL && c->offset < p->text.len && piece_of(p, c->offset) > 0) {
        *ret_event = WATCH_TEXT;
        put_text(c, p, out);
    } else if (p != NULL && p->done) {
        *ret_event = WATCH_STEP;
        put_step(c, p, out);
    } else if (watch_is_over(w)) {
        *ret_event = WATCH_DONE;
        put_done(c, out);
    } else {
        return false;
    }
    return true;
}
