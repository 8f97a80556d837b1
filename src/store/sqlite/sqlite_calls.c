/* In: model calls, opened and closed. Out: the ledger. Nothing here asks for a fence: money that
 * was spent is recorded whoever spent it. */
#include "base/clock.h"
#include "store/sqlite/sqlite.h"

/* Whether today's calls and one more stay below a cap. */
static bool is_below(struct sqlite_store *s, const struct uuid *user, int64_t now_us, int64_t more,
                     int64_t cap)
{
    struct query *q = db_query(s->db, "SELECT cost + reserved FROM scriptorium_spend"
                                      " WHERE day = ? AND user_id = ?");
    query_int(q, now_us / (86400 * USEC_PER_SEC));
    if (user != NULL)
        query_id(q, user);
    else
        query_text(q, "");
    int64_t spent = query_next(q) ? query_get_int(q, 0) : 0;
    query_end(q);
    return spent + more <= cap;
}

static enum store_cap cap_of(struct sqlite_store *s, const struct store_call *c, int64_t now_us)
{
    if (c->day_cap_udollar > 0 &&
        !is_below(s, NULL, now_us, c->reserved_udollar, c->day_cap_udollar))
        return STORE_CAP_DAY;
    if (c->user_day_cap_udollar > 0 && !uuid_is_nil(&c->user_id) &&
        !is_below(s, &c->user_id, now_us, c->reserved_udollar, c->user_day_cap_udollar))
        return STORE_CAP_USER;
    return STORE_CAP_NONE;
}

static const char sql_call_open[] =
    "INSERT INTO scriptorium_call (id, job_id, user_id, worker, run, attempt, step, provider,"
    " model, estimated_input, price_input, price_output, opened_at, reserved)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

enum err sqlite_call_open(struct sqlite_store *s, struct store_op *op)
{
    const struct store_call *c = &op->in.call;
    op->result.cap = cap_of(s, c, op->now_us);
    if (op->result.cap != STORE_CAP_NONE || db_error(s->db) != OK)
        return db_error(s->db);
    struct query *q = db_query(s->db, sql_call_open);
    query_id(q, &c->id);
    query_id(q, &c->job);
    query_id(q, &c->user_id);
    query_id(q, &c->worker);
    query_int(q, c->run);
    query_int(q, c->attempt);
    query_text(q, c->step);
    query_text(q, c->provider);
    query_text(q, c->model);
    query_int(q, c->estimated_input);
    query_int(q, c->price_input);
    query_int(q, c->price_output);
    query_int(q, op->now_us);
    query_int(q, c->reserved_udollar);
    return query_run(q);
}

/* An exact figure replaces an estimate, never the other way round; of two estimates the larger one
 * counts: a worker that was thought dead saw more of its call than it had saved. */
static const char sql_call_close[] =
    "UPDATE scriptorium_call SET state = ?2, closed_at = ?3, input = ?4, output = ?5,"
    " cache_read = ?6, cache_write_5m = ?7, cache_write_1h = ?8, cost = ?9, served_model = ?10,"
    " request_id = ?11, error = ?12, http_status = ?13"
    " WHERE id = ?1 AND (state = 0 OR (state = 2 AND (?2 = 1 OR (?2 = 2 AND ?5 > output))))";

enum err sqlite_end_call(struct sqlite_store *s, const struct store_call_end *end, int64_t now_us)
{
    struct query *q = db_query(s->db, sql_call_close);
    query_id(q, &end->id);
    query_int(q, end->state);
    query_int(q, now_us);
    query_int(q, end->usage.input);
    query_int(q, end->usage.output);
    query_int(q, end->usage.cache_read);
    query_int(q, end->usage.cache_write_5m);
    query_int(q, end->usage.cache_write_1h);
    query_int(q, end->cost_udollar);
    query_text(q, end->served_model);
    query_text(q, end->request_id);
    query_text(q, end->error);
    query_int(q, end->http_status);
    return query_run(q);
}

enum err sqlite_call_close(struct sqlite_store *s, struct store_op *op)
{
    char text[UUID_TEXT_SIZE];
    struct query *q = db_query(s->db, "SELECT 1 FROM scriptorium_call WHERE id = ?");
    query_id(q, &op->in.call_end.id);
    bool known = query_next(q);
    query_end(q);
    if (db_error(s->db) != OK)
        return db_error(s->db);
    if (!known) {
        store_op_fail(op, ERR_NOT_FOUND, "there is no call %s",
                      uuid_text(&op->in.call_end.id, text));
        return ERR_NOT_FOUND;
    }
    return sqlite_end_call(s, &op->in.call_end, op->now_us);
}

/* ---- calls of the dead ---- */

#define LOST                                                                                       \
    " FROM scriptorium_call INDEXED BY scriptorium_call_open"                                      \
    " WHERE state = 0 AND worker NOT IN (SELECT id FROM scriptorium_worker)"
static const char sql_lost_count[] = "SELECT count(*)" LOST;
static const char sql_lost_calls[] =
    "SELECT id, estimated_input, saved_output, saved_rate, price_input, price_output" LOST
    " LIMIT 1";

/* All of them ran in one process, when it died. */
static int64_t unseen_us(struct sqlite_store *s)
{
    struct query *q = db_query(s->db, sql_lost_count);
    int64_t lost = query_next(q) ? query_get_int(q, 0) : 0;
    query_end(q);
    return TOKENS_READ_TICK_US + tokens_save_tick_us(lost, TOKENS_SAVE_TICK_US) + 2 * TOKENS_WAY_US;
}

/* One at a time: closing it takes it out of the index that is read here. */
enum err sqlite_end_lost_calls(struct sqlite_store *s, int64_t now_us)
{
    enum err e = OK;
    int64_t unseen = unseen_us(s);
    while (e == OK) {
        struct query *q = db_query(s->db, sql_lost_calls);
        if (!query_next(q))
            return db_error(s->db);
        struct store_call_end end = {.id = query_get_id(q, 0), .state = CALL_ESTIMATED};
        end.usage.input = query_get_int(q, 1);
        end.usage.output = tokens_after_cut(query_get_int(q, 2), query_get_int(q, 3), unseen);
        struct price price = {.input = query_get_int(q, 4), .output = query_get_int(q, 5)};
        query_end(q);
        end.cost_udollar = price_usage(&price, &end.usage);
        end.error = "the process that made the call ended before the call did";
        e = sqlite_end_call(s, &end, now_us);
        if (e == OK && db_changes(s->db) == 0) /* its id is not ours: never mind */
            break;
    }
    return e;
}
