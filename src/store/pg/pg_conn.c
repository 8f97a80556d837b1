/* In: parameterised statements. Out: their results, on the loop. */
#include "store/pg/pg_conn.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define CONNECT_TIMEOUT_US (10 * USEC_PER_SEC)
#define WHOSE_US           (10 * USEC_PER_SEC)
#define HURRY_US           (500 * USEC_PER_MSEC) /* an attempt as old as that may be stuck */

enum state { CLOSED, RESOLVING, CONNECTING, READY };

struct pg_conn {
    struct loop *loop;
    struct pg_conn_config config;
    enum state state;
    bool plain;  /* without options: a pooler refused them */
    bool direct; /* the server itself is at the other end; until we know that, it is not */
    PGconn *pg;
    struct pg_resolve *resolve;
    struct loop_watch *watch;
    struct loop_timer timer; /* of connecting, then of the oldest request */
    int64_t opened_us;       /* when connecting began */
    struct pg_request *head, **tail;
    struct pg_request *unsent; /* of these the first that waits for its turn, never the head */
    size_t in_flight;
    struct pg_request whose;
};

static void on_io(void *ctx, unsigned events);
static void ask_whose(struct pg_conn *c);

bool pg_conn_is_closed(const struct pg_conn *c)
{
    return c->state == CLOSED;
}

bool pg_conn_is_ready(const struct pg_conn *c)
{
    return c->state == READY;
}

size_t pg_conn_in_flight(const struct pg_conn *c)
{
    return c->in_flight;
}

int pg_conn_pid(const struct pg_conn *c)
{
    return PQbackendPID(c->pg);
}

struct pg_conn *pg_conn_new(struct loop *loop, const struct pg_conn_config *config)
{
    struct pg_conn *c = mem_alloc(sizeof *c);
    c->loop = loop;
    c->config = *config;
    c->tail = &c->head;
    return c;
}

/* ---- the end ---- */

static void drop(struct pg_conn *c)
{
    timer_stop(c->loop, &c->timer);
    pg_resolve_cancel(c->resolve);
    c->resolve = NULL;
    loop_unwatch(c->watch); /* before libpq closes the descriptor */
    c->watch = NULL;
    PQfinish(c->pg);
    c->pg = NULL;
    c->direct = false;
    c->state = CLOSED;
}

static void unhold(struct pg_request *r)
{
    if (r->held != NULL)
        pg_params_free(r->held);
    free(r->held);
    r->held = NULL;
}

static struct pg_request *take_all(struct pg_conn *c)
{
    struct pg_request *list = c->head;
    for (struct pg_request *r = list; r != NULL; r = r->next) {
        unhold(r);
        PQclear(r->res);
        r->res = NULL;
    }
    c->unsent = NULL;
    c->head = NULL;
    c->tail = &c->head;
    c->in_flight = 0;
    return list;
}

void pg_conn_free(struct pg_conn *c)
{
    if (c == NULL)
        return;
    drop(c);
    (void)take_all(c);
    free(c);
}

void pg_conn_fail(struct pg_conn *c, const struct pg_failure *why)
{
    struct pg_failure f = *why; /* it may be the connection's own */
    drop(c);
    for (struct pg_request *r = take_all(c), *next; r != NULL; r = next) {
        next = r->next;
        r->done(r->ctx, NULL, &f);
    }
    c->config.on_closed(c->config.ctx, &f);
}

static void fail_text(struct pg_conn *c, const char *state, const char *text)
{
    struct pg_failure f;
    pg_error_of_state(state, text, c->config.url->label, &f);
    f.drop = true;
    pg_conn_fail(c, &f);
}

static bool is_error(const PGresult *res)
{
    ExecStatusType s = PQresultStatus(res);
    return s != PGRES_TUPLES_OK && s != PGRES_COMMAND_OK && s != PGRES_SINGLE_TUPLE;
}

/* The server may have said why before it hung up; libpq knows only that it did. */
static void fail_broken(struct pg_conn *c)
{
    struct pg_failure f = {0};
    if (c->head != NULL && c->head->res != NULL && is_error(c->head->res))
        pg_error_of_result(c->head->res, c->config.url->label, &f);
    if (!f.drop)
        pg_error_of_state("08006", PQerrorMessage(c->pg), c->config.url->label, &f);
    pg_conn_fail(c, &f);
}

/* ---- connecting ---- */

static void on_connect_timeout(void *ctx)
{
    fail_text(ctx, "08001", "no answer within 10 s");
}

static void watch(struct pg_conn *c, unsigned events)
{
    c->watch = loop_watch(c->loop, PQsocket(c->pg), events, on_io, c);
}

static void ready(struct pg_conn *c)
{
    c->state = READY;
    timer_stop(c->loop, &c->timer);
    (void)PQsetErrorVerbosity(c->pg, PQERRORS_DEFAULT);
    (void)PQsetnonblocking(c->pg, 1);
    if (!c->config.script && PQenterPipelineMode(c->pg) == 0) {
        fail_broken(c);
        return;
    }
    watch(c, LOOP_READ);
    if (!c->config.script)
        ask_whose(c);
    c->config.on_ready(c->config.ctx);
}

static void connect_failed(struct pg_conn *c)
{
    struct pg_failure f;
    pg_error_of_connect(PQerrorMessage(c->pg), c->config.url->label, &f);
    if (f.options && !c->plain) {
        c->plain = true;
        drop(c);
        pg_conn_open(c);
        return;
    }
    pg_conn_fail(c, &f);
}

/* libpq may go to another host with another socket: the watch is made anew each time. */
static void connect_on(struct pg_conn *c)
{
    loop_unwatch(c->watch);
    c->watch = NULL;
    switch (PQconnectPoll(c->pg)) {
    case PGRES_POLLING_OK:
        ready(c);
        break;
    case PGRES_POLLING_READING:
        watch(c, LOOP_READ);
        break;
    case PGRES_POLLING_WRITING:
        watch(c, LOOP_WRITE);
        break;
    default:
        connect_failed(c);
    }
}

static void ignore_notice(void *ctx, const PGresult *res)
{
    (void)ctx;
    (void)res;
}

static void start(struct pg_conn *c, const struct pg_addresses *found)
{
    struct arena arena = {0};
    struct pg_params_out params;
    pg_url_params(c->config.url, found, c->config.name, c->config.options, c->plain, &arena,
                  &params);
    if (c->config.database != NULL)
        pg_url_override(&params, "dbname", c->config.database);
    c->state = CONNECTING;
    c->pg = PQconnectStartParams(params.keys, params.values, 0);
    arena_free(&arena);
    if (c->pg == NULL || PQstatus(c->pg) == CONNECTION_BAD) {
        connect_failed(c);
        return;
    }
    (void)PQsetErrorVerbosity(c->pg, PQERRORS_VERBOSE);
    (void)PQsetNoticeReceiver(c->pg, ignore_notice, NULL);
    watch(c, LOOP_WRITE);
}

static void on_resolved(void *ctx, const struct pg_addresses *found)
{
    struct pg_conn *c = ctx;
    c->resolve = NULL;
    size_t usable = 0;
    for (size_t i = 0; i < c->config.url->names.n; i++)
        usable += found->n[i] + c->config.url->names.items[i].as_is;
    if (usable > 0) {
        start(c, found);
        return;
    }
    struct pg_failure f = {.err = ERR_CONNECT, .drop = true};
    (void)err_set(&f.msg, ERR_CONNECT,
                  "%s: the host name is not known (%s); check the database URL, and DNS",
                  c->config.url->label, gai_strerror(found->error));
    pg_conn_fail(c, &f);
}

/* Never calls back before it returns: a failure waits for the timer. */
static void start_now(void *ctx)
{
    struct pg_conn *c = ctx;
    timer_set(c->loop, &c->timer, loop_now(c->loop) + CONNECT_TIMEOUT_US, on_connect_timeout, c);
    if (c->config.url->names.n == 0) {
        start(c, NULL);
        return;
    }
    c->resolve = pg_resolve_start(c->loop, &c->config.url->names, on_resolved, c);
    if (c->resolve == NULL)
        fail_text(c, "08001", "no thread can be started to look up its name");
}

void pg_conn_open(struct pg_conn *c)
{
    c->state = RESOLVING;
    c->opened_us = loop_now(c->loop);
    timer_set(c->loop, &c->timer, c->opened_us, start_now, c);
}

void pg_conn_hurry(struct pg_conn *c)
{
    if (c->state != CONNECTING || loop_now(c->loop) - c->opened_us < HURRY_US)
        return;
    drop(c);
    pg_conn_open(c);
}

/* ---- requests ---- */

static void on_timeout(void *ctx)
{
    struct pg_conn *c = ctx;
    struct pg_failure f = {.err = ERR_TIMEOUT, .drop = true};
    (void)err_set(&f.msg, f.err,
                  "%s: the server did not answer in time; look at its load, locks and network",
                  c->config.url->label);
    pg_conn_fail(c, &f);
}

static void watch_head(struct pg_conn *c)
{
    if (c->head == NULL)
        timer_stop(c->loop, &c->timer);
    else
        timer_set(c->loop, &c->timer, loop_now(c->loop) + c->head->timeout_us, on_timeout, c);
}

static void on_broken(void *ctx)
{
    fail_broken(ctx);
}

/* Nobody who sends is called back before the call returns. libpq may have closed the descriptor in
 * here, and whoever opens a socket before the timer comes gets the same number. */
static void fail_soon(struct pg_conn *c)
{
    loop_unwatch(c->watch);
    c->watch = NULL;
    timer_set(c->loop, &c->timer, loop_now(c->loop), on_broken, c);
}

static void flush(struct pg_conn *c)
{
    if (c->watch == NULL)
        return; /* it fails soon */
    int left = PQflush(c->pg);
    if (left < 0 || PQsocket(c->pg) < 0) /* closed by libpq, which calls that a success */
        fail_soon(c);
    else
        loop_watch_set(c->watch, LOOP_READ | (left > 0 ? (unsigned)LOOP_WRITE : 0));
}

static void add(struct pg_conn *c, struct pg_request *r)
{
    r->next = NULL;
    r->res = NULL;
    *c->tail = r;
    c->tail = &r->next;
    if (c->in_flight++ == 0)
        watch_head(c);
}

/* Into libpq's buffer; what cannot be put there fails soon. */
static void put(struct pg_conn *c, const char *sql, const struct pg_params *p)
{
    const char *values[PG_PARAMS];
    int lengths[PG_PARAMS], formats[PG_PARAMS];
    pg_params_values(p, values, lengths, formats);
    if (PQsendQueryParams(c->pg, sql, p->n, p->types, values, lengths, formats, 1) == 0 ||
        PQpipelineSync(c->pg) == 0)
        fail_soon(c);
}

/* Through a pooler one statement at a time. PgBouncer gives its connection to the server to
 * somebody else as soon as a statement was answered, and the parts of our next one that it had
 * passed on by then stay there (its issue 759; seen with 1.18: portal "" does not exist). */
static bool must_wait(const struct pg_conn *c, const struct pg_request *r)
{
    return !c->direct && c->head != r;
}

void pg_conn_send(struct pg_conn *c, struct pg_request *r, const char *sql,
                  const struct pg_params *p)
{
    r->held = NULL;
    add(c, r);
    if (must_wait(c, r)) {
        r->sql = sql;
        r->held = pg_params_copy(p);
        if (c->unsent == NULL)
            c->unsent = r;
    } else {
        put(c, sql, p);
        flush(c);
    }
}

static void send_unsent(struct pg_conn *c)
{
    while (c->unsent != NULL && !must_wait(c, c->unsent)) {
        struct pg_request *r = c->unsent;
        c->unsent = r->next;
        put(c, r->sql, r->held);
        unhold(r);
    }
}

/* A pooler makes up the process that it names at the login. */
static void on_whose(void *ctx, const PGresult *res, const struct pg_failure *f)
{
    struct pg_conn *c = ctx;
    (void)f; /* then it stays one at a time */
    if (res == NULL)
        return;
    struct pg_reader r = pg_reader_new(res, NULL, 1);
    int64_t pid = pg_get_int(&r);
    c->direct = r.err == OK && pid == pg_conn_pid(c);
}

static void ask_whose(struct pg_conn *c)
{
    struct pg_params none = {0};
    c->whose = (struct pg_request){.timeout_us = WHOSE_US, .done = on_whose, .ctx = c};
    pg_conn_send(c, &c->whose, "SELECT pg_backend_pid()", &none);
}

void pg_conn_script(struct pg_conn *c, struct pg_request *r, const char *sql)
{
    add(c, r);
    r->rows = 0;
    if (PQsendQuery(c->pg, sql) == 0 || (c->config.discard && PQsetSingleRowMode(c->pg) == 0))
        fail_soon(c);
    else
        flush(c);
}

/* libpq connects anew for it, and waits. */
static void *cancel_main(void *cancel)
{
    char why[256];
    (void)PQcancel(cancel, why, sizeof why);
    PQfreeCancel(cancel);
    return NULL;
}

void pg_conn_cancel(struct pg_conn *c)
{
    PGcancel *cancel = c->state == READY ? PQgetCancel(c->pg) : NULL;
    pthread_attr_t attr;
    pthread_t thread;
    if (cancel == NULL)
        return;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, cancel_main, cancel) != 0)
        (void)cancel_main(cancel);
    pthread_attr_destroy(&attr);
}

/* All that is asked here is answered in binary, or without rows. A pooler that looks after its own
 * connection may bring the answer to a client instead, when another client's connection broke in
 * the middle (seen with PgBouncer 1.18: its select 1 and its SET). Ours comes after it. */
static bool is_stray(const struct pg_conn *c, PGresult *res)
{
    if (c->config.script)
        return false;
    if (PQresultStatus(res) == PGRES_COMMAND_OK)
        return strncmp(PQcmdStatus(res), "SET", 3) == 0;
    return PQresultStatus(res) == PGRES_TUPLES_OK && PQnfields(res) > 0 && PQfformat(res, 0) == 0;
}

/* The result counts when the transaction has ended: a COMMIT can still fail. */
static void end_head(struct pg_conn *c)
{
    struct pg_request *r = c->head;
    c->head = r->next;
    if (c->head == NULL)
        c->tail = &c->head;
    c->in_flight--;
    watch_head(c);
    PGresult *res = r->res;
    r->res = NULL;
    struct pg_failure f;
    pg_error_of_result(res, c->config.url->label, &f);
    if (f.err == OK && is_stray(c, res))
        pg_error_of_state("08P01", "a pooler's own answer came instead of the server's",
                          c->config.url->label, &f);
    bool lost = f.drop && c->state == READY;
    r->done(r->ctx, f.err == OK || c->config.discard ? res : NULL, &f);
    PQclear(res);
    if (c->state != READY)
        return;
    if (lost)
        pg_conn_fail(c, &f);
    else
        send_unsent(c);
}

/* An error replaces what came before it, nothing replaces an error. */
static void keep(struct pg_request *r, PGresult *res)
{
    if (PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
        if (r->res == NULL || PQresultStatus(r->res) != PGRES_SINGLE_TUPLE)
            r->rows = 0; /* the first of its statement */
        r->rows++;
        (void)snprintf(r->value, sizeof r->value, "%s",
                       PQnfields(res) > 0 ? PQgetvalue(res, 0, 0) : "");
    } else if (PQresultStatus(res) == PGRES_TUPLES_OK &&
               (r->res == NULL || PQresultStatus(r->res) != PGRES_SINGLE_TUPLE)) {
        r->rows = 0;
    }
    (void)snprintf(r->tag, sizeof r->tag, "%s", PQcmdStatus(res));
    if (r->res != NULL && is_error(r->res)) {
        PQclear(res);
        return;
    }
    PQclear(r->res);
    r->res = res;
}

static bool is_copy(const PGresult *res)
{
    ExecStatusType s = PQresultStatus(res);
    return s == PGRES_COPY_IN || s == PGRES_COPY_OUT || s == PGRES_COPY_BOTH;
}

/* False: nothing more to be had now. */
static bool take_result(struct pg_conn *c)
{
    PGresult *res = PQgetResult(c->pg);
    if (res == NULL) {
        if (c->config.script)
            end_head(c);
        return true;
    }
    if (is_copy(res)) { /* and would go on for ever: nobody is here to feed or to drain it */
        PQclear(res);
        fail_text(c, "0A000", "COPY from or to the client has no client here");
        return false;
    }
    if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
        PQclear(res);
        end_head(c);
        return true;
    }
    keep(c->head, res);
    return PQstatus(c->pg) == CONNECTION_OK;
}

static void take_notifications(struct pg_conn *c)
{
    PGnotify *n;
    while (c->state == READY && (n = PQnotifies(c->pg)) != NULL) {
        if (c->config.on_notify != NULL)
            c->config.on_notify(c->config.ctx, n->relname, n->extra);
        PQfreemem(n);
    }
}

static void on_io(void *ctx, unsigned events)
{
    struct pg_conn *c = ctx;
    if (c->state == CONNECTING) {
        connect_on(c);
        return;
    }
    if ((events & LOOP_READ) != 0 && PQconsumeInput(c->pg) == 0) {
        fail_broken(c);
        return;
    }
    /* Without a watch it fails soon, and libpq has nothing for the head. */
    while (c->state == READY && c->watch != NULL && c->head != NULL && PQisBusy(c->pg) == 0 &&
           take_result(c))
        continue;
    if (c->state == READY && PQstatus(c->pg) == CONNECTION_BAD) {
        fail_broken(c);
        return;
    }
    take_notifications(c);
    if (c->state == READY)
        flush(c);
}
