/* In: notifications that something became due or ended. Out: the change hint. Never needed: whoever
 * waits for hints polls as well. A probe, sent down another connection, tells whether they arrive:
 * behind a transaction pooler LISTEN succeeds and nothing ever comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/pg/pg.h"

#define CHANNEL        "scriptorium"
#define PROBE_US       (2 * USEC_PER_SEC)    /* for the probe to arrive */
#define PROBE_AGAIN_US (200 * USEC_PER_MSEC) /* while there is no connection to send it */
#define LISTEN_US      (10 * USEC_PER_SEC)
#define AGAIN_US       (60 * USEC_PER_SEC) /* after a probe that was lost, and each time longer: */
#define AGAIN_DOUBLED  5                   /* half an hour */

struct pg_listener {
    struct pg_store *store;
    struct pg_conn *conn;
    struct pg_request listen, probe;
    bool probing; /* the probe is in flight on a connection of the pool */
    enum store_pg_hints status;
    char expected[UUID_TEXT_SIZE + 8];
    struct loop_timer timer;
    int failures;
    int silences; /* probes that were lost, one after the other */
    struct errmsg why;
};

enum store_pg_hints pg_listen_status(const struct pg_listener *l, const char **ret_why)
{
    if (ret_why != NULL)
        *ret_why = l != NULL && l->status == PG_HINTS_POLLING ? l->why.text : "";
    return l == NULL ? PG_HINTS_OFF : l->status;
}

static void connect_again(void *ctx)
{
    struct pg_listener *l = ctx;
    if (pg_conn_is_closed(l->conn))
        pg_conn_open(l->conn);
}

static void again_after(struct pg_listener *l, int64_t us)
{
    timer_set(l->store->base.loop, &l->timer, loop_now(l->store->base.loop) + us, connect_again, l);
}

/* ---- the probe ---- */

static void on_unlistened(void *ctx, const PGresult *res, const struct pg_failure *why)
{
    struct pg_listener *l = ctx;
    struct pg_failure f = {.err = ERR_UNSUPPORTED, .drop = true};
    (void)res;
    (void)why;
    if (!pg_conn_is_ready(l->conn))
        return;
    (void)err_set(&f.msg, f.err,
                  "%s: notifications do not arrive, as behind a transaction pooler; changes are "
                  "found by polling. A listen URL that goes to the server itself mends it",
                  l->store->listen_url->label);
    pg_conn_fail(l->conn, &f);
}

/* The server's session may go on under a pooler, and would be told of everything for nobody. */
static void on_silence(void *ctx)
{
    struct pg_listener *l = ctx;
    struct pg_params none = {0};
    l->listen = (struct pg_request){.timeout_us = LISTEN_US, .done = on_unlistened, .ctx = l};
    pg_conn_send(l->conn, &l->listen, "UNLISTEN " CHANNEL, &none);
}

static void on_probe_sent(void *ctx, const PGresult *res, const struct pg_failure *f)
{
    struct pg_listener *l = ctx;
    (void)res;
    (void)f; /* a probe that was not sent does not arrive either */
    l->probing = false;
}

static void send_probe(void *ctx)
{
    struct pg_listener *l = ctx;
    struct pg_store *s = l->store;
    int64_t now = loop_now(s->base.loop);
    if (l->probing || !pg_conn_is_ready(l->conn))
        return;
    struct pg_params p = {0};
    pg_params_init(&p);
    pg_put_text(&p, CHANNEL);
    pg_put_text(&p, l->expected);
    l->probe = (struct pg_request){.timeout_us = LISTEN_US, .done = on_probe_sent, .ctx = l};
    l->probing = pg_pool_send(s, &l->probe, "SELECT pg_notify($1, $2)", &p);
    pg_params_free(&p);
    if (l->probing)
        timer_set(s->base.loop, &l->timer, now + PROBE_US, on_silence, l);
    else
        timer_set(s->base.loop, &l->timer, now + PROBE_AGAIN_US, send_probe, l);
}

/* ---- the session ---- */

static void on_listening(void *ctx, const PGresult *res, const struct pg_failure *f)
{
    struct pg_listener *l = ctx;
    char id[UUID_TEXT_SIZE];
    if (res == NULL) {
        if (pg_conn_is_ready(l->conn))
            pg_conn_fail(l->conn, f);
        return;
    }
    struct uuid probe = uuid_new(loop_wall(l->store->base.loop));
    (void)snprintf(l->expected, sizeof l->expected, "probe:%s", uuid_text(&probe, id));
    send_probe(l);
}

static void on_ready(void *ctx)
{
    struct pg_listener *l = ctx;
    struct pg_params none = {0};
    l->listen = (struct pg_request){.timeout_us = LISTEN_US, .done = on_listening, .ctx = l};
    pg_conn_send(l->conn, &l->listen, "LISTEN " CHANNEL, &none);
}

static void on_notify(void *ctx, const char *channel, const char *payload)
{
    struct pg_listener *l = ctx;
    if (strcmp(channel, CHANNEL) != 0)
        return;
    if (l->status != PG_HINTS_LISTENING && strcmp(payload, l->expected) == 0) {
        timer_stop(l->store->base.loop, &l->timer);
        l->status = PG_HINTS_LISTENING;
        l->failures = l->silences = 0;
        pg_hint(l->store); /* for what was missed until now */
    } else if (strncmp(payload, "probe:", 6) != 0) {
        pg_hint(l->store);
    }
}

static void on_closed(void *ctx, const struct pg_failure *f)
{
    struct pg_listener *l = ctx;
    l->status = PG_HINTS_POLLING;
    l->why = f->msg;
    if (f->err != ERR_UNSUPPORTED) {
        again_after(l, pg_backoff(&l->store->rng, l->failures++));
        return;
    }
    again_after(l, AGAIN_US << l->silences);
    if (l->silences < AGAIN_DOUBLED)
        l->silences++;
}

void pg_listen_start(struct pg_store *s)
{
    if (s->listener != NULL)
        return;
    struct pg_listener *l = mem_alloc(sizeof *l);
    struct pg_conn_config config = {.url = s->listen_url,
                                    .name = s->name,
                                    .options = s->options,
                                    .on_ready = on_ready,
                                    .on_closed = on_closed,
                                    .on_notify = on_notify,
                                    .ctx = l};
    l->store = s;
    l->status = PG_HINTS_STARTING;
    l->conn = pg_conn_new(s->base.loop, &config);
    s->listener = l;
    pg_conn_open(l->conn);
}

/* Not after a lost probe: nothing has changed for that. */
void pg_listen_hurry(struct pg_store *s)
{
    struct pg_listener *l = s->listener;
    if (l == NULL || l->failures == 0)
        return;
    if (pg_conn_is_closed(l->conn))
        again_after(l, 0);
    else
        pg_conn_hurry(l->conn);
}

static void on_orphan_sent(void *ctx, const PGresult *res, const struct pg_failure *f)
{
    (void)res;
    (void)f;
    free(ctx);
}

void pg_listen_stop(struct pg_store *s)
{
    struct pg_listener *l = s->listener;
    if (l == NULL)
        return;
    s->listener = NULL;
    timer_stop(s->base.loop, &l->timer);
    pg_conn_free(l->conn);
    l->conn = NULL;
    if (l->probing)
        l->probe.done = on_orphan_sent; /* the pool still has it */
    else
        free(l);
}
