/* In: ops. Out: each on a connection of its lane, its result, or why there is no connection. */
#include "store/pg/pg.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define DEPTH           32 /* statements in flight on one connection */
#define BACKOFF_MIN_US  (100 * USEC_PER_MSEC)
#define BACKOFF_MAX_US  USEC_PER_SEC /* who is back late after an outage loses its lease */
#define PAUSE_MIN_US    (20 * USEC_PER_MSEC)
#define PAUSES_MAX      6                  /* 20 ms doubled so often: 1.3 s in all */
#define ANSWER_EXTRA_US (5 * USEC_PER_SEC) /* the server stops a statement first */
#define LEASE_US        (5 * USEC_PER_SEC) /* for an answer: another connection may yet save the lease */

static void pump(struct pg_store *s);

int64_t pg_backoff(struct rng *rng, int failures)
{
    int64_t us = BACKOFF_MIN_US << (failures < 6 ? failures : 6);
    if (us > BACKOFF_MAX_US)
        us = BACKOFF_MAX_US;
    return us / 2 + (int64_t)(rng_unit(rng) * (double)us);
}

/* ---- the end of an op ---- */

static void finish(struct pg_task *t)
{
    struct pg_store *s = t->store;
    struct store_op *op = t->op;
    s->n_tasks--;
    if (op->result.err == OK && (op->changed || pg_verb_of(op->verb)->changes))
        pg_hint(s);
    store_op_done(&s->base, op);
}

static void fail(struct pg_task *t, const struct pg_failure *f)
{
    store_op_fail(t->op, f->err, "%s", f->msg.text);
    finish(t);
}

/* ---- lanes ---- */

static void lane_add(struct pg_lane *lane, struct pg_task *t)
{
    t->next = NULL;
    *lane->tail = t;
    lane->tail = &t->next;
}

/* In its old place before those that were asked for later: a dead connection gives its tasks back
 * in their order, and text must be written in order. */
static void lane_put_back(struct pg_lane *lane, struct pg_task *t)
{
    struct pg_task **at = &lane->head;
    while (*at != NULL && (*at)->seq < t->seq)
        at = &(*at)->next;
    t->next = *at;
    *at = t;
    if (t->next == NULL)
        lane->tail = &t->next;
}

static struct pg_task *lane_take(struct pg_lane *lane)
{
    struct pg_task *t = lane->head;
    lane->head = t->next;
    if (lane->head == NULL)
        lane->tail = &lane->head;
    return t;
}

static struct pg_task *lane_take_all(struct pg_lane *lane)
{
    struct pg_task *list = lane->head;
    lane->head = NULL;
    lane->tail = &lane->head;
    return list;
}

static void fail_list(struct pg_task *list, const struct pg_failure *f)
{
    struct pg_failure copy = *f;
    for (struct pg_task *next; list != NULL; list = next) {
        next = list->next;
        fail(list, &copy);
    }
}

/* ---- waiting for a connection: at most wait_us, then the caller is told why ---- */

static void on_wait(void *ctx);

static void watch_waiting(struct pg_store *s)
{
    int64_t first = INT64_MAX;
    for (int i = 0; i < LANE_MAX; i++) {
        if (s->lanes[i].head != NULL && s->lanes[i].head->until_us < first)
            first = s->lanes[i].head->until_us;
    }
    if (first == INT64_MAX)
        timer_stop(s->base.loop, &s->wait_timer);
    else
        timer_set(s->base.loop, &s->wait_timer, first, on_wait, s);
}

/* While a connection fails, its requests are answered before the pool hears of it. */
static bool is_usable(const struct pg_member *m)
{
    return m->usable && pg_conn_is_ready(m->conn);
}

static bool lane_has_connection(const struct pg_store *s, const struct pg_lane *lane)
{
    for (int i = lane->first; i < lane->first + lane->n; i++) {
        if (is_usable(&s->members[i]))
            return true;
    }
    return false;
}

/* Who claims has to work on what it gets: where the server has connections for some lanes only,
 * jobs would lie about half begun. */
static int first_needed(int lane)
{
    return lane == LANE_CLAIM ? 0 : lane;
}

static int last_needed(int lane)
{
    return lane == LANE_CLAIM ? LANE_MAX - 1 : lane;
}

static bool is_served(const struct pg_store *s, int lane)
{
    for (int i = first_needed(lane); i <= last_needed(lane); i++) {
        if (!lane_has_connection(s, &s->lanes[i]))
            return false;
    }
    return true;
}

static struct pg_failure why_not(const struct pg_store *s)
{
    struct pg_failure f = s->last;
    if (f.err == OK) {
        f.err = ERR_CONNECT;
        (void)err_set(&f.msg, f.err, "%s: the database does not answer; it is tried again",
                      s->url->label);
    }
    return f;
}

/* With a connection there is a queue in front of it; its requests have deadlines of their own. */
static void on_wait(void *ctx)
{
    struct pg_store *s = ctx;
    int64_t now = loop_now(s->base.loop);
    for (int i = 0; i < LANE_MAX; i++) {
        struct pg_lane *lane = &s->lanes[i];
        bool connected = is_served(s, i);
        while (lane->head != NULL && lane->head->until_us <= now) {
            if (connected) {
                lane->head->until_us = now + s->wait_us;
                continue;
            }
            struct pg_failure f = why_not(s);
            fail(lane_take(lane), &f);
        }
    }
    watch_waiting(s);
}

/* ---- pausing: a row or the server was busy ---- */

static void resume(void *ctx)
{
    struct pg_store *s = ctx;
    struct pg_task *list = s->paused;
    int64_t now = loop_now(s->base.loop);
    while (list != NULL && list->again_us <= now) {
        struct pg_task *t = list;
        list = t->next;
        t->until_us = now + s->wait_us;
        lane_add(&s->lanes[pg_verb_lane(s, t->op)], t);
    }
    s->paused = list;
    if (list != NULL)
        timer_set(s->base.loop, &s->pause_timer, list->again_us, resume, s);
    pump(s);
}

static void pause_task(struct pg_task *t)
{
    struct pg_store *s = t->store;
    int64_t us = PAUSE_MIN_US << t->tries++;
    t->again_us = loop_now(s->base.loop) + us + (int64_t)(rng_unit(&s->rng) * (double)us / 4);
    struct pg_task **at = &s->paused;
    while (*at != NULL && (*at)->again_us <= t->again_us)
        at = &(*at)->next;
    t->next = *at;
    *at = t;
    timer_set(s->base.loop, &s->pause_timer, s->paused->again_us, resume, s);
}

static void busy(struct pg_task *t, const struct pg_failure *why)
{
    if (t->tries < PAUSES_MAX && !t->store->closing)
        pause_task(t);
    else if (why != NULL)
        fail(t, why);
    else {
        store_op_fail(t->op, ERR_BUSY,
                      "%s: a client holds the row in an open transaction; it is tried again",
                      t->store->url->label);
        finish(t);
    }
}

/* ---- sending ---- */

/* A claim whose answer got lost may have taken jobs that nobody would ever work on: the next one
 * asks for them first, and whatever of the lost one is still on its way comes too late then. */
static void learn_of_claim(const struct pg_task *t, const struct pg_failure *f)
{
    struct pg_store *s = t->store;
    if (f != NULL && f->drop) {
        s->claim_unsure = true;
        s->claim_epoch++;
    } else if (t->claim_again) {
        s->claim_unsure = f != NULL && f->err != ERR_LOST;
    }
}

/* A connection that died while idle is found out by the next request on it. */
static bool repeat(struct pg_task *t, const struct pg_failure *f)
{
    struct pg_store *s = t->store;
    const struct pg_verb *verb = pg_verb_of(t->op->verb);
    if (!verb->repeats || t->repeated || s->closing || !f->drop || f->err != ERR_CONNECT)
        return false;
    t->repeated = true;
    t->until_us = loop_now(s->base.loop) + s->wait_us;
    lane_put_back(&s->lanes[pg_verb_lane(s, t->op)], t);
    return true;
}

/* An answer that does not fit its question is perhaps another's: none that follows on its
 * connection can be trusted. A new connection is asked the same; if that does not fit either, the
 * server's functions are others than ours. */
static void out_of_step(struct pg_task *t)
{
    struct pg_conn *conn = t->conn;
    struct pg_failure f = {.err = ERR_CONNECT, .drop = true};
    (void)err_set(&f.msg, f.err, "%s", t->op->result.message);
    if (t->op->verb == VERB_CLAIM)
        learn_of_claim(t, &f);
    bool again = repeat(t, &f);
    if (again)
        t->op->result = (struct store_result){0};
    pg_conn_fail(conn, &f);
    if (!again)
        finish(t);
}

static void on_result(void *ctx, const PGresult *res, const struct pg_failure *f)
{
    struct pg_task *t = ctx;
    struct pg_store *s = t->store;
    bool left = res != NULL && pg_verb_take(t, res);
    if (t->op->result.err == ERR_PROTOCOL) {
        out_of_step(t);
        return;
    }
    if (t->op->verb == VERB_CLAIM)
        learn_of_claim(t, res == NULL ? f : NULL);
    if (res == NULL && f->again)
        busy(t, f);
    else if (res == NULL && !repeat(t, f))
        fail(t, f);
    else if (res == NULL)
        watch_waiting(s);
    else if (left)
        busy(t, NULL);
    else if (t->claim_again && t->op->result.err == OK && t->op->result.n == 0)
        lane_put_back(&s->lanes[LANE_CLAIM], t); /* nothing was lost: now the claim itself */
    else
        finish(t);
    pump(s);
}

static void send(struct pg_task *t, struct pg_member *m)
{
    struct pg_store *s = t->store;
    pg_params_init(&s->params);
    const char *sql = pg_verb_put(t, &s->params);
    if (s->params.err != OK) {
        store_op_fail(t->op, s->params.err, "one request holds more than %u bytes",
                      PG_PARAMS_BYTES_MAX);
        pg_give_back(s, t->op);
        s->n_tasks--;
        return;
    }
    int64_t timeout_us = s->statement_us + ANSWER_EXTRA_US;
    if (pg_verb_lane(s, t->op) == LANE_LEASE && timeout_us > LEASE_US)
        timeout_us = LEASE_US;
    t->request = (struct pg_request){.timeout_us = timeout_us, .done = on_result, .ctx = t};
    t->conn = m->conn;
    pg_conn_send(m->conn, &t->request, sql, &s->params);
}

/* The ready member with the least to do, or NULL. */
static struct pg_member *least_busy(struct pg_store *s, const struct pg_lane *lane)
{
    struct pg_member *best = NULL;
    for (int i = lane->first; i < lane->first + lane->n; i++) {
        struct pg_member *m = &s->members[i];
        if (is_usable(m) && pg_conn_in_flight(m->conn) < lane->depth &&
            (best == NULL || pg_conn_in_flight(m->conn) < pg_conn_in_flight(best->conn)))
            best = m;
    }
    return best;
}

static void connect_now(void *ctx)
{
    struct pg_member *m = ctx;
    if (pg_conn_is_closed(m->conn))
        pg_conn_open(m->conn);
}

/* Opens one more connection when all open ones of the lane are at work. */
static void widen(struct pg_store *s, const struct pg_lane *lane)
{
    struct pg_member *closed = NULL;
    for (int i = lane->first; i < lane->first + lane->n; i++) {
        struct pg_member *m = &s->members[i];
        if (!pg_conn_is_closed(m->conn) && (!is_usable(m) || pg_conn_in_flight(m->conn) == 0))
            return; /* it is coming, or idle */
        if (closed == NULL && pg_conn_is_closed(m->conn))
            closed = m;
    }
    if (closed != NULL && !timer_is_set(&closed->retry))
        connect_now(closed);
}

static void pump(struct pg_store *s)
{
    for (int i = 0; i < LANE_MAX; i++) {
        struct pg_lane *lane = &s->lanes[i];
        if (lane->head == NULL)
            continue;
        for (int k = first_needed(i); k <= last_needed(i); k++) {
            if (k == i || !lane_has_connection(s, &s->lanes[k]))
                widen(s, &s->lanes[k]);
        }
        struct pg_member *m;
        while (is_served(s, i) && lane->head != NULL && (m = least_busy(s, lane)) != NULL)
            send(lane_take(lane), m);
    }
    watch_waiting(s);
}

void pg_pool_submit(struct pg_store *s, struct store_op *op)
{
    struct pg_task *t = arena_alloc(&op->arena, sizeof *t);
    t->op = op;
    t->store = s;
    t->seq = s->next_seq++;
    t->until_us = loop_now(s->base.loop) + s->wait_us;
    s->n_tasks++;
    lane_add(&s->lanes[pg_verb_lane(s, op)], t);
    pump(s);
}

bool pg_pool_send(struct pg_store *s, struct pg_request *r, const char *sql,
                  const struct pg_params *p)
{
    for (int i = s->n_members - 1; i >= 0; i--) {
        if (is_usable(&s->members[i])) {
            pg_conn_send(s->members[i].conn, r, sql, p);
            return true;
        }
    }
    return false;
}

/* ---- connections ---- */

/* After an outage nobody sits out a delay that was meant for a server that is away. */
static void hurry_others(const struct pg_member *m)
{
    struct pg_store *s = m->store;
    for (int i = 0; i < s->n_members; i++) {
        struct pg_member *other = &s->members[i];
        if (timer_is_set(&other->retry))
            timer_set(s->base.loop, &other->retry, loop_now(s->base.loop), connect_now, other);
        else if (other != m)
            pg_conn_hurry(other->conn);
    }
    pg_listen_hurry(s);
}

static void greeted(void *ctx, const PGresult *res, const struct pg_failure *why)
{
    struct pg_member *m = ctx;
    struct pg_store *s = m->store;
    struct pg_failure f = *why;
    struct arena arena = {0};
    if (res != NULL) {
        struct pg_reader r = pg_reader_new(res, &arena, 3);
        bool standby = pg_get_bool(&r), read_only = pg_get_bool(&r);
        int64_t version = pg_get_int(&r);
        if (r.err != OK)
            pg_error_of_state("08P01", "an answer to something else", s->url->label, &f);
        else if (standby || read_only)
            pg_error_of_state("25006",
                              standby ? "it is in recovery" : "default_transaction_read_only is on",
                              s->url->label, &f);
        else
            f = (struct pg_failure){.err = pg_schema_check(s->url->label, version, &f.msg),
                                    .lasting = true,
                                    .msg = f.msg};
    }
    if (f.err == OK) {
        m->usable = true;
        m->failures = 0;
        s->last = (struct pg_failure){0};
        hurry_others(m);
        pump(s);
    } else if (!pg_conn_is_closed(m->conn)) {
        pg_conn_fail(m->conn, &f);
    }
}

static void on_ready(void *ctx)
{
    struct pg_member *m = ctx;
    struct pg_params *p = &m->store->params;
    pg_params_init(p);
    pg_put_text(p, m->store->schema);
    m->greeting = (struct pg_request){
        .timeout_us = m->store->statement_us + ANSWER_EXTRA_US, .done = greeted, .ctx = m};
    pg_conn_send(m->conn, &m->greeting,
                 "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean,"
                 " scriptorium.greet($1)",
                 p);
}

/* The lane has nobody without it. */
static bool is_missed(const struct pg_store *s, int lane, int member)
{
    for (int i = first_needed(lane); i <= last_needed(lane); i++) {
        const struct pg_lane *l = &s->lanes[i];
        if (member >= l->first && member < l->first + l->n && !lane_has_connection(s, l))
            return true;
    }
    return false;
}

/* What waits goes on waiting, unless an operator must act first. */
static void on_closed(void *ctx, const struct pg_failure *f)
{
    struct pg_member *m = ctx;
    struct pg_store *s = m->store;
    m->usable = false;
    s->last = *f;
    timer_set(s->base.loop, &m->retry, loop_now(s->base.loop) + pg_backoff(&s->rng, m->failures++),
              connect_now, m);
    for (int k = 0; k < LANE_MAX && f->lasting; k++) {
        if (is_missed(s, k, (int)(m - s->members)))
            fail_list(lane_take_all(&s->lanes[k]), f);
    }
    watch_waiting(s);
}

void pg_pool_schema_changed(struct pg_store *s)
{
    for (int i = 0; i < s->n_members; i++) {
        s->members[i].failures = 0;
        timer_stop(s->base.loop, &s->members[i].retry);
    }
    s->last = (struct pg_failure){0};
    pump(s);
}

/* A connection for each lane, as far as there are so many; the last lanes share what is left. Of
 * more, hooks get a third, where there are hooks. */
static void share_out(struct pg_store *s)
{
    int last = s->n_members - 1, left = s->n_members - LANE_HOOK;
    int hooks = s->base.hooks != 0 && left > 1 ? (left + 1) / 3 : 0;
    for (int i = 0; i < LANE_HOOK; i++)
        s->lanes[i] = (struct pg_lane){.first = i < last ? i : last, .n = 1, .depth = DEPTH};
    int any = LANE_HOOK + hooks < last ? LANE_HOOK + hooks : last;
    s->lanes[LANE_ANY] = (struct pg_lane){.first = any, .n = s->n_members - any, .depth = DEPTH};
    s->lanes[LANE_HOOK] = hooks > 0 ? (struct pg_lane){.first = LANE_HOOK, .n = hooks, .depth = 1}
                                    : s->lanes[LANE_ANY];
}

void pg_pool_init(struct pg_store *s, int members)
{
    s->members = mem_array((size_t)members, sizeof *s->members);
    s->n_members = members;
    for (int i = 0; i < members; i++) {
        struct pg_conn_config config = {.url = s->url,
                                        .name = s->name,
                                        .options = s->options,
                                        .on_ready = on_ready,
                                        .on_closed = on_closed,
                                        .ctx = &s->members[i]};
        s->members[i].store = s;
        s->members[i].conn = pg_conn_new(s->base.loop, &config);
    }
    share_out(s);
    for (int i = 0; i < LANE_MAX; i++)
        s->lanes[i].tail = &s->lanes[i].head;
}

void pg_pool_abandon(struct pg_store *s)
{
    struct pg_failure f = {.err = ERR_CLOSED, .drop = true};
    (void)err_set(&f.msg, ERR_CLOSED, "%s: the store is closed", s->url->label);
    struct pg_task *paused = s->paused;
    s->paused = NULL;
    fail_list(paused, &f);
    for (int i = 0; i < s->n_members; i++) {
        if (!pg_conn_is_closed(s->members[i].conn))
            pg_conn_fail(s->members[i].conn, &f);
    }
    for (int i = 0; i < LANE_MAX; i++)
        fail_list(lane_take_all(&s->lanes[i]), &f);
}

void pg_pool_free(struct pg_store *s)
{
    for (int i = 0; i < s->n_members; i++) {
        pg_conn_free(s->members[i].conn);
        timer_stop(s->base.loop, &s->members[i].retry);
    }
    timer_stop(s->base.loop, &s->wait_timer);
    timer_stop(s->base.loop, &s->pause_timer);
    pg_params_free(&s->params);
    free(s->members);
}
