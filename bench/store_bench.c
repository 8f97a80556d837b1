/* In: a directory (default: the working one). Out: what the SQLite store does there: jobs/s in
 * batches, inserts/s, pickup latency, and the time of a claim before small and large tables. */
#include "bench.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/sqlite/store_sqlite.h"

#define BATCH  500
#define LANES  2 /* batches in flight */
#define USERS  100
#define PICKUP 300

struct bench {
    struct bench_out *out;
    char *dir, *path;
    struct loop *loop;
    struct store *store;
    struct uuid worker, users[USERS];
    int waiting; /* answers not here yet */
    struct store_claimed claimed[STORE_BATCH_MAX];
    size_t n;
    bool hinted;
};

/* ---- plumbing ---- */

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_store: %s: %s\n", what, why);
    exit(1);
}

static void check(const struct store_result *r)
{
    if (r->err != OK)
        die("store", r->message);
}

static void on_done(void *ctx, const struct store_result *r)
{
    struct bench *b = ctx;
    check(r);
    if (--b->waiting == 0)
        loop_stop(b->loop);
}

static void on_claimed(void *ctx, const struct store_result *r)
{
    struct bench *b = ctx;
    check(r);
    b->n = r->n;
    if (r->n > 0)
        memcpy(b->claimed, r->claimed, r->n * sizeof *r->claimed);
    if (--b->waiting == 0)
        loop_stop(b->loop);
}

static void drain(struct bench *b)
{
    while (b->waiting > 0)
        loop_run(b->loop);
}

static void begin(struct bench *b)
{
    struct store_sqlite_config config = {.path = b->path, .engine = true};
    struct errmsg msg = {0};
    if (loop_new(&b->loop) != OK)
        die("loop", "cannot start");
    if (store_sqlite_open(b->loop, &config, &b->store, &msg) != OK)
        die("open", msg.text);
    b->worker = uuid_new(clock_wall());
    for (int i = 0; i < USERS; i++)
        b->users[i] = uuid_new(clock_wall());
    struct store_worker w = {.id = b->worker, .name = "bench", .lease_us = 3600 * USEC_PER_SEC};
    b->waiting++;
    store_worker_open(b->store, &w, on_done, b);
    drain(b);
}

static void end(struct bench *b)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock", ".writers"};
    store_free(b->store);
    loop_free(b->loop);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *name = mem_printf("%s%s", b->path, suffixes[i]);
        (void)unlink(name);
        free(name);
    }
}

/* ---- moves ---- */

static void insert(struct bench *b, size_t n)
{
    static struct store_new_job jobs[STORE_BATCH_MAX];
    for (size_t i = 0; i < n; i++)
        jobs[i] = (struct store_new_job){.user_id = b->users[i % USERS],
                                         .params = "{\"topic\":\"tea\",\"targetDuration\":600}"};
    b->waiting++;
    store_insert(b->store, jobs, n, on_done, b);
}

static void insert_all(struct bench *b, size_t jobs)
{
    for (size_t i = 0; i < jobs; i += STORE_BATCH_MAX) {
        insert(b, STORE_BATCH_MAX);
        if (b->waiting >= 4)
            drain(b);
    }
    drain(b);
}

static void ask(struct bench *b, size_t max, store_fn fn)
{
    struct store_claim c = {.worker = b->worker, .max = max, .cap_per_user = 100};
    b->waiting++;
    store_claim(b->store, &c, fn, b);
}

static void complete(struct bench *b, const struct store_claimed *c, size_t n)
{
    static struct store_finish items[STORE_BATCH_MAX];
    for (size_t i = 0; i < n; i++)
        items[i] = (struct store_finish){.job = c[i].id,
                                         .fence = c[i].fence,
                                         .outcome = STORE_COMPLETE,
                                         .script = "# Tea",
                                         .metadata = "{\"words\":1}"};
    b->waiting++;
    store_finish(b->store, items, n, on_done, b);
}

static double seconds_since(int64_t start)
{
    return (double)(clock_mono() - start) / 1e6;
}

static double cpu_seconds(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* ---- figures ---- */

/* least: what it is to be, 0 = whatever it is. */
static void print_rate(struct bench *b, const char *what, size_t jobs, double seconds, double cpu,
                       double least)
{
    if (least > 0)
        bench_at_least(b->out, what, (double)jobs / seconds, "jobs/s", least);
    else
        bench_figure(b->out, what, (double)jobs / seconds, "jobs/s");
    char *cpu_what = mem_printf("%s, CPU", what);
    bench_figure(b->out, cpu_what, cpu * 1e6 / (double)jobs, "us a job");
    free(cpu_what);
}

/* A lane completes what it has claimed and claims the next; the lanes share commits. */
static void on_lane(void *ctx, const struct store_result *r)
{
    struct bench *b = ctx;
    check(r);
    if (r->n > 0) {
        complete(b, r->claimed, r->n);
        ask(b, BATCH, on_lane);
    }
    if (--b->waiting == 0)
        loop_stop(b->loop);
}

static void work_off(struct bench *b)
{
    for (int i = 0; i < LANES; i++)
        ask(b, BATCH, on_lane);
    drain(b);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void on_hint(void *ctx)
{
    struct bench *b = ctx;
    b->hinted = true;
    loop_stop(b->loop);
}

static void insert_as_other(sqlite3 *other, const struct bench *b)
{
    char id[UUID_TEXT_SIZE];
    char *sql = mem_printf("INSERT INTO script_generation_jobs (user_id) VALUES ('%s')",
                           uuid_text(&b->users[0], id));
    if (sqlite3_exec(other, sql, NULL, NULL, NULL) != SQLITE_OK)
        die("insert", sqlite3_errmsg(other));
    free(sql);
}

/* From just before the insert to the claimed job in hand. */
static void pickup(struct bench *b, int rounds, bool by_other)
{
    static int64_t took[PICKUP];
    sqlite3 *other = NULL;
    if (sqlite3_open(b->path, &other) != SQLITE_OK)
        die("open", sqlite3_errmsg(other));
    (void)sqlite3_exec(other, "PRAGMA wal_autocheckpoint=0", NULL, NULL, NULL);
    store_on_change(b->store, on_hint, b);
    for (int i = 0; i < rounds; i++) {
        int64_t start = clock_mono();
        b->n = 0;
        b->hinted = false;
        if (by_other)
            insert_as_other(other, b);
        else
            insert(b, 1);
        while (b->n == 0) {
            while (!b->hinted)
                loop_run(b->loop);
            b->hinted = false;
            ask(b, 1, on_claimed);
            drain(b);
        }
        took[i] = clock_mono() - start;
        complete(b, b->claimed, b->n);
        drain(b);
    }
    store_on_change(b->store, NULL, NULL);
    sqlite3_close(other);
    int middle = rounds / 2, late = rounds * 99 / 100;
    qsort(took, (size_t)rounds, sizeof took[0], compare);
    double p50 = (double)took[middle] / 1e3, p99 = (double)took[late] / 1e3;
    if (by_other) {
        bench_figure(b->out, "pickup, insert by another process, p50", p50, "ms");
        bench_figure(b->out, "pickup, insert by another process, p99", p99, "ms");
    } else {
        bench_at_most(b->out, "pickup, p50", p50, "ms", 1);
        bench_at_most(b->out, "pickup, p99", p99, "ms", 5);
    }
}

static double claim_ms(struct bench *b)
{
    enum { ROUNDS = 20 };
    int64_t took[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = clock_mono();
        ask(b, 100, on_claimed);
        drain(b);
        took[i] = clock_mono() - start;
        complete(b, b->claimed, b->n);
        drain(b);
    }
    qsort(took, ROUNDS, sizeof took[0], compare);
    int64_t middle = took[ROUNDS / 2];
    return (double)middle / 1e3;
}

static void claims_by_size(struct bench *b, size_t large)
{
    begin(b);
    insert_all(b, 10000);
    double small_backlog = claim_ms(b);
    work_off(b);
    insert_all(b, 10000);
    double small_history = claim_ms(b);
    insert_all(b, large);
    double large_backlog = claim_ms(b);
    work_off(b);
    insert_all(b, 10000);
    double large_history = claim_ms(b);
    char *backlog = mem_printf("claim of 100, backlog %zu", large);
    char *history = mem_printf("claim of 100, history %zu", large);
    bench_figure(b->out, "claim of 100, backlog 10000", small_backlog, "ms");
    bench_figure(b->out, backlog, large_backlog, "ms");
    bench_figure(b->out, "claim of 100, history 10000", small_history, "ms");
    bench_figure(b->out, history, large_history, "ms");
    free(backlog);
    free(history);
    end(b);
}

int bench_store(struct bench_out *out, int argc, char **argv)
{
    struct bench b = {.out = out};
    size_t jobs = 50000;
    long large = bench_number(argc, argv, 1, 1000000, 100000000);
    if (argc > 2 || large < 0) {
        (void)fprintf(stderr, "store takes: [DIR] [ROWS of backlog and history, 0 = without]\n");
        return 2;
    }
    b.dir = mem_strdup(argc > 0 ? argv[0] : ".");
    b.path = mem_printf("%s/store_bench.%d.db", b.dir, (int)getpid());
    char *conditions =
        mem_printf("SQLite %s, WAL, synchronous=FULL, %ld CPUs, 100 users, history kept",
                   sqlite3_libversion(), sysconf(_SC_NPROCESSORS_ONLN));
    bench_begin(out, "store", conditions);
    free(conditions);

    begin(&b);
    int64_t start = clock_mono();
    double cpu = cpu_seconds();
    insert_all(&b, jobs);
    print_rate(&b, "enqueue, batches of 1000", jobs, seconds_since(start), cpu_seconds() - cpu, 0);
    start = clock_mono();
    cpu = cpu_seconds();
    work_off(&b);
    print_rate(&b, "claim and complete, 2 batches of 500", jobs, seconds_since(start),
               cpu_seconds() - cpu, 40000);
    pickup(&b, PICKUP, false);
    pickup(&b, 30, true);
    end(&b);
    if (large > 0)
        claims_by_size(&b, (size_t)large);
    bench_end(out);
    free(b.dir);
    free(b.path);
    return 0;
}
