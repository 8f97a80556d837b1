/* In: a script and what it should hold. Out: a score and findings. Pure code, no model. */
#ifndef JOB_CHECK_H
#define JOB_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "job/params.h"
#include "job/pipeline.h"
#include "job/plan.h"

#define CHECK_LISTED_MAX                                                                           \
    50 /* findings of one kind that are listed; the last one counts the rest                       \
        */

int words_count(const char *text, size_t n); /* words that are spoken: no markup, no cues, no
                                                timestamps, nothing after ## Description */

/* The score starts at 100 and loses, per finding of a kind, the points in brackets, down to the
 * kind's limit: too_short [half the per cent of words missing, 50 at most], placeholder [10, 30],
 * timestamp_order [3, 15], timestamp_range [3, 15], description_missing [10], tags_missing [10],
 * tags_few [3], point_missing [8, 32], duplicate_section [5, 20], repeated_paragraph [5, 25],
 * forbidden_phrase [5, 20], phrase_missing [5, 15], chunk_uneven [4, 12]. Never below 0; a text
 * without a spoken word scores 0. */
struct finding {
    const char *code; /* "too_short", "placeholder", "timestamp_order", "timestamp_range",
                         "description_missing", "tags_missing", "tags_few", "point_missing",
                         "duplicate_section", "repeated_paragraph", "forbidden_phrase",
                         "phrase_missing", "chunk_uneven" */
    char *detail;     /* for people */
    bool gap;         /* expansion can mend it */
    int chunk;        /* where it is, 1..; 0 = the whole script, or unknown */
};
struct report {
    int words, score; /* 0..100 */
    struct finding *items;
    size_t n;
};
/* Linear in the text for a given request. */
void check_script(const char *text, size_t n, const struct plan *plan, const struct params *params,
                  const struct pipeline *pipeline, struct report *ret_report);
void report_free(struct report *r);
/* Spoken words per chunk (ret_words[1..chunks]; [0] stays 0), by the times of the sections; false
 * when no section has one. */
bool check_chunk_words(const char *text, size_t n, const struct plan *plan,
                       int ret_words[PLAN_CHUNKS_MAX + 1]);
bool report_has_gap(const struct report *r);

#endif
