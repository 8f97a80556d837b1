/* In: a server that dies, restarts, refuses; connections that are cut. Out: whether the driver says
 * so in time and clearly, and neither loses nor doubles anything. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cut_proxy.h"
#include "pg_plug.h"
#include "store/pg/store_pg.h"

#define LEASE (15 * SECOND)

/* ---- a store of its own beside the fixture's ---- */

static struct store *open_config(struct fixture *f, const struct store_pg_config *config)
{
    struct store *store = NULL;
    struct errmsg msg = {0};
    enum err e = store_pg_open(f->loop, config, &store, &msg);
    if (e != OK)
        print_error("%s\n", msg.text);
    assert_int_equal(e, OK);
    return store;
}

static void reopen(struct fixture *f, const struct store_pg_config *config)
{
    store_free(f->store);
    f->store = open_config(f, config);
}

static uint16_t server_port(void)
{
    return (uint16_t)atoi(strrchr(getenv("PG_URL"), ':') + 1);
}

static char *url_with(const struct fixture *f, const char *user, uint16_t port)
{
    const char *name = strrchr(pg_plug_url(f->db), '/') + 1;
    return mem_printf("postgres://%s@127.0.0.1:%u/%s", user, port, name);
}

static void pg_ctl(const char *what)
{
    char *command = mem_printf("%s %s", getenv("PG_CTL"), what);
    assert_int_equal(system(command), 0);
    free(command);
}

static void kill_backends(struct fixture *f)
{
    assert_true(pg_plug_sql(f->db, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                                   " WHERE datname = current_database()"
                                   " AND pid <> pg_backend_pid()"));
}

static void turn_until_running(struct fixture *f, const char *query_part)
{
    char *sql = mem_printf("SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
                           " AND pid <> pg_backend_pid() AND query LIKE '%%%s%%'",
                           query_part);
    int64_t end = clock_mono() + 10 * SECOND;
    for (;;) {
        assert_true(pg_plug_sql(f->db, "SELECT pg_stat_clear_snapshot()"));
        char *n = pg_plug_text(f->db, sql);
        bool running = atoi(n) > 0;
        free(n);
        if (running)
            break;
        loop_turn(f->loop, USEC_PER_MSEC);
        assert_true(clock_mono() < end);
    }
    free(sql);
}

/* ---- a server that goes and comes back ---- */

static void idle_connections_that_die_are_made_again(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    kill_backends(f);
    assert_int_equal(get_job(f, &id)->status, JOB_PENDING);
    assert_int_equal(open_worker(f, LEASE).bytes[0], f->worker.bytes[0]); /* its lane, too */
    assert_int_equal(claim(f, 1, 0)->n, 1);
}

static void a_write_whose_backend_dies_says_so(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    assert_true(pg_plug_sql(f->db, "BEGIN; LOCK TABLE script_generation_jobs"));
    struct answer *a = answer_new(f);
    store_cancel(f->store, &id, answer_take, a);
    turn_until_running(f, "cancel_job");
    kill_backends(f);
    const struct store_result *r = answer_wait(f, a);
    assert_int_equal(r->err, ERR_CONNECT);
    assert_non_null(strstr(r->message, "ended the connection"));
    assert_true(pg_plug_sql(f->db, "ROLLBACK"));
    assert_int_equal(get_job(f, &id)->status, JOB_PENDING);
}

static void a_restart_is_survived(struct fixture *f, const char *how)
{
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    pg_ctl(how);
    assert_int_equal(get_job(f, &id)->status, JOB_PROCESSING);
    assert_int_equal(check_one(f, &c), STORE_HELD);
    assert_int_equal(finish_one(f, &c, STORE_COMPLETE), STORE_HELD);
    assert_int_equal(get_job(f, &id)->status, JOB_COMPLETED);
}

static void a_fast_restart_is_survived(void **state)
{
    a_restart_is_survived(fixture(state), "restart -m fast");
}

static void a_crash_of_the_server_is_survived(void **state)
{
    a_restart_is_survived(fixture(state), "restart -m immediate");
}

static void while_the_server_is_down_requests_fail_in_time_and_then_work(void **state)
{
    struct fixture *f = fixture(state);
    struct store_pg_config config = {.url = pg_plug_url(f->db), .wait_us = SECOND / 2};
    struct uuid id = add_job(f, 1);
    reopen(f, &config);
    assert_int_equal(CALL(f, store_get, &id)->err, OK);
    pg_ctl("stop -m immediate");
    int64_t start = clock_mono();
    for (int i = 0; i < 2; i++) {
        const struct store_result *r = CALL(f, store_get, &id);
        assert_int_equal(r->err, ERR_CONNECT);
        assert_true(strlen(r->message) > 0);
    }
    assert_true(clock_mono() - start < 3 * SECOND);
    pg_ctl("start");
    int64_t end = clock_mono() + 10 * SECOND;
    while (CALL(f, store_get, &id)->err != OK)
        assert_true(clock_mono() < end);
}

static void a_store_is_closed_while_the_server_is_down(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    pg_ctl("stop -m immediate");
    struct answer *a = answer_new(f);
    store_get(f->store, &id, answer_take, a);
    int64_t start = clock_mono();
    store_free(f->store);
    assert_true(a->done);
    assert_true(a->r.err == ERR_CONNECT || a->r.err == ERR_CLOSED);
    assert_true(clock_mono() - start < 8 * SECOND);
    pg_ctl("start");
    f->store = f->plug->open(f->db, f->loop, true);
}

/* ---- answers that get lost ---- */

struct lossy {
    struct cut_proxy *proxy;
    char *url;
};

static struct lossy lossy_start(struct fixture *f)
{
    struct lossy l = {.proxy = cut_proxy_start(server_port())};
    l.url = url_with(f, "postgres", cut_proxy_port(l.proxy));
    struct store_pg_config config = {.url = l.url};
    reopen(f, &config);
    return l;
}

static void lossy_stop(struct fixture *f, struct lossy *l)
{
    struct store_pg_config config = {.url = pg_plug_url(f->db)};
    reopen(f, &config);
    cut_proxy_stop(l->proxy);
    free(l->url);
}

static void wait_for_count(struct fixture *f, const char *sql, int want)
{
    int64_t end = clock_mono() + 10 * SECOND;
    for (int n = -1; n != want;) {
        char *text = pg_plug_text(f->db, sql);
        n = atoi(text);
        free(text);
        loop_turn(f->loop, USEC_PER_MSEC);
        assert_true(clock_mono() < end);
    }
}

static void jobs_of_a_claim_whose_answer_is_lost_come_all_the_same(void **state)
{
    struct fixture *f = fixture(state);
    for (int i = 0; i < 5; i++)
        add_job(f, i);
    struct lossy l = lossy_start(f);
    struct store_claimed first = claim_one(f);
    cut_proxy_swallow(l.proxy);
    struct store_claim want = {.worker = f->worker, .max = 3};
    struct answer *a = answer_new(f);
    store_claim(f->store, &want, answer_take, a);
    wait_for_count(f, "SELECT count(*) FROM scriptorium.queue WHERE state = 1", 4);
    cut_proxy_cut(l.proxy);
    const struct store_result *r = answer_wait(f, a);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 3);
    for (size_t i = 0; i < r->n; i++) {
        assert_false(uuid_equal(&r->claimed[i].id, &first.id));
        assert_json(f, r->claimed[i].params, "{\"topic\":\"tea\"}");
        assert_int_equal(finish_one(f, &r->claimed[i], STORE_COMPLETE), STORE_HELD);
    }
    assert_int_equal(claim(f, 5, 0)->n, 1);
    assert_int_equal(check_one(f, &first), STORE_HELD);
    lossy_stop(f, &l);
}

static void a_lost_claim_that_comes_late_takes_nothing(void **state)
{
    struct fixture *f = fixture(state);
    char worker[UUID_TEXT_SIZE];
    add_job(f, 1);
    uuid_text(&f->worker, worker);
    char *again = mem_printf("SELECT count(*) FROM scriptorium.claim_again('%s', 0, 1)", worker);
    char *late = mem_printf("SELECT count(*) FROM scriptorium.claim('%s', 5, 0, 0)", worker);
    char *next = mem_printf("SELECT count(*) FROM scriptorium.claim('%s', 5, 0, 1)", worker);
    assert_true(pg_plug_sql(f->db, again));
    assert_false(pg_plug_sql(f->db, late));
    char *rows = pg_plug_text(f->db, next);
    assert_string_equal(rows, "2"); /* the job, and the row that ends it */
    free(rows);
    free(again);
    free(late);
    free(next);
}

static void a_finish_whose_answer_is_lost_is_repeated_and_counts_once(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct lossy l = lossy_start(f);
    struct store_claimed c = claim_one(f);
    assert_int_equal(check_one(f, &c), STORE_HELD);
    struct store_step step = {.key = "a", .input_hash = "h", .output = "x"};
    struct store_held held = {c.id, c.fence};
    assert_int_equal(CALL(f, store_step_save, &held, 1, &step, NULL)->err, OK); /* connects */
    cut_proxy_swallow(l.proxy);
    struct store_finish finish = {.job = id, .fence = c.fence, .outcome = STORE_COMPLETE};
    struct answer *a = answer_new(f);
    store_finish(f->store, &finish, 1, answer_take, a);
    wait_for_count(f, "SELECT count(*) FROM script_generation_jobs WHERE status = 'completed'", 1);
    cut_proxy_cut(l.proxy);
    assert_int_equal(answer_wait(f, a)->lost[0], STORE_HELD); /* the driver has repeated it */
    assert_int_equal(CALL(f, store_finish, &finish, 1)->lost[0], STORE_HELD);
    assert_int_equal(get_job(f, &id)->status, JOB_COMPLETED);
    lossy_stop(f, &l);
}

/* No network does this, but something between us and the server may: then each answer is taken for
 * that of the question before. */
static void an_answer_to_another_question_is_not_believed(void **state)
{
    struct fixture *f = fixture(state);
    for (int i = 0; i < 3; i++)
        add_job(f, i);
    struct lossy l = lossy_start(f);
    struct store_claimed first = claim_one(f);
    cut_proxy_lose_one(l.proxy);
    struct store_claim want = {.worker = f->worker, .max = 1};
    struct answer *claimed = answer_new(f), *rescued = answer_new(f);
    store_claim(f->store, &want, answer_take, claimed);
    loop_turn(f->loop, 0); /* sends it */
    cut_proxy_wait_lost(l.proxy);
    store_rescue(f->store, &f->worker, answer_take, rescued); /* down the same connection */
    const struct store_result *r = answer_wait(f, claimed);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 1); /* the job that the server had given us, not one more */
    assert_false(uuid_equal(&r->claimed[0].id, &first.id));
    r = answer_wait(f, rescued);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->count, 0);
    wait_for_count(f, "SELECT count(*) FROM scriptorium.queue WHERE state = 1", 2);
    lossy_stop(f, &l);
}

/* libpq closes the descriptor itself then, and calls what is sent after that a success. */
static void requests_that_follow_each_other_into_a_cut_connection_are_repeated(void **state)
{
    struct fixture *f = fixture(state);
    add_job(f, 1);
    struct lossy l = lossy_start(f);
    struct store_claimed c = claim_one(f);
    struct store_held held = {c.id, c.fence};
    for (int round = 0; round < 5; round++) {
        struct answer *a[8];
        assert_int_equal(check_one(f, &c), STORE_HELD); /* connected */
        cut_proxy_cut(l.proxy);
        for (int i = 0; i < 8; i++) {
            a[i] = answer_new(f);
            store_check(f->store, &held, 1, answer_take, a[i]);
        }
        for (int i = 0; i < 8; i++) {
            const struct store_result *r = answer_wait(f, a[i]);
            assert_int_equal(r->err, OK);
            assert_int_equal(r->lost[0], STORE_HELD);
        }
    }
    lossy_stop(f, &l);
}

/* A server that was unreachable for a while: what was sent to it then is never answered. */
static void a_connection_that_is_made_hurries_those_that_hang(void **state)
{
    struct fixture *f = fixture(state);
    add_job(f, 1);
    struct store_claimed c = claim_one(f);
    struct store_held held = {c.id, c.fence};
    struct lossy l = lossy_start(f);
    assert_int_equal(check_one(f, &c), STORE_HELD); /* one connection, and no other yet */
    cut_proxy_cut(l.proxy);
    cut_proxy_lose_one(l.proxy); /* the server's first words to whoever connects next */
    struct answer *checked = answer_new(f);
    store_check(f->store, &held, 1, answer_take, checked);
    int64_t later = clock_mono() + 600 * USEC_PER_MSEC;
    while (clock_mono() < later)
        loop_turn(f->loop, USEC_PER_MSEC);
    assert_false(checked->done);
    int64_t start = clock_mono();
    assert_int_equal(get_job(f, &c.id)->status, JOB_PROCESSING);
    const struct store_result *r = answer_wait(f, checked);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->lost[0], STORE_HELD);
    assert_true(clock_mono() - start < 2 * SECOND);
    lossy_stop(f, &l);
}

static void functions_of_another_version_are_named(void **state)
{
    struct fixture *f = fixture(state);
    assert_true(pg_plug_sql(f->db, "DROP FUNCTION scriptorium.workers();"
                                   "CREATE FUNCTION scriptorium.workers() RETURNS integer"
                                   " LANGUAGE sql AS 'SELECT 1'"));
    const struct store_result *r = CALL0(f, store_workers);
    assert_int_equal(r->err, ERR_PROTOCOL);
    assert_non_null(strstr(r->message, "1 columns does not fit workers() (5 columns)"));
    assert_non_null(strstr(r->message, "scriptorium migrate"));
    assert_int_equal(CALL0(f, store_stats)->err, OK);
}

static const struct store_result *say(struct fixture *f, const struct store_claimed *c,
                                      const struct uuid *call, size_t offset, const char *text)
{
    struct store_progress p = {.job = c->id,
                               .fence = c->fence,
                               .text_step = "a",
                               .text_hash = "h",
                               .text_offset = offset,
                               .text = text,
                               .text_len = strlen(text),
                               .call = *call};
    return CALL(f, store_progress, &p, 1);
}

/* After a lost answer the engine sends from where it was sure of, and what came since. */
static void text_that_is_sent_twice_is_stored_once(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1), call = user_id(700);
    struct store_claimed c = claim_one(f);
    assert_int_equal(say(f, &c, &call, 0, "Once ")->lost[0], STORE_HELD);
    assert_int_equal(say(f, &c, &call, 5, "upon ")->lost[0], STORE_HELD);
    assert_int_equal(say(f, &c, &call, 5, "upon ")->lost[0], STORE_HELD);
    assert_int_equal(say(f, &c, &call, 5, "upon a time")->lost[0], STORE_HELD);
    assert_int_equal(say(f, &c, &call, 16, ".")->lost[0], STORE_HELD);
    assert_string_equal(CALL(f, store_steps, &id, 1)->partial, "Once upon a time.");
}

/* ---- clients in the way ---- */

static void a_row_that_a_client_holds_is_busy_and_nothing_waits_behind_it(void **state)
{
    struct fixture *f = fixture(state);
    add_job(f, 1);
    add_job(f, 2);
    struct store_claimed a = claim_one(f), b = claim_one(f);
    char id[UUID_TEXT_SIZE];
    char *sql = mem_printf("BEGIN; UPDATE script_generation_jobs SET priority = 5 WHERE id = '%s'",
                           uuid_text(&a.id, id));
    assert_true(pg_plug_sql(f->db, sql));
    free(sql);
    struct store_finish both[2] = {
        {.job = a.id, .fence = a.fence, .outcome = STORE_COMPLETE},
        {.job = b.id, .fence = b.fence, .outcome = STORE_COMPLETE},
    };
    const struct store_result *r = CALL(f, store_finish, both, 2);
    assert_int_equal(r->err, ERR_BUSY);
    assert_int_equal(get_job(f, &b.id)->status, JOB_COMPLETED);
    assert_true(pg_plug_sql(f->db, "COMMIT"));
    r = CALL(f, store_finish, both, 2);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->lost[0], STORE_HELD);
    assert_int_equal(r->lost[1], STORE_HELD);
    assert_int_equal(get_job(f, &a.id)->status, JOB_COMPLETED);
}

static void a_commit_that_fails_is_a_failure(void **state)
{
    struct fixture *f = fixture(state);
    assert_true(pg_plug_sql(f->db,
                            "CREATE TABLE workflow (id uuid PRIMARY KEY);"
                            "ALTER TABLE script_generation_jobs ADD FOREIGN KEY (workflow_id)"
                            " REFERENCES workflow DEFERRABLE INITIALLY DEFERRED"));
    struct store_new_job j = {.id = user_id(7), .user_id = user_id(1), .workflow_id = user_id(3)};
    const struct store_result *r = CALL(f, store_insert, &j, 1);
    assert_int_equal(r->err, ERR_INVALID);
    assert_non_null(strstr(r->message, "foreign key"));
    assert_null(get_job(f, &j.id));
    assert_int_equal(CALL0(f, store_stats)->err, OK);
}

/* ---- what an operator has to mend ---- */

struct refusal {
    const char *user, *query;
    enum err err;
    const char *says, *advises;
};

static void assert_refused(struct fixture *f, const struct refusal *x)
{
    char *plain = url_with(f, x->user, server_port());
    char *url = mem_printf("%s%s", plain, x->query);
    struct store_pg_config config = {.url = url};
    struct store *mine = f->store;
    f->store = open_config(f, &config);
    int64_t start = clock_mono();
    const struct store_result *r = CALL0(f, store_stats);
    if (r->err != x->err || strstr(r->message, x->says) == NULL)
        print_error("%s%s: %s: %s\n", x->user, x->query, err_name(r->err), r->message);
    assert_int_equal(r->err, x->err);
    assert_non_null(strstr(r->message, x->says));
    assert_non_null(strstr(r->message, x->advises));
    assert_null(strstr(r->message, "hush"));
    assert_null(strchr(r->message, '\n'));
    assert_true(clock_mono() - start < 6 * SECOND);
    store_free(f->store);
    f->store = mine;
    free(url);
    free(plain);
}

static void every_refusal_says_what_to_do(void **state)
{
    struct fixture *f = fixture(state);
    assert_true(pg_plug_sql(
        f->db, "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'stranger') THEN"
               " CREATE ROLE stranger LOGIN; CREATE ROLE with_password LOGIN PASSWORD 'right';"
               " CREATE ROLE with_tls LOGIN; CREATE ROLE nobody_in LOGIN CONNECTION LIMIT 0;"
               " CREATE ROLE reader LOGIN SUPERUSER;"
               " ALTER ROLE reader SET default_transaction_read_only = on; END IF; END $$"));
    const struct refusal all[] = {
        {"with_password:hush", "", ERR_PERMISSION, "password", "correct it in the database URL"},
        {"with_password", "", ERR_PERMISSION, "wants a password", "add it to the database URL"},
        {"with_tls", "", ERR_PERMISSION, "wants TLS", "sslmode=require"},
        {"postgres", "?sslmode=require", ERR_CONNECT, "TLS", "sslmode"},
        {"no_such_role", "", ERR_PERMISSION, "no_such_role", "database URL"},
        {"stranger", "", ERR_PERMISSION, "privilege", "migrate --dry-run"},
        {"nobody_in", "", ERR_CONNECT, "too many connections", "max_connections"},
        {"postgres", "?host=no-such-host.invalid", ERR_CONNECT, "not known", "DNS"},
        {"postgres", "?port=1", ERR_CONNECT, "refused", "is it running"},
        {"postgres", "?dbname=nothing_here", ERR_INVALID, "does not exist", "create it"},
        {"postgres", "?dbname=postgres", ERR_UNSUPPORTED, "not prepared", "scriptorium migrate"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_refused(f, &all[i]);
    char *url = url_with(f, "reader", server_port());
    struct store_pg_config config = {.url = url};
    reopen(f, &config);
    struct store_new_job j = {.user_id = user_id(1)};
    const struct store_result *r = CALL(f, store_insert, &j, 1);
    assert_int_equal(r->err, ERR_CONNECT);
    assert_non_null(strstr(r->message, "read-only"));
    assert_non_null(strstr(r->message, "target_session_attrs"));
    assert_int_equal(CALL0(f, store_stats)->err, ERR_CONNECT); /* before anything is begun */
    free(url);
}

static void a_schema_of_another_program_version_is_told_apart(void **state)
{
    struct fixture *f = fixture(state);
    struct store_pg_config config = {.url = pg_plug_url(f->db)};
    static const char next[] = "INSERT INTO scriptorium.migration (version, name)"
                               " SELECT max(version) + 1, 'x' FROM scriptorium.migration";
    assert_true(pg_plug_sql(f->db, next));
    reopen(f, &config);
    assert_int_equal(CALL0(f, store_stats)->err, OK); /* the next version is understood */
    assert_int_equal(CALL(f, store_migrate, 0)->err, OK);
    assert_true(pg_plug_sql(f->db, next));
    reopen(f, &config);
    const struct store_result *r = CALL0(f, store_stats);
    assert_int_equal(r->err, ERR_NEWER);
    assert_non_null(strstr(r->message, "upgrade"));
    assert_int_equal(CALL(f, store_migrate, 0)->err, ERR_NEWER);
    assert_true(pg_plug_sql(f->db, "DELETE FROM scriptorium.migration"));
    reopen(f, &config);
    r = CALL0(f, store_stats);
    assert_int_equal(r->err, ERR_UNSUPPORTED);
    assert_non_null(strstr(r->message, "scriptorium migrate"));
}

static void urls_that_cannot_be_read_are_refused_without_their_password(void **state)
{
    struct fixture *f = fixture(state);
    static const char *const bad[] = {"postgres://u:hush%zz@h/d", "postgres://u:hush@h/d?nope=1",
                                      "host=h hush", "postgres://a,b,c,d,e,f,g,h,i/d"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct store_pg_config config = {.url = bad[i]};
        struct store *store = NULL;
        struct errmsg msg = {0};
        assert_int_equal(store_pg_open(f->loop, &config, &store, &msg), ERR_INVALID);
        assert_true(strlen(msg.text) > 0);
        assert_null(strstr(msg.text, "hush"));
    }
}

/* ---- hints ---- */

static void count(void *ctx)
{
    ++*(int *)ctx;
}

static void wait_hints(struct fixture *f, enum store_pg_hints want)
{
    int64_t end = clock_mono() + 15 * SECOND;
    while (store_pg_hints(f->store, NULL) != want) {
        loop_turn(f->loop, USEC_PER_MSEC);
        assert_true(clock_mono() < end);
    }
}

static void another_programs_insert_is_told_at_once(void **state)
{
    struct fixture *f = fixture(state);
    int hints = 0;
    store_on_change(f->store, count, &hints);
    wait_hints(f, PG_HINTS_LISTENING);
    loop_turn(f->loop, 0);
    hints = 0;
    assert_true(pg_plug_sql(f->db, "INSERT INTO script_generation_jobs (user_id) VALUES"
                                   " ('01900000-0000-7000-8000-000000000001')"));
    int64_t end = clock_mono() + 5 * SECOND;
    while (hints == 0) {
        loop_turn(f->loop, USEC_PER_MSEC);
        assert_true(clock_mono() < end);
    }
    kill_backends(f); /* the session that listens, too */
    wait_hints(f, PG_HINTS_POLLING);
    assert_int_equal(CALL0(f, store_stats)->err, OK);
    wait_hints(f, PG_HINTS_LISTENING);
    store_on_change(f->store, NULL, NULL);
}

/* Another database hears nothing of this one, as a session behind a transaction pooler. */
static void where_notifications_do_not_arrive_that_is_said(void **state)
{
    struct fixture *f = fixture(state);
    char *deaf = mem_printf("%s/postgres", getenv("PG_URL"));
    struct store_pg_config config = {.url = pg_plug_url(f->db), .listen_url = deaf};
    reopen(f, &config);
    int hints = 0;
    const char *why = "";
    assert_int_equal(CALL0(f, store_stats)->err, OK);
    store_on_change(f->store, count, &hints);
    wait_hints(f, PG_HINTS_POLLING);
    (void)store_pg_hints(f->store, &why);
    assert_non_null(strstr(why, "pooler"));
    assert_int_equal(CALL0(f, store_stats)->err, OK);
    free(deaf);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    conformance_use(&pg_plug);
    const struct CMUnitTest tests[] = {
        CASE(idle_connections_that_die_are_made_again),
        CASE(a_write_whose_backend_dies_says_so),
        CASE(a_fast_restart_is_survived),
        CASE(a_crash_of_the_server_is_survived),
        CASE(while_the_server_is_down_requests_fail_in_time_and_then_work),
        CASE(a_store_is_closed_while_the_server_is_down),
        CASE(jobs_of_a_claim_whose_answer_is_lost_come_all_the_same),
        CASE(a_lost_claim_that_comes_late_takes_nothing),
        CASE(an_answer_to_another_question_is_not_believed),
        CASE(requests_that_follow_each_other_into_a_cut_connection_are_repeated),
        CASE(a_connection_that_is_made_hurries_those_that_hang),
        CASE(functions_of_another_version_are_named),
        CASE(a_finish_whose_answer_is_lost_is_repeated_and_counts_once),
        CASE(text_that_is_sent_twice_is_stored_once),
        CASE(a_row_that_a_client_holds_is_busy_and_nothing_waits_behind_it),
        CASE(a_commit_that_fails_is_a_failure),
        CASE(every_refusal_says_what_to_do),
        CASE(a_schema_of_another_program_version_is_told_apart),
        CASE(urls_that_cannot_be_read_are_refused_without_their_password),
        CASE(another_programs_insert_is_told_at_once),
        CASE(where_notifications_do_not_arrive_that_is_said),
    };
    return cmocka_run_group_tests_name("pg_loss", tests, NULL, NULL);
}
