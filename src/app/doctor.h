/* In: a system that may be ill. Out: what is known of it, and for each question of one table a
 * verdict with its evidence and its remedy. Private to doctor's files. */
#ifndef APP_DOCTOR_H
#define APP_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/context.h"
#include "base/mem.h"
#include "job/forecast.h"
#include "store/pg/store_pg.h"
#include "store/store.h"

#define OVERDUE_US (90 * USEC_PER_SEC) /* a schedule's minute, and somebody's to see it */

enum verdict {
    VERDICT_WELL,
    VERDICT_NOTE,    /* worth knowing; nothing is broken */
    VERDICT_ILL,     /* must be mended */
    VERDICT_UNKNOWN, /* could not be looked at */
    VERDICT_MAX
};

struct finding {
    enum verdict verdict;
    const char *evidence, *remedy; /* of the arena; remedy NULL: nothing to do */
};

/* What the store was asked for. Without its answer nothing is said of it. */
enum doctor_source {
    TOLD_FACTS = 1,
    TOLD_STATS = 2,
    TOLD_SCALE = 4,
    TOLD_WORKERS = 8,
    TOLD_LINES = 16,
    TOLD_CALLS = 32,
    TOLD_SCHEDULES = 64,
    TOLD_RUNS = 128,
    TOLD_PIPELINE = 256
};

struct doctor_answer { /* of the daemon, to one request */
    int status;        /* 0 = none came: `error` says why */
    char *body;        /* of the arena, NUL-terminated */
    const char *error;
};

struct doctor {
    struct invocation *inv;
    struct context context;
    struct arena arena;
    bool postgres;
    unsigned told;       /* enum doctor_source; what did not come is empty */
    const char *trouble; /* the first thing that went wrong with the store; NULL = nothing */
    enum err trouble_err;
    struct store_fact *facts;
    size_t n_facts;
    struct store_stats stats;
    struct store_scale scale;
    struct forecast_input plan; /* what scripts took here lately */
    struct store_worker_seen *workers;
    size_t n_workers;
    int64_t errors;                            /* lines of the last hour */
    const char *latest_error;                  /* and the newest of them */
    int64_t calls, calls_failed;               /* of the function endpoint in the last hour */
    int64_t last_call_us;                      /* 0 = none is known */
    int64_t schedules, schedules_off, overdue; /* overdue: due, and nobody has fired it */
    const char *schedule_error;
    int64_t failing; /* schedules whose newest ended run failed, in the last hour */
    const char *run_failure;
    int pipeline;                  /* the active version */
    const char *pipeline_name;     /* NULL: version 0 */
    const char *pipeline_unusable; /* why this program cannot use it; NULL: it can */
    int64_t skew_us;               /* our clock minus the store's */
    bool clock_known;
    bool daemon_triggered, daemon_deaf; /* claims only when called; hears no notifications */
    enum store_pg_hints hints;
    const char *hints_why;
    const char *url;                                               /* of the daemon */
    struct doctor_answer health, preflight, stranger, key, limits; /* of the daemon */
};

struct doctor_check {
    const char *name, *question;
    unsigned needs; /* enum doctor_source: else the verdict is unknown */
    void (*look)(struct doctor *d, struct finding *f);
};
extern const struct doctor_check doctor_checks[];
extern const size_t doctor_checks_count;

/* doctor_ask.c: fills what the store tells, doctor_http.c: what the daemon does. */
void doctor_ask_store(struct doctor *d);
void doctor_ask_daemon(struct doctor *d);

/* Is work taken only when the function is called, by what is configured here or by what the daemon
 * says? */
bool doctor_is_triggered(const struct doctor *d);

/* A fact's value; NULL and `fallback` where the store does not know it. */
const char *doctor_fact(struct doctor *d, const char *name);
int64_t doctor_number(struct doctor *d, const char *name, int64_t fallback);

/* Texts of the arena. */
void doctor_say(struct doctor *d, struct finding *f, enum verdict verdict, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void doctor_remedy(struct doctor *d, struct finding *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* doctor_database.c */
void look_at_database(struct doctor *d, struct finding *f);
void look_at_table(struct doctor *d, struct finding *f);
void look_at_connections(struct doctor *d, struct finding *f);
void look_at_notifications(struct doctor *d, struct finding *f);
void look_at_clock(struct doctor *d, struct finding *f);
void look_at_disk(struct doctor *d, struct finding *f);
/* doctor_work.c */
void look_at_workers(struct doctor *d, struct finding *f);
void look_at_stuck_jobs(struct doctor *d, struct finding *f);
void look_at_foreign_jobs(struct doctor *d, struct finding *f);
void look_at_errors(struct doctor *d, struct finding *f);
void look_at_concurrency(struct doctor *d, struct finding *f);
/* doctor_machine.c */
void look_at_files(struct doctor *d, struct finding *f);
/* doctor_schedules.c */
void look_at_schedules(struct doctor *d, struct finding *f);
void look_at_cron_key(struct doctor *d, struct finding *f);
/* doctor_service.c */
void look_at_function(struct doctor *d, struct finding *f);
void look_at_pipeline(struct doctor *d, struct finding *f);
void look_at_provider(struct doctor *d, struct finding *f);
void look_at_budget(struct doctor *d, struct finding *f);

#endif
