/* In: PG_URL, a server whose database "postgres" may be filled (tests/conformance/with_pg.sh starts
 * one). Out: what the PostgreSQL store does there: no-op jobs/s in batches of 500, and how long
 * after its commit a client's job is picked up. */
#include "bench.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "store/pg/store_pg.h"

#define JOBS    50000
#define USERS   100
#define BATCH   500
#define WORKERS 2  /* claims under way at once: one claims while another finishes */
#define CAP     50 /* per user: in force, but enough for two batches of a hundred users */
#define BINDING 6  /* of 600 places: less than two batches */
#define PICKUPS 1000

struct bench {
    struct bench_out out;
    struct loop *loop;
    int cap;
    struct store *store;
    struct uuid worker;
    bool done;
    size_t claimed_n;
    int idle;
    int64_t finished;
    struct store_claimed one;
};

static void check(const struct store_result *r)
{
    if (r->err == OK)
        return;
    (void)fprintf(stderr, "bench_pg: %s\n", r->message);
    exit(1);
}

static void on_done(void *ctx, const struct store_result *r)
{
    struct bench *b = ctx;
    check(r);
    b->done = true;
}

static void await(struct bench *b)
{
    while (!b->done)
        loop_turn(b->loop, USEC_PER_SEC);
    b->done = false;
}

static struct uuid user(int n)
{
    struct uuid id = {{0x01, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80}};
    id.bytes[15] = (uint8_t)n;
    return id;
}

static void insert_all(struct bench *b)
{
    struct store_new_job *jobs = mem_array(STORE_BATCH_MAX, sizeof *jobs);
    for (int done = 0; done < JOBS; done += STORE_BATCH_MAX) {
        for (int i = 0; i < STORE_BATCH_MAX; i++)
            jobs[i] =
                (struct store_new_job){.user_id = user(i % USERS), .params = "{\"topic\":\"tea\"}"};
        store_insert(b->store, jobs, STORE_BATCH_MAX, on_done, b);
        await(b);
    }
    free(jobs);
}

/* ---- throughput ---- */

static void claim(struct bench *b);

/* Who found all users at their caps asks again: there is room now. */
static void on_finished(void *ctx, const struct store_result *r)
{
    struct bench *b = ctx;
    check(r);
    b->finished += (int64_t)r->n;
    while (b->idle > 0 && b->finished < JOBS) {
        b->idle--;
        claim(b);
    }
}

static void on_claimed(void *ctx, const struct store_result *r)
{
    struct bench *b = ctx;
    check(r);
    struct store_finish *items = mem_array(r->n, sizeof *items);
    for (size_t i = 0; i < r->n; i++)
        items[i] = (struct store_finish){.job = r->claimed[i].id,
                                         .fence = r->claimed[i].fence,
                                         .outcome = STORE_COMPLETE,
                                         .script = "# Tea",
                                         .metadata = "{}"};
    if (r->n > 0)
        store_finish(b->store, items, r->n, on_finished, b);
    free(items);
    if (r->n > 0)
        claim(b);
    else
        b->idle++;
}

static void claim(struct bench *b)
{
    struct store_claim c = {.worker = b->worker, .max = BATCH, .cap_per_user = b->cap};
    store_claim(b->store, &c, on_claimed, b);
}

static void throughput(struct bench *b, const char *what, int cap, double least)
{
    b->cap = cap;
    insert_all(b);
    int64_t start = clock_mono();
    b->idle = 0;
    b->finished = 0;
    for (int i = 0; i < WORKERS; i++)
        claim(b);
    while (b->idle < WORKERS || b->finished < JOBS)
        loop_turn(b->loop, USEC_PER_SEC);
    double rate = JOBS * 1e6 / (double)(clock_mono() - start);
    if (least > 0)
        bench_at_least(&b->out, what, rate, "jobs/s", least);
    else
        bench_figure(&b->out, what, rate, "jobs/s");
}

/* ---- pickup ---- */

static void on_one(void *ctx, const struct store_result *r)
{
    struct bench *b = ctx;
    check(r);
    b->claimed_n = r->n;
    if (r->n > 0)
        b->one = r->claimed[0];
    b->done = true;
}

static void on_change(void *ctx)
{
    struct bench *b = ctx;
    b->idle = 1;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void claim_one(struct bench *b)
{
    struct store_claim c = {.worker = b->worker, .max = 1, .cap_per_user = CAP};
    b->claimed_n = 0;
    while (b->claimed_n == 0) {
        while (b->idle == 0)
            loop_turn(b->loop, USEC_PER_SEC);
        b->idle = 0;
        store_claim(b->store, &c, on_one, b);
        await(b);
    }
}

static void pickup(struct bench *b, PGconn *client)
{
    static int64_t took[PICKUPS];
    store_on_change(b->store, on_change, b);
    while (store_pg_hints(b->store, NULL) != PG_HINTS_LISTENING)
        loop_turn(b->loop, USEC_PER_SEC);
    for (int i = 0; i < PICKUPS; i++) {
        loop_turn(b->loop, 2 * USEC_PER_MSEC); /* late hints of the job before */
        b->idle = 0;
        PQclear(PQexec(client, "INSERT INTO script_generation_jobs (user_id) VALUES"
                               " ('01900000-0000-7000-8000-000000000001')"));
        int64_t start = clock_mono();
        claim_one(b);
        took[i] = clock_mono() - start;
        struct store_finish f = {
            .job = b->one.id, .fence = b->one.fence, .outcome = STORE_COMPLETE};
        store_finish(b->store, &f, 1, on_done, b);
        await(b);
    }
    store_on_change(b->store, NULL, NULL);
    qsort(took, PICKUPS, sizeof took[0], by_size);
    int middle = PICKUPS / 2, late = PICKUPS * 99 / 100;
    bench_at_most(&b->out, "pickup after commit, p50", (double)took[middle] / 1e3, "ms", 1);
    bench_at_most(&b->out, "pickup after commit, p99", (double)took[late] / 1e3, "ms", 5);
}

int main(void)
{
    const char *server = getenv("PG_URL");
    if (server == NULL) {
        (void)fprintf(stderr, "bench_pg: run it with tests/conformance/with_pg.sh\n");
        return 2;
    }
    struct bench b = {0};
    struct errmsg msg = {0};
    char *url = mem_printf("%s/postgres", server);
    struct store_pg_config config = {.url = url};
    if (loop_new(&b.loop) != OK || store_pg_open(b.loop, &config, &b.store, &msg) != OK) {
        (void)fprintf(stderr, "bench_pg: %s\n", msg.text);
        return 1;
    }
    store_migrate(b.store, 0, on_done, &b);
    await(&b);
    struct store_worker w = {
        .id = uuid_new(clock_wall()), .name = "bench", .lease_us = 3600 * USEC_PER_SEC};
    b.worker = w.id;
    store_worker_open(b.store, &w, on_done, &b);
    await(&b);
    /* A table as users have it: with four indexes, not the one that we give to a table of ours. */
    PGconn *client = PQconnectdb(url);
    PQclear(PQexec(client, "DROP INDEX script_generation_jobs_created_idx"));
    bench_begin(&b.out, "pg", "50,000 jobs of 100 users, 2 batches of 500, cap 50 a user");
    throughput(&b, "claim and complete, no history", CAP, 20000);
    throughput(&b, "claim and complete, 50,000 ended before", CAP, 20000);
    throughput(&b, "the same, under a cap of 6 that binds", BINDING, 0);
    pickup(&b, client);
    PQfinish(client);
    store_free(b.store);
    loop_free(b.loop);
    free(url);
    return 0;
}
