/* In: the request's research. Out: as much of it as a token budget allows. Pure. */
#ifndef JOB_RESEARCH_H
#define JOB_RESEARCH_H

#include <stdint.h>

#include "text/json.h"

/* A copy of `research` (object {summary, insights, sources[]}, or NULL) of about `tokens` tokens:
 * the summary gets up to a quarter, the insights another, the sources the rest: starred ones
 * first, then verified ones, then the others, each in the order given, the longest cut to its
 * last full sentence. Owned; NULL when there is nothing. */
json_t *research_trim(const json_t *research, int64_t tokens);

#endif
