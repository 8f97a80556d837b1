/* In: what happens to jobs, from the engine's events or from stored rows. Out: one entry per job,
 * in the order of first sight, for the live view and the summary. */
#ifndef APP_BOARD_H
#define APP_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "engine/engine.h"
#include "job/plan.h"
#include "store/store.h"

#define BOARD_TOPIC_SIZE 96

enum board_state {
    BOARD_WAITING,
    BOARD_RUNNING,
    BOARD_DONE,
    BOARD_FAILED,
    BOARD_CANCELLED, /* or taken away from us in another way */
    BOARD_STATE_MAX
};
const char *board_state_name(enum board_state s); /* "waiting" ... */

struct board_job {
    struct uuid id, user_id;
    char topic[BOARD_TOPIC_SIZE];
    enum board_state state;
    char step[PLAN_STEP_SIZE];
    int progress, words;
    double tokens_per_second;
    int64_t input_tokens, output_tokens, cost_udollar;
    int64_t waited_us, worked_us;
    int64_t since_us; /* loop time of the last change of state */
    char *message;    /* of a failure or a retry; owned; may be NULL */
    char *file;       /* where the script is; owned; may be NULL */
};

struct board;
struct board *board_new(void);
void board_free(struct board *b); /* takes NULL */

/* Finds the job, or adds it as waiting. Borrowed; it stays where it is. */
struct board_job *board_job(struct board *b, const struct uuid *id);
void board_remove(struct board *b, const struct uuid *id); /* its entry is freed */
size_t board_count(const struct board *b);
struct board_job *board_at(const struct board *b, size_t i);
size_t board_count_state(const struct board *b, enum board_state s);

void board_topic(struct board_job *job, const char *params); /* from generation_params */
/* Only the kinds that are about a job; true when its step or state changed. */
bool board_event(struct board *b, const struct engine_event *event, int64_t now_us);
bool board_row(struct board *b, const struct store_job *row, int64_t now_us, int64_t wall_us);

#endif
