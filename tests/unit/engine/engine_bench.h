/* In: nothing. Out: an engine on a real loop, with a real database file and the real simulated
 * provider behind real HTTP, all in this process; and a second connection that plays the clients.
 */
#ifndef TESTS_ENGINE_BENCH_H
#define TESTS_ENGINE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "engine/engine.h"
#include "flaky_store.h"
#include "provider/sim/sim.h"

struct bench;

struct worker { /* an engine with its way to the provider */
    struct bench *bench;
    struct provider *provider;
    struct pacer *pacer;
    struct engine *engine;
    int told[ENGINE_EVENT_MAX];
    char message[ENGINE_EVENT_MAX][512]; /* the last of each kind */
    int max_running;
    char shown[1024]; /* what the jobs' rows were to show: a step whenever it changes, its progress
                       */
    char step[64];    /* the last of them */
    int progress, falls;            /* how often it went back within an attempt */
    enum engine_event_kind stop_at; /* engine_stop() from inside this event; MAX = never */
};

struct bench {
    char dir[200];
    char *path;
    struct loop *loop;
    struct flaky_store *flaky;
    struct store *store;
    sqlite3 *client;
    struct sim *sim;
    struct http_client *http;
    struct pipeline *pipeline;
    struct catalog *catalog;
    struct worker workers[2];
    struct worker *w; /* the first */
};

int bench_setup(void **state);
int bench_teardown(void **state); /* stops what runs; the ledger must be closed and true */

struct bench_options {
    double speed; /* 0 = 200 */
    struct engine_config config;
    bool unreachable; /* nobody answers at the provider's address */
    int64_t idle_timeout_us;
};
/* Makes the simulator if there is none yet, and worker i; starts it. */
struct worker *bench_start(struct bench *b, size_t i, const struct bench_options *options);
void bench_stop(struct worker *w); /* stops, waits for ENGINE_STOPPED, frees the engine */

/* One job; NULL or "" = {"topic": "Tides", "targetDuration": 120}. */
struct uuid bench_insert(struct bench *b, const char *params);
#define LONG_REQUEST "{\"topic\":\"Tides\",\"targetDuration\":600}"

/* Turns the loop until sql (one number, by the client's connection) is not 0. */
void bench_until(struct bench *b, const char *sql);
void bench_until_told(struct worker *w, enum engine_event_kind kind, int times);
void bench_pass(struct bench *b, int64_t us); /* turns the loop for so long */

void bench_sql(struct bench *b, const char *sql);
int64_t bench_number(struct bench *b, const char *sql);
/* The status and the like of the only job; at most 511 bytes; good until the next call. */
const char *bench_text(struct bench *b, const char *sql);

void bench_faults(struct bench *b, const char *json); /* as POST /sim/faults takes it */
/* Every call of the ledger is closed, and what it says is what the provider did. */
void bench_check_ledger(struct bench *b);
uint64_t bench_requests(struct bench *b); /* that the provider has seen */

#endif
