/* In: a stop reason as a provider or a checkpoint spells it. Out: which it is, and back. */
#include <string.h>

#include "job/script.h"

static const char *const stop_names[STOP_REASON_MAX] = {
    [STOP_END_TURN] = "end_turn",
    [STOP_MAX_TOKENS] = "max_tokens",
    [STOP_SEQUENCE] = "stop_sequence",
    [STOP_REFUSAL] = "refusal",
    [STOP_PAUSE_TURN] = "pause_turn",
    [STOP_CONTEXT_EXCEEDED] = "model_context_window_exceeded",
    [STOP_OTHER] = "other",
    [STOP_CUT] = "cut",
};

const char *stop_reason_name(enum stop_reason r)
{
    return r < STOP_REASON_MAX ? stop_names[r] : stop_names[STOP_OTHER];
}

enum stop_reason stop_reason_parse(const char *s)
{
    for (int r = 0; s != NULL && r < STOP_REASON_MAX; r++)
        if (strcmp(s, stop_names[r]) == 0)
            return (enum stop_reason)r;
    return STOP_OTHER;
}
