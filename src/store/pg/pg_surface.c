/* In: a database with the SQL surface, or without. Out: its due commands and waiting requests
 * begun, their results written. */
#include "store/pg/pg_surface.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/pg/pg_surface_impl.h"
#include "text/cron.h"

#define LOOK_US        (500 * USEC_PER_MSEC)
#define CHECK_US       (2 * USEC_PER_SEC) /* is the surface there? */
#define FORGET_US      (600 * USEC_PER_SEC)
#define HOLD_US        (10 * USEC_PER_SEC) /* a third of what the SQL grants */
#define DUE_MAX        500
#define KEEP_ANSWERS_S 21600 /* as pg_net does: six hours */
#define COMMANDS       8
#define KEEP_RUNS      10000
#define SPARE          8 /* one place of so many is kept for users who have none */
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

void surface_check_soon(struct pg_surface *s)
{
    s->checked_us = 0;
}

void surface_tell(struct pg_surface *s, const char *message)
{
    if (s->told != NULL)
        s->told(s->told_ctx, message);
}

/* ---- what is there ---- */

/* A server that looks whether its client is there ends a command by itself when we die. */
static void make_options(struct pg_surface *s, bool looks)
{
    if (s->options == NULL)
        s->options =
            mem_printf("-c statement_timeout=%lld%s", (long long)(s->command_us / USEC_PER_MSEC),
                       looks ? " -c client_connection_check_interval=5000" : "");
}

static void take_check(struct pg_surface *s, const PGresult *res)
{
    struct pg_reader r = pg_reader_new(res, &s->me_arena, 4);
    arena_free(&s->me_arena);
    s->has_cron = pg_get_bool(&r);
    s->has_net = pg_get_bool(&r);
    s->me = pg_get_text(&r);
    make_options(s, pg_get_bool(&r));
    if (s->has_net && s->net.conn == NULL)
        surface_link_open(&s->net);
}

/* ---- schedules ---- */

struct due {
    int64_t job, since, old, next;
    const char *name, *schedule;
    bool untold; /* nobody has said lately that it cannot be read */
};

static void tell_unreadable(struct pg_surface *s, const struct due *d, const char *why)
{
    char *line = mem_printf("schedule %s: %s", d->name, why);
    if (d->untold)
        surface_tell(s, line);
    free(line);
    struct surface_note *note =
        surface_note_new(&s->cron, "SELECT scriptorium.cron_unreadable($1, $2, $3)");
    pg_put_long(&note->p, d->job);
    pg_put_long(&note->p, d->since);
    pg_put_text(&note->p, why);
    surface_note_send(note);
}

/* Missed firings are made up for once: the latest that is due runs, and the next is after now.
 * False: its SQL side has let in what we cannot read, such as a time zone that is not here. */
static bool find_next(struct pg_surface *s, struct due *d, int64_t after_us)
{
    struct cron *cron = NULL;
    struct errmsg msg = {""};
    if (cron_parse(d->schedule, &cron, &msg) != OK) {
        tell_unreadable(s, d, msg.text);
        return false;
    }
    int64_t next = cron_next(cron, after_us);
    d->next = next > 0 ? next : NEVER;
    cron_free(cron);
    return true;
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
    surface_put_token(&p, &s->take);
    surface_ask(&s->take, "SELECT * FROM scriptorium.cron_take($1, $2, $3, $4, $5, $6)", &p);
    pg_params_free(&p);
}

/* As many firings as there is room for; the others stay due, here and for other nodes. */
static void take_due(struct pg_surface *s, const PGresult *res)
{
    struct arena arena = {0};
    struct pg_reader r = pg_reader_new(res, &arena, 8);
    size_t rows = (size_t)pg_reader_rows(&r), n = 0;
    size_t room = s->max_commands - s->n_commands;
    struct due *list = arena_array(&arena, rows, sizeof *list);
    for (size_t i = 0; i < rows; i++) {
        struct due *d = &list[n];
        pg_reader_row(&r, (int)i);
        d->job = pg_get_int(&r);
        d->name = pg_get_text(&r);
        d->schedule = pg_get_text(&r);
        d->since = pg_get_int(&r);
        d->old = pg_get_int(&r);
        bool due = pg_get_bool(&r);
        d->untold = pg_get_bool(&r);
        int64_t now = pg_get_int(&r);
        if (r.err != OK || (due && room == 0))
            continue;
        if (!find_next(s, d, due ? now : d->since))
            continue;
        room -= due;
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
    pg_put_int(&p, (int64_t)(s->max_commands - s->n_commands));
    pg_put_int(&p, (int64_t)(s->max_commands / SPARE));
    surface_ask(&s->due, "SELECT * FROM scriptorium.cron_due($1, $2, $3)", &p);
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
    size_t others = s->n_requests - s->n_own;
    if (s->outgoing.busy || (others >= PG_OUTGOING_MAX && s->n_own >= PG_OUTGOING_OWN_MAX))
        return;
    pg_params_init(&p);
    pg_put_int(&p, (int64_t)(PG_OUTGOING_MAX - others));
    pg_put_int(&p, PG_OUTGOING_MAX / SPARE);
    pg_put_int(&p, (int64_t)(PG_OUTGOING_OWN_MAX - s->n_own));
    pg_put_text(&p, s->public_urls);
    surface_put_token(&p, &s->outgoing);
    surface_ask(&s->outgoing, "SELECT * FROM scriptorium.net_take($1, $2, $3, $4, $5)", &p);
    pg_params_free(&p);
}

/* ---- the look ---- */

void surface_hold_soon(struct surface_link *l)
{
    l->held_us = loop_now(l->surface->loop) - HOLD_US + USEC_PER_SEC;
}

static bool holds_now(struct surface_link *l, const struct surface_ask *a)
{
    int64_t now = loop_now(l->surface->loop);
    if (a->busy || now - l->held_us < HOLD_US)
        return false;
    l->held_us = now;
    return true;
}

static void hold_commands(struct pg_surface *s)
{
    struct pg_params p = {0};
    if (!holds_now(&s->cron, &s->hold_cron))
        return;
    pg_params_init(&p);
    pg_commands_ids(s, &p);
    surface_ask(&s->hold_cron, "SELECT scriptorium.cron_hold($1)", &p);
    pg_params_free(&p);
}

static void forget_runs(struct pg_surface *s, int64_t now)
{
    struct pg_params p = {0};
    if (s->forget.busy || (s->forgot_us > 0 && now - s->forgot_us < FORGET_US))
        return;
    s->forgot_us = now;
    pg_params_init(&p);
    pg_put_long(&p, s->keep_runs);
    surface_ask(&s->forget, "SELECT scriptorium.cron_forget($1)", &p);
    pg_params_free(&p);
}

static void hold_requests(struct pg_surface *s)
{
    struct pg_params p = {0};
    if (!holds_now(&s->net, &s->hold_net))
        return;
    pg_params_init(&p);
    pg_outgoing_ids(s, &p);
    pg_put_long(&p, KEEP_ANSWERS_S);
    surface_ask(&s->hold_net, "SELECT scriptorium.net_hold($1, $2)", &p);
    pg_params_free(&p);
}

static void check(struct pg_surface *s)
{
    struct pg_params none = {0};
    surface_ask(&s->check,
                "SELECT f.cron, f.net, session_user::text,"
                " current_setting('server_version_num')::integer >= 140000"
                " AND version() !~* 'windows|mingw|visual c'"
                " FROM scriptorium.surfaces() f",
                &none);
}

static void look_at_cron(struct pg_surface *s, int64_t now)
{
    if (!surface_link_ready(&s->cron))
        return;
    surface_link_write(&s->cron);
    if (!s->check.busy && (s->checked_us == 0 || now - s->checked_us >= CHECK_US)) {
        s->checked_us = now;
        check(s);
    }
    if (!s->has_cron)
        return;
    hold_commands(s);
    forget_runs(s, now);
    if (!s->stopping)
        look_for_commands(s);
}

static void look_at_net(struct pg_surface *s)
{
    if (!surface_link_ready(&s->net))
        return;
    surface_link_write(&s->net);
    if (!s->has_net)
        return;
    hold_requests(s);
    if (!s->stopping)
        look_for_requests(s);
}

static void look(void *ctx)
{
    struct pg_surface *s = ctx;
    int64_t now = loop_now(s->loop);
    look_at(s, now + LOOK_US);
    look_at_cron(s, now);
    look_at_net(s);
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

static struct surface_ask question(struct surface_link *l,
                                   void (*take)(struct pg_surface *s, const PGresult *res))
{
    return (struct surface_ask){.link = l, .take = take};
}

static void init_questions(struct pg_surface *s)
{
    s->check = question(&s->cron, take_check);
    s->due = question(&s->cron, take_due);
    s->take = question(&s->cron, take_runs);
    s->hold_cron = question(&s->cron, NULL);
    s->outgoing = question(&s->net, take_outgoing);
    s->hold_net = question(&s->net, NULL);
    s->forget = question(&s->cron, NULL);
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
    s->keep_runs = config->keep_runs > 0 ? config->keep_runs : KEEP_RUNS;
    s->http = config->http;
    s->guard = config->guard;
    s->public_urls = mem_strdup(config->public_urls);
    s->self_url = mem_strdup(config->self_url);
    s->told = config->told;
    s->told_ctx = config->ctx;
    s->rng = rng_seed(rng_seed_from_os(), 1);
    surface_link_init(&s->cron, s);
    surface_link_init(&s->net, s);
    init_questions(s);
    enum err e = pg_url_parse(config->url, &s->url, msg);
    if (e == OK)
        e = read_users(s, config->users, msg);
    if (e == OK)
        e = pg_outgoing_check(config->public_urls, msg);
    if (e != OK) {
        pg_surface_free(s);
        return e;
    }
    surface_link_open(&s->cron);
    look_at(s, loop_now(s->loop) + LOOK_US);
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
    return s == NULL ? 0 : s->n_commands + s->n_requests + s->cron.n_notes + s->net.n_notes;
}

void pg_surface_cut(struct pg_surface *s)
{
    if (s == NULL)
        return;
    if (surface_link_ready(&s->cron)) /* else nothing could be written, nor cancelled */
        pg_commands_cut(s);
    if (surface_link_ready(&s->net))
        pg_outgoing_cut(s);
}

void pg_surface_free(struct pg_surface *s)
{
    if (s == NULL)
        return;
    pg_commands_free(s);
    pg_outgoing_free(s);
    surface_link_free(&s->cron);
    surface_link_free(&s->net);
    timer_stop(s->loop, &s->look_timer);
    for (size_t i = 0; i < s->n_users; i++)
        pg_url_free(s->users[i]);
    pg_url_free(s->url);
    arena_free(&s->me_arena);
    free(s->public_urls);
    free(s->self_url);
    free(s->options);
    free(s);
}
