/* In: a script's length. Out: how many chunks, words per chunk, progress figures and step names.
 * Pure. */
#ifndef JOB_PLAN_H
#define JOB_PLAN_H

#include <stddef.h>
#include <stdint.h>

#define PLAN_CHUNKS_MAX     16 /* 4 h */
#define PLAN_DURATION_MIN_S 15
#define PLAN_DURATION_MAX_S 14400
#define PLAN_WPM_DEFAULT    130

struct plan {
    int64_t duration_s;
    int words;       /* of the whole script */
    int chunks;      /* by begun minutes: 1 below 20; 2 to 30; 3 to 45; 4 to 60; then one per 15 */
    int chunk_words; /* what a chunk is asked for: its share and 10 % more */
    int outline;     /* 1 when there is an outline step (as soon as there are two chunks) */
};

/* duration_s within the limits above; wpm > 0. */
struct plan plan_make(int64_t duration_s, int wpm);
/* Seconds from the start at which chunk i (1..) begins, and at which the next one does. */
void plan_chunk_span(const struct plan *p, int i, int64_t *ret_from_s, int64_t *ret_to_s);

/* What a job is doing, in the words of the users' row. */
enum phase {
    PHASE_QUEUED,
    PHASE_INITIALIZING,
    PHASE_PREPARING,
    PHASE_OUTLINE,
    PHASE_CHUNK,
    PHASE_VALIDATING,
    PHASE_EXPANDING,
    PHASE_SAVING,
    PHASE_COMPLETED,
    PHASE_MAX
};
/* fraction: written share of the phase's words, 0..1; used by PHASE_CHUNK (chunk i of n). */
int plan_progress(enum phase phase, int i, int n, double fraction);
#define PLAN_STEP_SIZE 48
/* "generating_chunk_2_of_3" ...; `out` holds PLAN_STEP_SIZE bytes; returns it. */
const char *plan_step_name(enum phase phase, int i, int n, char *out);

#endif
