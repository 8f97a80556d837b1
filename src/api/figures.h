/* In: how many wait and work, how far those are, and how long jobs take. Out: when a job will start
 * and finish. */
#ifndef API_FIGURES_H
#define API_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "store/store.h"

struct api;
struct api_request;
struct figures_look;

struct figures {
    int64_t read_us; /* loop time of the store's counts; 0 = never */
    int64_t running; /* jobs in work, on all nodes */
    int64_t hour_us; /* what a job took on average in the last hour; 0 = unknown */
    int64_t own_us;  /* the same of this process's, late ones count more; 0 = unknown */
    int64_t learned; /* jobs behind own_us */
    /* Of the jobs in work, when somebody looked last. */
    int64_t looked_us; /* loop time; 0 = never */
    int64_t pace_us;   /* what they will take at their pace, on average; 0 = unknown */
    size_t n_ends;
    int64_t
        ends[STORE_BATCH_MAX]; /* wall: when each will end, in order; unknown ones are left out */
    struct figures_look *look; /* under way */
};

struct estimate {
    int64_t start_us, finish_us; /* wall; 0 = unknown */
};

/* A job ended here after so long. */
void figures_learn(struct figures *f, int64_t worked_us);
void figures_take(struct figures *f, const struct store_stats *stats, int64_t now_us);
/* What is in work now. */
void figures_take_running(struct figures *f, const struct store_job *jobs, size_t n, int64_t now_us,
                          int64_t wall_us);
/* What part of its time a job has behind it when it shows this progress. */
double figures_done_part(int progress);

/* Pure. `slots`: jobs at once in this process; all nodes together have at least as many slots as
 * jobs run. A job that has ended, or whose place is unknown, gets no times. */
struct estimate figures_estimate(const struct figures *f, size_t slots, const struct store_job *job,
                                 int64_t wall_us);

/* The same, of a request's own process. */
struct estimate figures_for(const struct api_request *rq, const struct store_job *job);

/* Calls `then` when the figures are a few seconds old at most: at once, or when the store has told
 * them (or could not). One question serves all requests that come meanwhile. */
void figures_need(struct api_request *rq, void (*then)(struct api_request *rq));
void figures_end(struct api *api); /* nobody will hear of a look under way */

#endif
