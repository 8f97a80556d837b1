/* In: a pipeline. Out: whether its prompts ask for what they will be given, by name. Pure. */
#ifndef JOB_PROMPT_NAMES_H
#define JOB_PROMPT_NAMES_H

#include "base/err.h"
#include "job/pipeline.h"

/* A prompt without {{request}} would not tell the model what is asked for, or be sent empty:
 * ERR_INVALID with the file's name. System prompts need none. */
enum err prompt_names_check(const struct pipeline *p, struct errmsg *msg) MUST_CHECK;

/* Calls `fn` with each name that no request and no step gives by itself: a slip of the pen, or a
 * member of the user's own. */
void prompt_names_unknown(const struct pipeline *p,
                          void (*fn)(void *ctx, const char *file, int line, const char *name),
                          void *ctx);

#endif
