/* In: a script's length. Out: chunks, words, progress figures and step names. */
#include "job/plan.h"

#include <stdio.h>

#define LONG_MINUTES  20 /* from here on a script has an outline and several chunks */
#define CHUNK_MINUTES 15 /* of the chunks of scripts over an hour */

/* Minutes count as begun: 30 minutes and a second are 31. */
static int chunks_for(int64_t duration_s)
{
    int64_t minutes = (duration_s + 59) / 60;
    if (minutes < LONG_MINUTES)
        return 1;
    if (minutes <= 30)
        return 2;
    if (minutes <= 45)
        return 3;
    if (minutes <= 60)
        return 4;
    int64_t chunks = (minutes + CHUNK_MINUTES - 1) / CHUNK_MINUTES;
    return chunks < PLAN_CHUNKS_MAX ? (int)chunks : PLAN_CHUNKS_MAX;
}

struct plan plan_make(int64_t duration_s, int wpm)
{
    int64_t chunks = chunks_for(duration_s);
    int64_t words = (duration_s * wpm + 30) / 60;
    int64_t chunk_words = (words * 11 + chunks * 5) / (chunks * 10);
    return (struct plan){
        .duration_s = duration_s,
        .words = (int)words,
        .chunks = (int)chunks,
        .chunk_words = (int)chunk_words,
        .outline = chunks > 1,
    };
}

void plan_chunk_span(const struct plan *p, int i, int64_t *ret_from_s, int64_t *ret_to_s)
{
    *ret_from_s = p->duration_s * (i - 1) / p->chunks;
    *ret_to_s = p->duration_s * i / p->chunks;
}

static int chunk_progress(int i, int n, double fraction)
{
    if (n < 1)
        n = 1;
    if (i < 1)
        i = 1;
    if (i > n)
        i = n;
    if (!(fraction > 0)) /* NaN too */
        fraction = 0;
    if (fraction > 1)
        fraction = 1;
    return 20 + (int)(60 * (i - 1 + fraction) / n);
}

int plan_progress(enum phase phase, int i, int n, double fraction)
{
    static const int figures[PHASE_MAX] = {
        [PHASE_QUEUED] = 0,   [PHASE_INITIALIZING] = 5, [PHASE_PREPARING] = 10,
        [PHASE_OUTLINE] = 15, [PHASE_VALIDATING] = 85,  [PHASE_EXPANDING] = 87,
        [PHASE_SAVING] = 90,  [PHASE_COMPLETED] = 100,
    };
    if (phase == PHASE_CHUNK)
        return chunk_progress(i, n, fraction);
    return (unsigned)phase < PHASE_MAX ? figures[phase] : 0;
}

const char *plan_step_name(enum phase phase, int i, int n, char *out)
{
    static const char *const names[PHASE_MAX] = {
        [PHASE_QUEUED] = "queued",
        [PHASE_INITIALIZING] = "initializing",
        [PHASE_PREPARING] = "preparing_data",
        [PHASE_OUTLINE] = "outline",
        [PHASE_VALIDATING] = "validating_quality",
        [PHASE_EXPANDING] = "expanding",
        [PHASE_SAVING] = "saving_script",
        [PHASE_COMPLETED] = "completed",
    };
    if (phase == PHASE_CHUNK)
        (void)snprintf(out, PLAN_STEP_SIZE, "generating_chunk_%d_of_%d", i, n);
    else
        (void)snprintf(out, PLAN_STEP_SIZE, "%s", (unsigned)phase < PHASE_MAX ? names[phase] : "");
    return out;
}
