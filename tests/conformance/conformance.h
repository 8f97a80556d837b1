/* In: a store that wants to be one. Out: whether it keeps every promise of store.h. The suite knows
 * a store only by store.h and by what a client may do to the users' table in SQL. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "io/loop.h"
#include "store/store.h"

#define SECOND ((int64_t)1000000)

struct conformance_plug {
    const char *name;
    bool shared;    /* several engines: none may think itself alone, and an answer that got lost may
                       be asked for again */
    bool json_form; /* JSON comes back as a value, in the database's own spelling */
    void *(*make)(void);        /* an empty database */
    void (*drop)(void *db);     /* and away with it */
    struct loop *(*loop)(void); /* whose time `pass` moves */
    /* The first handle is the engine's; others belong to other programs. */
    struct store *(*open)(void *db, struct loop *loop, bool engine);
    /* Time goes by for the store; less than nothing: its clock is set back. */
    void (*pass)(void *db, struct loop *loop, int64_t us);
    int64_t (*now)(void *db, struct loop *loop); /* its wall clock; NULL: the loop's */
    /* A client's statement on a connection of its own. Booleans and dates are not needed; ids are
     * text literals. False when it failed. */
    bool (*raw)(void *db, const char *sql);
};

/* Names the plug whose databases fixtures are made of. */
void conformance_use(const struct conformance_plug *plug);
/* Runs everything; the number of failed tests. */
int conformance_run(const struct conformance_plug *plug);

/* ---- for the files of the suite ---- */

struct answer { /* a result, copied; lives until the test ends */
    bool done;
    struct arena *arena;
    struct store_result r;
};

struct fixture {
    const struct conformance_plug *plug;
    void *db;
    struct loop *loop;
    struct store *store;
    struct uuid worker; /* with an open lease */
    struct answer *latest;
    struct arena arena;
};

/* The fixture of the running test. */
struct fixture *fixture(void **state);

struct answer *answer_new(struct fixture *f);
void answer_take(void *ctx, const struct store_result *r); /* a store_fn */
const struct store_result *answer_wait(struct fixture *f, struct answer *a);
/* CALL(f, store_get, &id): the verb's result. CALL0 for a verb without arguments. */
#define CALL(f, verb, ...)                                                                         \
    (verb((f)->store, __VA_ARGS__, answer_take, answer_new(f)), answer_wait((f), (f)->latest))
#define CALL0(f, verb) (verb((f)->store, answer_take, answer_new(f)), answer_wait((f), (f)->latest))

struct uuid user_id(int n); /* always the same for the same n */
struct uuid add_job(struct fixture *f, int user);
struct uuid add_job_at(struct fixture *f, int user, int priority, int64_t run_at_us);
const struct store_result *claim(struct fixture *f, size_t max, int cap);
struct store_claimed claim_one(struct fixture *f);
const struct store_job *get_job(struct fixture *f, const struct uuid *id);
enum store_lost finish_one(struct fixture *f, const struct store_claimed *c,
                           enum store_outcome outcome);
/* A model call of that attempt: 1000 tokens in at $3, out at $15 a million. */
struct uuid open_call_of(struct fixture *f, const struct store_claimed *c,
                         const struct uuid *worker);
enum store_lost check_one(struct fixture *f, const struct store_claimed *c);
/* A client's statement about one job: SQL with one %s for its id. */
bool raw(struct fixture *f, const char *sql, const struct uuid *id);
void pass(struct fixture *f, int64_t us);
int64_t wall(const struct fixture *f); /* the store's wall clock */
struct uuid open_worker(struct fixture *f, int64_t lease_us);

/* JSON text as the store gives it back. */
void assert_json(const struct fixture *f, const char *got, const char *want);

extern const struct CMUnitTest jobs_tests[], trigger_tests[], claim_tests[], attempt_tests[],
    worker_tests[], random_tests[], history_tests[], follow_tests[], live_tests[],
    deployment_tests[], webhook_tests[], schedule_tests[];
extern const size_t jobs_tests_n, trigger_tests_n, claim_tests_n, attempt_tests_n, worker_tests_n,
    random_tests_n, history_tests_n, follow_tests_n, live_tests_n, deployment_tests_n,
    webhook_tests_n, schedule_tests_n;
extern const struct CMUnitTest control_tests[];
extern const size_t control_tests_n;
int fixture_setup(void **state);
int fixture_teardown(void **state);
#define CASE(fn)    cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
#define CASES(name) const size_t name##_n = sizeof name / sizeof name[0]

#endif
