/* In: invocations and log lines. Out: one JSON object each. */
#include "api/invocation_json.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "text/json.h"
#include "store/store_history.h"

static void put_text(struct buf *out, const char *name, const char *value)
{
    buf_putf(out, ",\"%s\":", name);
    if (value != NULL)
        json_put_string(out, value, strlen(value));
    else
        buf_puts(out, "null");
}

static void put_id(struct buf *out, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];
    put_text(out, name, uuid_is_nil(id) ? NULL : uuid_text(id, text));
}

void invocation_put_json(struct buf *out, const struct store_invocation *i)
{
    char id[UUID_TEXT_SIZE], at[CLOCK_ISO_SIZE];
    clock_iso(i->at_us, at);
    buf_putf(out, "{\"id\":\"%s\",\"time\":\"%s\",\"status\":", uuid_text(&i->id, id), at);
    if (i->status != 0)
        buf_putf(out, "%d,\"duration_ms\":%.3f", i->status, (double)i->duration_us / 1e3);
    else
        buf_puts(out, "null,\"duration_ms\":null");
    put_text(out, "caller", i->caller);
    put_text(out, "worker_id", i->label);
    buf_putf(out, ",\"processed\":%d,\"succeeded\":%d,\"failed\":%d,\"settled\":%s", i->processed,
             i->succeeded, i->failed, i->settled ? "true" : "false");
    put_text(out, "error", i->error);
    put_text(out, "node", i->worker);
    put_text(out, "version", i->version);
    buf_puts(out, "}");
}

void line_put_json(struct buf *out, const struct store_line *l)
{
    char at[CLOCK_ISO_SIZE];
    clock_iso(l->at_us, at);
    buf_putf(out, "{\"n\":%" PRId64 ",\"time\":\"%s\"", l->n, at);
    put_text(out, "level", l->level);
    put_text(out, "event", l->event);
    put_text(out, "message", l->message);
    put_text(out, "details", l->details);
    put_id(out, "job", &l->job);
    put_id(out, "invocation", &l->invocation);
    put_text(out, "worker", l->worker);
    buf_puts(out, "}");
}
