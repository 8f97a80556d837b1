/* In: statements for the SQL surface. Out: sent down one of its two connections: questions once,
 * notes until the database has them. */
#include <stdlib.h>

#include "base/clock.h"
#include "store/pg/pg.h"
#include "store/pg/pg_surface_impl.h"

#define STATEMENT_US (20 * USEC_PER_SEC)

/* ---- what has to be written ---- */

static void note_free(struct surface_note *note)
{
    pg_params_free(&note->p);
    free(note);
}

static void forget(struct surface_note *note)
{
    struct surface_link *l = note->link;
    struct surface_note **at = &l->notes;
    while (*at != note)
        at = &(*at)->next;
    *at = note->next;
    if (l->notes_end == &note->next)
        l->notes_end = at;
    l->n_notes--;
    note_free(note);
}

/* A lost connection, a full disk: again later, each of these statements may be repeated. */
static bool may_be_noted_later(const struct pg_failure *f)
{
    return f->drop || f->again || f->err == ERR_CONNECT || f->err == ERR_TIMEOUT ||
           f->err == ERR_FULL || f->err == ERR_IO;
}

/* What the database refuses for good is dropped, or it would be refused for ever. */
static void on_noted(void *ctx, const PGresult *res, const struct pg_failure *f)
{
    struct surface_note *note = ctx;
    note->sent = false;
    if (res == NULL && may_be_noted_later(f))
        return;
    if (note->done != NULL)
        note->done(note->ctx, res);
    forget(note);
}

void surface_link_write(struct surface_link *l)
{
    for (struct surface_note *note = l->notes; note != NULL; note = note->next) {
        if (note->sent || !surface_link_ready(l))
            continue;
        note->sent = true;
        note->request =
            (struct pg_request){.timeout_us = STATEMENT_US, .done = on_noted, .ctx = note};
        pg_conn_send(l->conn, &note->request, note->sql, &note->p);
    }
}

struct surface_note *surface_note_new(struct surface_link *l, const char *sql)
{
    struct surface_note *note = mem_alloc(sizeof *note);
    note->link = l;
    note->sql = sql;
    pg_params_init(&note->p);
    return note;
}

void surface_note_send(struct surface_note *note)
{
    struct surface_link *l = note->link;
    *l->notes_end = note;
    l->notes_end = &note->next;
    l->n_notes++;
    surface_look_soon(l->surface);
}

/* ---- questions ---- */

static void on_answer(void *ctx, const PGresult *res, const struct pg_failure *f)
{
    struct surface_ask *ask = ctx;
    struct pg_surface *s = ask->link->surface;
    ask->busy = false;
    ask->lost = res == NULL;
    if (res != NULL) {
        ask->complained = false;
        ask->token = (struct uuid){0};
        if (ask->take != NULL)
            ask->take(s, res);
        return;
    }
    if (!f->again)
        surface_check_soon(s); /* perhaps the schema went away */
    if (!ask->complained && !f->drop)
        surface_tell(s, f->msg.text);
    ask->complained = true;
}

void surface_ask(struct surface_ask *a, const char *sql, const struct pg_params *p)
{
    a->busy = true;
    a->request = (struct pg_request){.timeout_us = STATEMENT_US, .done = on_answer, .ctx = a};
    pg_conn_send(a->link->conn, &a->request, sql, p);
}

void surface_put_token(struct pg_params *p, struct surface_ask *a)
{
    if (uuid_is_nil(&a->token))
        a->token = uuid_new(loop_wall(a->link->surface->loop));
    pg_put_uuid(p, &a->token);
}

/* ---- the connection ---- */

static void on_ready(void *ctx)
{
    struct surface_link *l = ctx;
    l->failures = 0;
    surface_check_soon(l->surface);
    surface_look_soon(l->surface);
}

static void connect_again(void *ctx)
{
    struct surface_link *l = ctx;
    pg_conn_open(l->conn);
}

static void on_closed(void *ctx, const struct pg_failure *f)
{
    struct surface_link *l = ctx;
    struct pg_surface *s = l->surface;
    (void)f; /* the store's own connections tell the operator */
    timer_set(s->loop, &l->retry_timer, loop_now(s->loop) + pg_backoff(&s->rng, l->failures++),
              connect_again, l);
}

void surface_link_open(struct surface_link *l)
{
    struct pg_surface *s = l->surface;
    struct pg_conn_config config = {.url = s->url,
                                    .name = "scriptorium cron",
                                    .options = "-c statement_timeout=15000 -c jit=off",
                                    .on_ready = on_ready,
                                    .on_closed = on_closed,
                                    .ctx = l};
    l->conn = pg_conn_new(s->loop, &config);
    pg_conn_open(l->conn);
}

bool surface_link_ready(const struct surface_link *l)
{
    return l->conn != NULL && pg_conn_is_ready(l->conn);
}

void surface_link_init(struct surface_link *l, struct pg_surface *s)
{
    l->surface = s;
    l->notes_end = &l->notes;
}

void surface_link_free(struct surface_link *l)
{
    pg_conn_free(l->conn);
    timer_stop(l->surface->loop, &l->retry_timer);
    for (struct surface_note *note = l->notes, *next; note != NULL; note = next) {
        next = note->next;
        note_free(note);
    }
}
