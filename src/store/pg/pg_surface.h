/* In: what users of SQL schedule (cron.job) and ask for (net.http_post ...). Out: commands run,
 * each on a connection of its user; requests sent, and what became of both in cron.job_run_details
 * and net._http_response. For databases where `migrate --with-cron` has put these schemas; where it
 * has not, or the real extensions are, this only looks whether that has changed. Any number of
 * nodes. */
#ifndef STORE_PG_PG_SURFACE_H
#define STORE_PG_PG_SURFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"

struct address_guard;
struct http_client;
struct pg_surface;

#define PG_SURFACE_USERS_MAX    256 /* URLs of users */
#define PG_SURFACE_COMMANDS_MAX 64  /* commands at once, each with a connection */

struct pg_surface_config {
    const char *url;                   /* of the database; its own user's commands run there too */
    const char *users;                 /* URLs of other users, separated by spaces; may be NULL */
    int commands;                      /* at once; 0 = 8 */
    int64_t command_us;                /* how long one may take; 0 = 1 h */
    int64_t keep_runs;                 /* of each job, the newest; 0 = 10000 */
    struct http_client *http;          /* borrowed, as is guard: where requests may go */
    const struct address_guard *guard; /* NULL = anywhere */
    const char *public_urls; /* separated by spaces; requests to them go to self_url; may be NULL */
    const char *self_url;    /* "http://127.0.0.1:8400"; NULL = nowhere */
    /* What an operator should know; may be NULL. */
    void (*told)(void *ctx, const char *message);
    void *ctx;
};

/* ERR_INVALID: a URL or a limit. Copies the strings. */
enum err pg_surface_new(struct loop *loop, const struct pg_surface_config *config,
                        struct pg_surface **ret_surface, struct errmsg *msg) MUST_CHECK;
/* Nothing new is begun from now on. */
void pg_surface_stop(struct pg_surface *s);
/* Commands and requests under way, and results that are not written yet. */
size_t pg_surface_busy(const struct pg_surface *s);
/* What is still under way is ended, and told so: commands are cancelled; requests that have not
 * begun to leave go back to the queue, of the others it is said how far they were. Results are
 * written as long as the loop turns. May wait for the server. */
void pg_surface_cut(struct pg_surface *s);
/* What is under way is left; after half a minute others tell its users so. Takes NULL. */
void pg_surface_free(struct pg_surface *s);

#endif
