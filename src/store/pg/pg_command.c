/* In: a firing of a schedule. Out: its command run on a new connection that logged in as the job's
 * user, and the end of the run in cron.job_run_details, in pg_cron's words. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "store/pg/pg_surface_impl.h"

#define ANSWER_EXTRA_US (5 * USEC_PER_SEC)  /* the server stops a statement first */
#define CANCEL_US       (10 * USEC_PER_SEC) /* from our cancelling it until we give it up */
#define LOGIN_US        (30 * USEC_PER_SEC)
#define MESSAGE_MAX     4000 /* bytes of a return_message */

struct pg_command {
    struct pg_surface *surface;
    struct pg_command *prev, *next;
    int64_t run;
    char *text, *database, *user;
    struct pg_conn *conn;
    struct pg_request request;
    struct surface_note *beginning; /* being written */
    struct loop_timer deadline;
    struct loop_task end_task;
    bool begun, late, cut, ended; /* cut: the daemon has to stop */
};

static void release(struct pg_command *c)
{
    loop_cancel(c->surface->loop, &c->end_task);
    timer_stop(c->surface->loop, &c->deadline);
    pg_conn_free(c->conn);
    free(c->text);
    free(c->database);
    free(c->user);
    free(c);
}

void pg_commands_free(struct pg_surface *s)
{
    struct pg_command *list = s->commands;
    s->commands = NULL;
    s->n_commands = 0;
    for (struct pg_command *next; list != NULL; list = next) {
        next = list->next;
        release(list);
    }
}

void pg_commands_ids(const struct pg_surface *s, struct pg_params *p)
{
    pg_array_begin(p, PG_LONG, s->n_commands);
    for (const struct pg_command *c = s->commands; c != NULL; c = c->next)
        pg_array_long(p, c->run);
    pg_array_end(p);
}

static void on_over(void *ctx)
{
    struct pg_command *c = ctx;
    struct pg_surface *s = c->surface;
    DL_DELETE(s->commands, c);
    s->n_commands--;
    release(c);
    surface_look_soon(s);
}

/* Once; the connection may be on the stack. False: it is over already. */
static bool leave(struct pg_command *c)
{
    if (c->ended)
        return false;
    c->ended = true;
    if (c->beginning != NULL)
        c->beginning->done = NULL;
    timer_stop(c->surface->loop, &c->deadline);
    c->end_task = (struct loop_task){.fn = on_over, .ctx = c};
    loop_defer(c->surface->loop, &c->end_task);
    return true;
}

static void put_message(struct pg_params *p, const char *message)
{
    char *cut = mem_strndup(message, strnlen(message, MESSAGE_MAX));
    size_t n = strlen(cut);
    while (n > 0 && (cut[n - 1] == '\n' || cut[n - 1] == ' '))
        cut[--n] = '\0';
    pg_put_text(p, cut);
    free(cut);
}

static void end(struct pg_command *c, bool succeeded, const char *message)
{
    if (!leave(c))
        return;
    struct surface_note *note =
        surface_note_new(&c->surface->cron, "SELECT scriptorium.cron_ended($1, $2::boolean, $3)");
    pg_put_long(&note->p, c->run);
    pg_put_text(&note->p, succeeded ? "true" : "false");
    put_message(&note->p, message);
    surface_note_send(note);
}

/* What we do not see the end of may go on: the database says when it is over. */
static void lose(struct pg_command *c, const char *message)
{
    if (!leave(c))
        return;
    struct surface_note *note =
        surface_note_new(&c->surface->cron, "SELECT scriptorium.cron_lost($1, $2)");
    pg_put_long(&note->p, c->run);
    put_message(&note->p, message);
    surface_note_send(note);
    surface_hold_soon(&c->surface->cron);
}

/* Nothing of it was run: here or elsewhere it still may be. */
static void give_back(struct pg_command *c)
{
    if (!leave(c))
        return;
    struct surface_note *note =
        surface_note_new(&c->surface->cron, "SELECT scriptorium.cron_give_back($1)");
    pg_put_long(&note->p, c->run);
    surface_note_send(note);
}

/* seen: the server said so itself. */
static void end_failed(struct pg_command *c, bool seen, const char *why)
{
    char *text = mem_printf("%s%s",
                            c->cut    ? "the daemon was stopped, and with it the command: "
                            : c->late ? "ran longer than cron.timeout: "
                                      : "",
                            why);
    if (seen || !c->begun)
        end(c, false, text);
    else
        lose(c, text);
    free(text);
}

static void on_done(void *ctx, const PGresult *res, const struct pg_failure *f)
{
    struct pg_command *c = ctx;
    char rows[48];
    switch (res != NULL ? PQresultStatus(res) : PGRES_FATAL_ERROR) {
    case PGRES_TUPLES_OK:
        (void)snprintf(rows, sizeof rows, "%lld row%s", (long long)c->request.rows,
                       c->request.rows == 1 ? "" : "s");
        end(c, true, rows);
        break;
    case PGRES_COMMAND_OK:
        end(c, true, c->request.tag);
        break;
    case PGRES_EMPTY_QUERY:
        end(c, false, "the command is empty");
        break;
    default:
        end_failed(c, res != NULL,
                   res != NULL && PQresultErrorMessage(res)[0] != '\0' ? PQresultErrorMessage(res)
                                                                       : f->msg.text);
    }
}

static void on_closed(void *ctx, const struct pg_failure *f)
{
    end_failed(ctx, false, f->msg.text);
}

void pg_commands_cut(struct pg_surface *s)
{
    for (struct pg_command *c = s->commands; c != NULL; c = c->next) {
        if (c->ended)
            continue;
        c->cut = true;
        if (!c->begun && c->beginning == NULL)
            give_back(c);
        else if (!c->begun)
            end(c, false, "the daemon was stopped before it had begun the command");
        else if (pg_conn_is_ready(c->conn))
            pg_conn_cancel(c->conn);
    }
}

/* ---- the deadline ---- */

static void on_given_up(void *ctx)
{
    lose(ctx, "ran longer than cron.timeout, and did not end when it was cancelled");
}

/* A session may have switched its own limit off. Hanging up does not end what it runs. */
static void on_deadline(void *ctx)
{
    struct pg_command *c = ctx;
    struct loop *loop = c->surface->loop;
    c->late = true;
    pg_conn_cancel(c->conn);
    timer_set(loop, &c->deadline, loop_now(loop) + CANCEL_US, on_given_up, c);
}

/* ---- the beginning ---- */

/* The database knows from now on who runs it: if we die it waits for that process. */
static void on_begun(void *ctx, const PGresult *res)
{
    struct pg_command *c = ctx;
    struct loop *loop = c->surface->loop;
    int64_t us = c->surface->command_us + ANSWER_EXTRA_US;
    c->beginning = NULL;
    if (res == NULL) {
        end(c, false, "its beginning could not be written, so it was not run");
    } else if (PQntuples(res) != 1 || PQgetlength(res, 0, 0) != 1 || *PQgetvalue(res, 0, 0) == 0) {
        (void)leave(c); /* we were away, and others have it by now */
    } else {
        c->begun = true;
        c->request =
            (struct pg_request){.timeout_us = us + 2 * CANCEL_US, .done = on_done, .ctx = c};
        timer_set(loop, &c->deadline, loop_now(loop) + us, on_deadline, c);
        pg_conn_script(c->conn, &c->request, c->text);
    }
}

static void begin(struct pg_command *c)
{
    struct surface_note *note =
        surface_note_new(&c->surface->cron, "SELECT scriptorium.cron_began($1, $2)");
    pg_put_long(&note->p, c->run);
    pg_put_int(&note->p, pg_conn_pid(c->conn));
    note->done = on_begun;
    note->ctx = c;
    c->beginning = note;
    surface_note_send(note);
}

/* A URL that the server, or a pooler before it, takes for somebody else's would lend that role's
 * rights. */
static void on_user(void *ctx, const PGresult *res, const struct pg_failure *f)
{
    struct pg_command *c = ctx;
    if (res == NULL || PQresultStatus(res) != PGRES_TUPLES_OK) {
        end(c, false, f->msg.text);
    } else if (strcmp(c->request.value, c->user) != 0) {
        char *why = mem_printf("the connection for \"%s\" logs in as \"%s\"; correct its URL in "
                               "cron.users, or the pooler",
                               c->user, c->request.value);
        end(c, false, why);
        free(why);
    } else {
        begin(c);
    }
}

static void on_ready(void *ctx)
{
    struct pg_command *c = ctx;
    c->request = (struct pg_request){.timeout_us = LOGIN_US, .done = on_user, .ctx = c};
    pg_conn_script(c->conn, &c->request, "SELECT session_user");
}

/* NULL: nobody has told us how to log in as that user. */
static const struct pg_url *url_of(const struct pg_surface *s, const char *user)
{
    for (size_t i = 0; i < s->n_users; i++) {
        if (strcmp(pg_url_user(s->users[i]), user) == 0)
            return s->users[i];
    }
    return s->me != NULL && strcmp(s->me, user) == 0 ? s->url : NULL;
}

void pg_command_start(struct pg_surface *s, struct pg_reader *r)
{
    struct pg_command *c = mem_alloc(sizeof *c);
    c->surface = s;
    DL_APPEND(s->commands, c);
    s->n_commands++;
    c->run = pg_get_int(r);
    pg_skip(r, 1); /* jobid */
    const char *name = pg_get_text(r);
    c->text = mem_strdup(pg_get_text(r));
    c->database = mem_strdup(pg_get_text(r));
    c->user = mem_strdup(pg_get_text(r));
    if (c->text == NULL || c->database == NULL || c->user == NULL) {
        end(c, false, "the job cannot be read");
        return;
    }
    const struct pg_url *url = url_of(s, c->user);
    if (url == NULL) {
        char *why = mem_printf("the daemon cannot log in as \"%s\", and runs no user's commands as "
                               "another: add a connection URL of that user to cron.users "
                               "(SCRIPTORIUM_CRON_USERS), or schedule as \"%s\"",
                               c->user, s->me != NULL ? s->me : "the daemon's user");
        char *line = mem_printf("schedule %s: %s", name != NULL ? name : "", why);
        surface_tell(s, line);
        free(line);
        end(c, false, why);
        free(why);
        return;
    }
    struct pg_conn_config config = {.url = url,
                                    .name = "scriptorium cron",
                                    .options = s->options,
                                    .database = c->database,
                                    .script = true,
                                    .discard = true,
                                    .on_ready = on_ready,
                                    .on_closed = on_closed,
                                    .ctx = c};
    c->conn = pg_conn_new(s->loop, &config);
    pg_conn_open(c->conn);
}
