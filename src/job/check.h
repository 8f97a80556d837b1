/* In: a script and what it should hold. Out: a score and findings. Pure code, no model. */
#ifndef JOB_CHECK_H
#define JOB_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "job/params.h"
#include "job/pipeline.h"
#include "job/plan.h"

int words_count(const char *text, size_t n); /* words that are spoken: no markup, no cues, no
                                                timestamps, nothing after ## Description */
struct finding {
    const char *code; /* "too_short", "placeholder", "timestamp_order", "timestamp_range",
                         "description_missing", "tags_missing", "tags_few", "point_missing",
                         "duplicate_section", "repeated_paragraph", "forbidden_phrase",
                         "chunk_uneven" */
    char *detail;     /* for people */
    bool gap;         /* expansion can mend it */
};
struct report {
    int words, score; /* 0..100 */
    struct finding *items;
    size_t n;
};
void check_script(const char *text, const struct plan *plan, const struct params *params,
                  const struct pipeline *pipeline, struct report *ret_report);
void report_free(struct report *r);

#endif
