/* In: nothing. Out: the bench of engine_bench.h. */
#include "engine_bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/temp_dir.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "provider/sim/sim_core.h"
#include "store/sqlite/store_sqlite.h"
#include "text/json.h"

#define PATIENCE_US (60 * USEC_PER_SEC)

/* ---- what is shipped ---- */

static char *read_file(const char *path, size_t *ret_n)
{
    struct buf b = BUF_INIT(1u << 20);
    char chunk[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_put(&b, chunk, n);
    assert_int_equal(fclose(f), 0);
    *ret_n = b.len;
    return buf_take(&b);
}

static void load_pipeline(struct bench *b)
{
    static const char *const names[] = {"pipeline.yaml",     "system.md", "outline.md",
                                        "outline_repair.md", "chunk.md",  "expand.md",
                                        "continue.md"};
    struct pipeline_file files[7];
    char *texts[7];
    struct errmsg msg = {0};
    for (size_t i = 0; i < 7; i++) {
        char *path = mem_printf("%s/%s", PIPELINE_DIR, names[i]);
        texts[i] = read_file(path, &files[i].len);
        files[i].name = names[i];
        files[i].text = texts[i];
        free(path);
    }
    if (pipeline_parse(files, 7, &b->pipeline, &msg) != OK)
        fail_msg("%s", msg.text);
    for (size_t i = 0; i < 7; i++)
        free(texts[i]);
    size_t n;
    char *models = read_file(MODELS_FILE, &n);
    if (catalog_parse(models, n, "models.yaml", &b->catalog, &msg) != OK)
        fail_msg("%s", msg.text);
    free(models);
}

/* ---- up and down ---- */

int bench_setup(void **state)
{
    struct bench *b = mem_alloc(sizeof *b);
    struct errmsg msg = {0};
    log_set_level(LOG_ERROR);
    (void)signal(SIGXFSZ, SIG_IGN);
    temp_dir(b->dir, sizeof b->dir, "engine");
    b->path = mem_printf("%s/jobs.db", b->dir);
    assert_int_equal(loop_new(&b->loop), OK);
    struct store_sqlite_config store = {.path = b->path, .engine = true, .create = true};
    struct store *inner;
    if (store_sqlite_open(b->loop, &store, &inner, &msg) != OK)
        fail_msg("%s", msg.text);
    b->flaky = flaky_store_new(b->loop, inner);
    b->store = &b->flaky->base;
    assert_int_equal(sqlite3_open(b->path, &b->client), SQLITE_OK);
    sqlite3_busy_timeout(b->client, 5000);
    load_pipeline(b);
    b->w = &b->workers[0];
    *state = b;
    return 0;
}

static void drop_files(const struct bench *b)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock", ".writers"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *name = mem_printf("%s%s", b->path, suffixes[i]);
        (void)unlink(name);
        free(name);
    }
    (void)rmdir(b->dir);
}

int bench_teardown(void **state)
{
    struct bench *b = *state;
    for (size_t i = 0; i < 2; i++) {
        if (b->workers[i].engine != NULL)
            bench_stop(&b->workers[i]);
        pacer_free(b->workers[i].pacer);
        provider_free(b->workers[i].provider);
    }
    http_client_free(b->http);
    sim_free(b->sim);
    store_free(b->store);
    sqlite3_close(b->client);
    loop_free(b->loop);
    pipeline_free(b->pipeline);
    catalog_free(b->catalog);
    drop_files(b);
    free(b->path);
    free(b);
    return 0;
}

static void note_shown(struct worker *w, const struct engine_event *ev)
{
    if (ev->kind == ENGINE_JOB_CLAIMED)
        w->progress = 0;
    w->falls += ev->progress < w->progress;
    w->progress = ev->progress;
    if (strcmp(w->step, ev->step) == 0)
        return;
    size_t n = strlen(w->shown);
    (void)snprintf(w->step, sizeof w->step, "%s", ev->step);
    (void)snprintf(w->shown + n, sizeof w->shown - n, "%s%s %d", n > 0 ? ", " : "", ev->step,
                   ev->progress);
}

static void on_event(void *ctx, const struct engine_event *ev)
{
    struct worker *w = ctx;
    w->told[ev->kind]++;
    if (ev->step != NULL)
        note_shown(w, ev);
    int running = (int)engine_running(w->engine);
    if (running > w->max_running)
        w->max_running = running;
    if (ev->message != NULL)
        (void)snprintf(w->message[ev->kind], sizeof w->message[0], "%s", ev->message);
    if (ev->kind == w->stop_at)
        engine_stop(w->engine);
}

static void make_simulator(struct bench *b, double speed)
{
    struct errmsg msg = {0};
    struct sim_config config = {
        .host = "127.0.0.1", .seed = 7, .speed = speed > 0 ? speed : 200, .catalog = b->catalog};
    struct http_client_config http = {.user_agent = "test"};
    if (sim_new(b->loop, &config, &b->sim, &msg) != OK ||
        http_client_new(b->loop, &http, &b->http, &msg) != OK)
        fail_msg("%s", msg.text);
}

struct worker *bench_start(struct bench *b, size_t i, const struct bench_options *options)
{
    struct worker *w = &b->workers[i];
    struct errmsg msg = {0};
    if (b->sim == NULL)
        make_simulator(b, options->speed);
    if (w->provider == NULL) {
        struct messages_config config = {.base_url = options->unreachable ? "http://127.0.0.1:1"
                                                                          : sim_url(b->sim),
                                         .api_key = "test",
                                         .idle_timeout_us = options->idle_timeout_us};
        if (provider_messages_new(b->loop, b->http, &config, &w->provider, &msg) != OK)
            fail_msg("%s", msg.text);
        struct pacer_config pace = {.burst_us = 2 * USEC_PER_SEC};
        w->pacer = pacer_new(&pace);
    }
    struct engine_config config = options->config;
    if (config.grace_us == 0)
        config.grace_us = 1; /* what streams is cut at once */
    config.seed = 7;
    w->bench = b;
    memset(w->told, 0, sizeof w->told);
    memset(w->message, 0, sizeof w->message);
    w->shown[0] = w->step[0] = '\0';
    w->stop_at = ENGINE_EVENT_MAX;
    w->engine = engine_new(b->loop, b->store, w->provider, w->pacer, b->pipeline, b->catalog,
                           &config, on_event, w);
    engine_start(w->engine);
    return w;
}

void bench_stop(struct worker *w)
{
    engine_stop(w->engine);
    bench_until_told(w, ENGINE_STOPPED, 1);
    engine_free(w->engine);
    w->engine = NULL;
}

/* ---- waiting ---- */

void bench_until_told(struct worker *w, enum engine_event_kind kind, int times)
{
    struct loop *loop = w->bench->loop;
    int64_t end = clock_mono() + PATIENCE_US;
    while (w->told[kind] < times) {
        if (clock_mono() > end)
            fail_msg("event %d came %d times, not %d; trouble: %s", (int)kind, w->told[kind], times,
                     w->message[ENGINE_TROUBLE]);
        loop_turn(loop, 20 * USEC_PER_MSEC);
    }
}

void bench_until(struct bench *b, const char *sql)
{
    int64_t end = clock_mono() + PATIENCE_US;
    while (bench_number(b, sql) == 0) {
        if (clock_mono() > end)
            fail_msg("in vain: %s", sql);
        loop_turn(b->loop, 5 * USEC_PER_MSEC);
    }
}

void bench_pass(struct bench *b, int64_t us)
{
    int64_t end = clock_mono() + us;
    while (clock_mono() < end)
        loop_turn(b->loop, end - clock_mono());
}

/* ---- the clients ---- */

struct inserted {
    struct uuid id;
    bool done;
};

static void on_inserted(void *ctx, const struct store_result *r)
{
    struct inserted *inserted = ctx;
    assert_int_equal(r->err, OK);
    inserted->id = r->inserted[0].id;
    inserted->done = true;
}

struct uuid bench_insert(struct bench *b, const char *params)
{
    struct inserted inserted = {0};
    struct store_new_job job = {.user_id = uuid_new(clock_wall()), .max_retries = -1};
    job.params = params != NULL ? params : "{\"topic\":\"Tides\",\"targetDuration\":120}";
    store_insert(b->store, &job, 1, on_inserted, &inserted);
    while (!inserted.done)
        loop_turn(b->loop, 20 * USEC_PER_MSEC);
    return inserted.id;
}

void bench_sql(struct bench *b, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(b->client, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
}

const char *bench_text(struct bench *b, const char *sql)
{
    static char text[512];
    sqlite3_stmt *q;
    if (sqlite3_prepare_v2(b->client, sql, -1, &q, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(b->client));
    text[0] = '\0';
    if (sqlite3_step(q) == SQLITE_ROW && sqlite3_column_text(q, 0) != NULL)
        (void)snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    return text;
}

int64_t bench_number(struct bench *b, const char *sql)
{
    return strtoll(bench_text(b, sql), NULL, 10);
}

/* ---- the provider ---- */

void bench_faults(struct bench *b, const char *text)
{
    json_t *list;
    struct errmsg msg = {0};
    assert_int_equal(json_parse(text, strlen(text), 65536, &list, &msg), OK);
    if (b->sim == NULL)
        make_simulator(b, 0);
    if (fates_order(b->sim->fates, list, &msg) != OK)
        fail_msg("%s", msg.text);
    json_decref(list);
}

uint64_t bench_requests(struct bench *b)
{
    return truth_sum(b->sim->truth).requests;
}

static void check_entry(struct bench *b, const struct truth_entry *t)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql, "SELECT state FROM scriptorium_call WHERE id = '%s'", t->call);
    int64_t state = bench_number(b, sql);
    assert_in_range(state, CALL_EXACT, CALL_UNBILLED); /* 0: open, or not there at all */
    if (state == CALL_UNBILLED)
        assert_int_equal(t->generated, 0);
    if (state != CALL_EXACT)
        return;
    assert_true(t->completed);
    (void)snprintf(sql, sizeof sql,
                   "SELECT input = %lld AND output = %lld FROM scriptorium_call WHERE id = '%s'",
                   (long long)t->input_tokens, (long long)t->generated, t->call);
    assert_int_equal(bench_number(b, sql), 1);
}

void bench_check_ledger(struct bench *b)
{
    assert_int_equal(bench_number(b, "SELECT count(*) FROM scriptorium_call WHERE state = 0"), 0);
    uint64_t n = bench_requests(b);
    for (uint64_t i = 1; i <= n; i++)
        check_entry(b, truth_find(b->sim->truth, i));
    /* A finished call is never made again: one exact call a step, unless its answer was not kept.
     */
    assert_int_equal(bench_number(b, "SELECT count(*) FROM (SELECT 1 FROM scriptorium_call"
                                     " WHERE state = 1 GROUP BY job_id, run, step"
                                     " HAVING count(*) > 1)"),
                     0);
    /* Nor does one carry another's number. */
    assert_int_equal(bench_number(b, "SELECT count(*) - count(DISTINCT request_id)"
                                     " FROM scriptorium_call WHERE request_id <> ''"),
                     0);
}
