/* In: a user. Out: the user's texts gone, some jobs at a time, and the sum of what went; its JSON.
 */
#include "api/erase.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"

#define JOBS 200 /* at a time */

struct erasure {
    struct store *store;
    struct store_erase want;
    struct store_erased sum;
    erase_fn fn;
    void *ctx;
};

static void on_erased(void *ctx, const struct store_result *r)
{
    struct erasure *e = ctx;
    if (r->err == OK) {
        const struct store_erased *part = r->erased;
        e->sum.cancelled += part->cancelled;
        e->sum.jobs += part->jobs;
        e->sum.steps += part->steps;
        e->sum.lines += part->lines;
        e->sum.keys += part->keys;
        e->sum.outbox += part->outbox;
        e->sum.requests += part->requests;
        e->want.after = part->last;
        if (!uuid_is_nil(&part->last)) {
            store_erase(e->store, &e->want, on_erased, e);
            return;
        }
    }
    e->fn(e->ctx, r, &e->sum);
    free(e);
}

void erase_user(struct store *s, const struct uuid *user, erase_fn fn, void *ctx)
{
    struct erasure *e = mem_alloc(sizeof *e);
    *e = (struct erasure){.store = s, .want = {.user = *user, .look = JOBS}, .fn = fn, .ctx = ctx};
    store_erase(s, &e->want, on_erased, e);
}

void erase_put_json(struct buf *out, const struct uuid *user, const struct store_erased *sum)
{
    char id[UUID_TEXT_SIZE];
    buf_putf(out,
             "{\"user_id\":\"%s\",\"cancelled\":%" PRId64 ",\"jobs\":%" PRId64 ",\"steps\":%" PRId64
             ",\"log_lines\":%" PRId64 ",\"idempotency_keys\":%" PRId64 ",\"outbox\":%" PRId64
             ",\"http_requests\":%" PRId64 "}",
             uuid_text(user, id), sum->cancelled, sum->jobs, sum->steps, sum->lines, sum->keys,
             sum->outbox, sum->requests);
}
