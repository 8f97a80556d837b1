/* In: a database with the SQL surface, or without. Out: its due commands and waiting requests
 * begun, their results written. */
#include "store/pg/pg_surface.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/pg/pg.h"
#include "store/pg/pg_surface_impl.h"
#include "text/cron.h"

#define LOOK_US        (500 * USEC_PER_MSEC)
#define CHECK_US       (2 * USEC_PER_SEC)  /* is the surface there? */
#define HOLD_US        (10 * USEC_PER_SEC) /* a third of what the SQL grants */
#define STATEMENT_US   (20 * USEC_PER_SEC)
#define DUE_MAX        500
#define KEEP_ANSWERS_S 21600 /* as pg_net does: six hours */
#define COMMANDS       8
#define NEVER          INT64_MAX
#define COMMAND_US     (3600 * USEC_PER_SEC)

static void look(void *ctx);

static void look_at(struct pg_surface *s, int64_t at_us)
{
    timer_set(s->loop, &s->look_timer, at_us, look, s);
}

void surface_look_soon(struct pg_surface *s)
{
    look_at(s, loop_now(s->loop));
}

/* ---- what has to be written ---- */

static void note_free(struct surface_note *note)
{
    pg_params_free(&note->p);
    free(note);
}

static void forget(struct pg_surface *s, struct surface_note *note)
{
    struct surface_note **at = &s->notes;
    while (*at != note)
        at = &(*at)->next;
    *at = note->next;
    if (s->notes_end == &note->next)
        s->notes_end = at;
    s->n_notes--;
    note_free(note);
}

/* A lost connection: again later, each of these statements may be repeated. What the database
 * refuses for good is dropped, or it would be refused for ever. */
static void on_noted(void *ctx, const PGresult *res, const struct pg_failure *f)
{
    struct surface_note *note = ctx;
    note->sent = false;
    if (res != NULL || !(f->drop || f->again || f->err == ERR_CONNECT || f->err == ERR_TIMEOUT))
        forget(note->surface, note);
}

static void send_notes(struct pg_surface *s)
{
    for (struct surface_note *note = s->notes; note != NULL; note = note->next) {
        if (note->sent || !pg_conn_is_ready(s->conn))
            continue;
        note->sent = true;
        note->request =
            (struct pg_request){.timeout_us = STATEMENT_US, .done = on_noted, .ctx = note};
        pg_conn_send(s->conn, &note->request, note->sql, &note->p);
    }
}

struct surface_note *surface_note_new(struct pg_surface *s, const char *sql)
{
    struct surface_note *note = mem_alloc(sizeof *note);
    note->surface = s;
    note->sql = sql;
    pg_params_init(&note->p);
    return note;
}

void surface_note_send(struct surface_note *note)
{
    struct pg_surface *s = note->surface;
    *s->notes_end = note;
    s->notes_end = &note->next;
    s->n_notes++;
    surface_look_soon(s);
}

/* ---- questions ---- */

static void on_answer(void *ctx, const PGresult *res, const struct pg_failure *f)
{
    struct surface_ask *ask = ctx;
    struct pg_surface *s = ask->surface;
    ask->busy = false;
    ask->lost = res == NULL;
    if (res != NULL) {
        s->complained = false;
        ask->token = (struct uuid){0};
        if (ask->take != NULL)
            ask->take(s, res);
        return;
    }
    s->checked_us = 0; /* perhaps the schema went away */
    s->has_cron = s->has_net = false;
    if (!s->complained && !f->drop && s->told != NULL)
        s->told(s->told_ctx, f->msg.text);
    s->complained = true;
}

static void ask(struct surface_ask *a, const char *sql, const struct pg_params *p)
{
    a->busy = true;
    a->request = (struct pg_request){.timeout_us = STATEMENT_US, .done = on_answer, .ctx = a};
    pg_conn_send(a->surface->conn, &a->request, sql, p);
}

static void put_token(struct pg_params *p, struct surface_ask *a)
{
    if (uuid_is_nil(&a->token))
        a->token = uuid_new(loop_wall(a->surface->loop));
    pg_put_uuid(p, &a->token);
}

static void take_check(struct pg_surface *s, const PGresult *res)
{
    struct pg_reader r = pg_reader_new(res, &s->me_arena, 3);
    arena_free(&s->me_arena);
    s->has_cron = pg_get_bool(&r);
    s->has_net = pg_get_bool(&r);
    s->me = pg_get_text(&r);
}

/* ---- schedules ---- */

/* Missed firings are made up for once: the latest that is due runs, and the next is after now. */
static int64_t next_of(struct pg_surface *s, const char *schedule, int64_t after_us)
{
    struct cron *cron = NULL;
    struct errmsg msg = {""};
    int64_t next = 0;
    if (cron_parse(schedule, &cron, &msg) == OK)
        next = cron_next(cron, after_us);
    else if (s->told != NULL)
        s->told(s->told_ctx, msg.text); /* its SQL side let it in */
    cron_free(cron);
    return next > 0 ? next : NEVER;
}

static void take_runs(struct pg_surface *s, const PGresult *res)
{
    struct arena arena = {0};
    struct pg_reader r = pg_reader_new(res, &arena, 6);
    for (int i = 0; i < pg_reader_rows(&r); i++) {
        pg_reader_row(&r, i);
        pg_command_start(s, &r);
    }
    arena_free(&arena);
    if (s->more)
        surface_look_soon(s);
}

struct due {
    int64_t job, since, old, next;
    const char *schedule;
};

/* One array parameter: a member of each. */
static void put_longs(struct pg_params *p, const struct due *due, size_t n, size_t member)
{
    pg_array_begin(p, PG_LONG, n);
    for (size_t i = 0; i < n; i++) {
        int64_t value = 0;
        memcpy(&value, (const char *)&due[i] + member, sizeof value);
        pg_array_long(p, value);
    }
    pg_array_end(p);
}

static void put_due(struct pg_params *p, const struct due *due, size_t n)
{
    put_longs(p, due, n, offsetof(struct due, job));
    pg_array_begin(p, PG_TEXT, n);
    for (size_t i = 0; i < n; i++)
        pg_array_text(p, due[i].schedule);
    pg_array_end(p);
    put_longs(p, due, n, offsetof(struct due, since));
    put_longs(p, due, n, offsetof(struct due, old));
    put_longs(p, due, n, offsetof(struct due, next));
}

static void take_firings(struct pg_surface *s, const struct due *due, size_t n)
{
    struct pg_params p = {0};
    pg_params_init(&p);
    put_due(&p, due, n);
    put_token(&p, &s->take);
    ask(&s->take, "SELECT * FROM scriptorium.cron_take($1, $2, $3, $4, $5, $6)", &p);
    pg_params_free(&p);
}

/* As many firings as there is room for; the others stay due, here and for other nodes. */
static void take_due(struct pg_surface *s, const PGresult *res)
{
    struct arena arena = {0};
    struct pg_reader r = pg_reader_new(res, &arena, 6);
    size_t rows = (size_t)pg_reader_rows(&r), n = 0;
    size_t room = s->max_commands - s->n_commands;
    struct due *list = arena_array(&arena, rows, sizeof *list);
    for (size_t i = 0; i < rows; i++) {
        struct due *d = &list[n];
        pg_reader_row(&r, (int)i);
        d->job = pg_get_int(&r);
        d->schedule = pg_get_text(&r);
        d->since = pg_get_int(&r);
        d->old = pg_get_int(&r);
        bool due = pg_get_bool(&r);
        int64_t now = pg_get_int(&r);
        if (r.err != OK || (due && room == 0))
            continue;
        room -= due;
        d->next = next_of(s, d->schedule, due ? now : d->since);
        n++;
    }
    s->more = rows == DUE_MAX && n > 0;
    if (n > 0 && !s->take.busy && !s->stopping)
        take_firings(s, list, n);
    arena_free(&arena);
}

static void look_for_commands(struct pg_surface *s)
{
    struct pg_params p = {0};
    if (s->due.busy || s->take.busy || s->n_commands >= s->max_commands)
        return;
    if (s->take.lost) {
        take_firings(s, NULL, 0);
        return;
    }
    pg_params_init(&p);
    pg_put_int(&p, DUE_MAX);
    ask(&s->due, "SELECT * FROM scriptorium.cron_due($1)", &p);
    pg_params_free(&p);
}

/* ---- requests ---- */

static void take_outgoing(struct pg_surface *s, const PGresult *res)
{
    struct arena arena = {0};
    struct pg_reader r = pg_reader_new(res, &arena, 7);
    for (int i = 0; i < pg_reader_rows(&r); i++) {
        pg_reader_row(&r, i);
        pg_outgoing_start(s, &r);
    }
    arena_free(&arena);
}

static void look_for_requests(struct pg_surface *s)
{
    struct pg_params p = {0};
    if (s->outgoing.busy || s->n_requests >= PG_OUTGOING_MAX)
        return;
    pg_params_init(&p);
    pg_put_int(&p, (int64_t)(PG_OUTGOING_MAX - s->n_requests));
    put_token(&p, &s->outgoing);
    ask(&s->outgoing, "SELECT * FROM scriptorium.net_take($1, $2)", &p);
    pg_params_free(&p);
}

/* ---- the look ---- */

static void hold(struct pg_surface *s)
{
    struct pg_params p = {0};
    if (s->has_cron && !s->hold_cron.busy) {
        pg_params_init(&p);
        pg_commands_ids(s, &p);
        ask(&s->hold_cron, "SELECT scriptorium.cron_hold($1)", &p);
    }
    if (s->has_net && !s->hold_net.busy) {
        pg_params_init(&p);
        pg_outgoing_ids(s, &p);
        pg_put_long(&p, KEEP_ANSWERS_S);
        ask(&s->hold_net, "SELECT scriptorium.net_hold($1, $2)", &p);
    }
    pg_params_free(&p);
}

static void check(struct pg_surface *s)
{
    struct pg_params none = {0};
    ask(&s->check,
        "SELECT coalesce(bool_or(n.nspname = 'cron'), false),"
        " coalesce(bool_or(n.nspname = 'net'), false), session_user::text"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE (n.nspname, c.relname) IN"
        " (('cron', 'scriptorium_state'), ('net', 'scriptorium_owner'))",
        &none);
}

static void look(void *ctx)
{
    struct pg_surface *s = ctx;
    int64_t now = loop_now(s->loop);
    look_at(s, now + LOOK_US);
    if (!pg_conn_is_ready(s->conn))
        return;
    send_notes(s);
    if (!s->check.busy && (s->checked_us == 0 || now - s->checked_us >= CHECK_US)) {
        s->checked_us = now;
        check(s);
    }
    if (now - s->held_us >= HOLD_US && (s->has_cron || s->has_net)) {
        s->held_us = now;
        hold(s);
    }
    if (s->has_cron && !s->stopping)
        look_for_commands(s);
    if (s->has_net && !s->stopping)
        look_for_requests(s);
}

/* ---- the connection ---- */

static void on_ready(void *ctx)
{
    struct pg_surface *s = ctx;
    s->failures = 0;
    s->checked_us = 0;
    surface_look_soon(s);
}

static void connect_again(void *ctx)
{
    struct pg_surface *s = ctx;
    pg_conn_open(s->conn);
}

static void on_closed(void *ctx, const struct pg_failure *f)
{
    struct pg_surface *s = ctx;
    (void)f; /* the store's own connections tell the operator */
    s->has_cron = s->has_net = false;
    timer_set(s->loop, &s->retry_timer, loop_now(s->loop) + pg_backoff(&s->rng, s->failures++),
              connect_again, s);
}

/* ---- life ---- */

static enum err read_users(struct pg_surface *s, const char *users, struct errmsg *msg)
{
    for (const char *at = users; at != NULL && *at != '\0';) {
        at += strspn(at, " \t\r\n");
        size_t n = strcspn(at, " \t\r\n");
        if (n == 0)
            break;
        if (s->n_users == PG_SURFACE_USERS_MAX)
            return err_set(msg, ERR_TOO_BIG, "cron.users may name %d URLs", PG_SURFACE_USERS_MAX);
        char *url = mem_strndup(at, n);
        enum err e = pg_url_parse(url, &s->users[s->n_users], msg);
        free(url);
        if (e != OK)
            return e;
        if (pg_url_user(s->users[s->n_users++]) == NULL)
            return err_set(msg, ERR_INVALID,
                           "cron.users: each URL names its user: "
                           "postgres://user:password@host/database");
        at += n;
    }
    return OK;
}

static struct surface_ask question(struct pg_surface *s,
                                   void (*take)(struct pg_surface *s, const PGresult *res))
{
    return (struct surface_ask){.surface = s, .take = take};
}

static void connect(struct pg_surface *s)
{
    struct pg_conn_config config = {.url = s->url,
                                    .name = "scriptorium cron",
                                    .options = "-c statement_timeout=15000 -c jit=off",
                                    .on_ready = on_ready,
                                    .on_closed = on_closed,
                                    .ctx = s};
    s->conn = pg_conn_new(s->loop, &config);
    pg_conn_open(s->conn);
    look_at(s, loop_now(s->loop) + LOOK_US);
}

enum err pg_surface_new(struct loop *loop, const struct pg_surface_config *config,
                        struct pg_surface **ret_surface, struct errmsg *msg)
{
    if (config->commands < 0 || config->commands > PG_SURFACE_COMMANDS_MAX)
        return err_set(msg, ERR_INVALID, "1 to %d commands can run at once",
                       PG_SURFACE_COMMANDS_MAX);
    struct pg_surface *s = mem_alloc(sizeof *s);
    s->loop = loop;
    s->max_commands = config->commands > 0 ? (size_t)config->commands : COMMANDS;
    s->command_us = config->command_us > 0 ? config->command_us : COMMAND_US;
    s->http = config->http;
    s->guard = config->guard;
    s->public_urls = mem_strdup(config->public_urls);
    s->self_url = mem_strdup(config->self_url);
    s->options =
        mem_printf("-c statement_timeout=%lld", (long long)(s->command_us / USEC_PER_MSEC));
    s->told = config->told;
    s->told_ctx = config->ctx;
    s->rng = rng_seed(rng_seed_from_os(), 1);
    s->notes_end = &s->notes;
    s->check = question(s, take_check);
    s->due = question(s, take_due);
    s->take = question(s, take_runs);
    s->outgoing = question(s, take_outgoing);
    s->hold_cron = question(s, NULL);
    s->hold_net = question(s, NULL);
    enum err e = pg_url_parse(config->url, &s->url, msg);
    if (e == OK)
        e = read_users(s, config->users, msg);
    if (e == OK)
        e = pg_outgoing_check(config->public_urls, msg);
    if (e != OK) {
        pg_surface_free(s);
        return e;
    }
    connect(s);
    *ret_surface = s;
    return OK;
}

void pg_surface_stop(struct pg_surface *s)
{
    if (s != NULL)
        s->stopping = true;
}

size_t pg_surface_busy(const struct pg_surface *s)
{
    return s == NULL ? 0 : s->n_commands + s->n_requests + s->n_notes;
}

void pg_surface_cut(struct pg_surface *s)
{
    if (s == NULL || !pg_conn_is_ready(s->conn)) /* nothing could be written, nor cancelled */
        return;
    pg_commands_cut(s);
    pg_outgoing_cut(s);
}

void pg_surface_free(struct pg_surface *s)
{
    if (s == NULL)
        return;
    pg_commands_free(s);
    pg_outgoing_free(s);
    pg_conn_free(s->conn);
    timer_stop(s->loop, &s->look_timer);
    timer_stop(s->loop, &s->retry_timer);
    for (struct surface_note *note = s->notes, *next; note != NULL; note = next) {
        next = note->next;
        note_free(note);
    }
    for (size_t i = 0; i < s->n_users; i++)
        pg_url_free(s->users[i]);
    pg_url_free(s->url);
    arena_free(&s->me_arena);
    free(s->public_urls);
    free(s->self_url);
    free(s->options);
    free(s);
}
