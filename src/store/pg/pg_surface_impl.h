/* In: due commands and waiting requests, found by pg_surface.c. Out: each carried out by
 * pg_command.c or pg_outgoing.c. What these three share; private to them. */
#ifndef STORE_PG_PG_SURFACE_IMPL_H
#define STORE_PG_PG_SURFACE_IMPL_H

#include "base/mem.h"
#include "base/rng.h"
#include "store/pg/pg_codec.h"
#include "store/pg/pg_conn.h"
#include "store/pg/pg_surface.h"

struct pg_command;
struct pg_outgoing;

struct surface_note;

/* A connection, and what has to be written down it. cron.* and net.* have one each: what holds up
 * the one, such as a table that a user keeps locked, must not hold up the other. */
struct surface_link {
    struct pg_surface *surface;
    struct pg_conn *conn; /* NULL = not wanted yet */
    struct loop_timer retry_timer;
    int failures; /* to connect, in a row */
    int64_t held_us;
    struct surface_note *notes, **notes_end;
    size_t n_notes;
};

/* Something that has to be written, and is sent until the database has it. */
struct surface_note {
    struct surface_note *next;
    struct surface_link *link;
    const char *sql;
    struct pg_params p;
    struct pg_request request;
    bool sent;
    void (*done)(void *ctx, const PGresult *res); /* or NULL; res NULL: it was refused for good */
    void *ctx;
};

/* A question that is asked again at the next look; one of a kind at a time. */
struct surface_ask {
    struct surface_link *link;
    struct pg_request request;
    bool busy;
    bool lost; /* the latest was not answered */
    bool complained;
    /* Of one that takes something for us, until it is answered: asked again under the same name, it
     * brings what it took. */
    struct uuid token;
    void (*take)(struct pg_surface *s, const PGresult *res);
};

struct pg_surface {
    struct loop *loop;
    struct pg_url *url, *users[PG_SURFACE_USERS_MAX];
    size_t n_users;
    size_t max_commands;
    int64_t command_us, keep_runs;
    struct http_client *http;
    const struct address_guard *guard;
    char *public_urls, *self_url;
    char *options; /* of commands' sessions; NULL until we know the server */
    void (*told)(void *ctx, const char *message);
    void *told_ctx;

    struct surface_link cron, net;
    struct rng rng;
    struct loop_timer look_timer;
    int64_t checked_us, forgot_us;
    bool has_cron, has_net, stopping;
    bool more; /* than one look brings */
    struct arena me_arena;
    const char *me; /* whom the database takes us for */
    struct surface_ask check, due, take, outgoing, hold_cron, hold_net, forget;

    struct pg_command *commands; /* in the order of their start, like the next */
    struct pg_outgoing *requests;
    size_t n_commands, n_requests, n_own; /* n_own: of the requests, those to ourselves */
};

/* ---- pg_surface.c ---- */
void surface_look_soon(struct pg_surface *s);
void surface_check_soon(struct pg_surface *s); /* whether the schemas are there */
void surface_tell(struct pg_surface *s, const char *message);

/* ---- pg_surface_link.c ---- */
void surface_link_init(struct surface_link *l, struct pg_surface *s);
void surface_link_open(struct surface_link *l);
bool surface_link_ready(const struct surface_link *l);
void surface_link_write(struct surface_link *l); /* the notes, down a ready one */
void surface_hold_soon(struct surface_link *l); /* what others have left is looked at in a second */
void surface_link_free(struct surface_link *l);
/* A statement to be written, its parameters to be put by the caller; then surface_note_send(). */
struct surface_note *surface_note_new(struct surface_link *l, const char *sql);
void surface_note_send(struct surface_note *note);
/* Down a ready one. */
void surface_ask(struct surface_ask *a, const char *sql, const struct pg_params *p);
void surface_put_token(struct pg_params *p, struct surface_ask *a);

/* ---- pg_command.c ---- */
/* A row of scriptorium.cron_take(). */
void pg_command_start(struct pg_surface *s, struct pg_reader *r);
void pg_commands_free(struct pg_surface *s);
void pg_commands_cut(struct pg_surface *s);
void pg_commands_ids(const struct pg_surface *s, struct pg_params *p);

/* ---- pg_outgoing.c ---- */
#define PG_OUTGOING_MAX     32 /* requests at once, besides those to ourselves */
#define PG_OUTGOING_OWN_MAX 64
/* A row of scriptorium.net_take(). */
void pg_outgoing_start(struct pg_surface *s, struct pg_reader *r);
void pg_outgoing_free(struct pg_surface *s);
void pg_outgoing_cut(struct pg_surface *s);
void pg_outgoing_ids(const struct pg_surface *s, struct pg_params *p);
/* Where a request to `url` really goes: to ourselves when it is one of the public ones (owned),
 * else NULL. */
char *pg_outgoing_own(const char *url, const char *public_urls, const char *self_url);
enum err pg_outgoing_check(const char *public_urls, struct errmsg *msg) MUST_CHECK;

#endif
