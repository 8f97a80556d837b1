/* In: invocations and log lines. Out: one JSON object each. */
#include "api/invocation_json.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "text/json.h"
#include "store/store_history.h"

static void put_id(struct buf *out, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];
    json_put_member(out, name, uuid_is_nil(id) ? NULL : uuid_text(id, text));
}

static void put_one(struct buf *out, const struct store_invocation *i)
{
    char id[UUID_TEXT_SIZE], at[CLOCK_ISO_SIZE];
    clock_iso(i->at_us, at);
    buf_putf(out, "{\"id\":\"%s\",\"time\":\"%s\",\"status\":", uuid_text(&i->id, id), at);
    if (i->status != 0)
        buf_putf(out, "%d,\"duration_ms\":%.3f", i->status, (double)i->duration_us / 1e3);
    else
        buf_puts(out, "null,\"duration_ms\":null");
    json_put_member(out, "caller", i->caller);
    json_put_member(out, "worker_id", i->label);
    buf_putf(out, ",\"processed\":%d,\"succeeded\":%d,\"failed\":%d,\"settled\":%s", i->processed,
             i->succeeded, i->failed, i->settled ? "true" : "false");
    json_put_member(out, "error", i->error);
    json_put_member(out, "node", i->worker);
    json_put_member(out, "version", i->version);
    buf_puts(out, "}");
}

void invocations_put_page(struct buf *out, const struct store_invocation *invocations, size_t n,
                          size_t limit)
{
    buf_puts(out, "\"invocations\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_puts(out, ",");
        put_one(out, &invocations[i]);
    }
    buf_puts(out, "]");
    put_id(out, "next_cursor", n > 0 && n == limit ? &invocations[n - 1].id : &(struct uuid){0});
}

void line_put_json(struct buf *out, const struct store_line *l)
{
    char at[CLOCK_ISO_SIZE];
    clock_iso(l->at_us, at);
    buf_putf(out, "{\"n\":%" PRId64 ",\"time\":\"%s\"", l->n, at);
    json_put_member(out, "level", l->level);
    json_put_member(out, "event", l->event);
    json_put_member(out, "message", l->message);
    json_put_member(out, "details", l->details);
    put_id(out, "job", &l->job);
    put_id(out, "invocation", &l->invocation);
    json_put_member(out, "worker", l->worker);
    buf_puts(out, "}");
}
