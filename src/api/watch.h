/* In: what the store tells of one job, look by look. Out: the job as it is, kept once for all that
 * watch it: finished steps, running text, row. Each of them reads it at its own pace by a cursor,
 * and is told of everything that comes, once. No I/O. */
#ifndef API_WATCH_H
#define API_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "api/event_id.h"
#include "base/buf.h"
#include "base/id.h"
#include "store/store.h"

#define WATCH_KEPT_MAX ((size_t)4 << 20) /* of one step; what is longer is not shown */

struct watch_part { /* a finished step, or as the last one what is being written */
    char step[EVENT_STEP_SIZE];
    char *hash; /* of its input */
    struct buf text;
    bool done;
    int64_t ended_us; /* wall; of a finished one */
    uint64_t chain;   /* over the steps up to this one */
    char *about;      /* the finished step as JSON, without its text */
};

struct cursor;
struct watch {
    struct uuid job, user_id;
    bool loaded, gone; /* gone: there is no such job any more */
    enum job_status status;
    int run;
    char *row;         /* JSON members of progress: "status":...,...; NULL before it is loaded */
    char *error;       /* or NULL */
    uint32_t row_hash; /* of row */
    struct watch_part *parts;
    size_t n, done; /* parts; the finished ones */
    /* What to ask with. */
    int64_t place;
    struct uuid call;
    struct cursor *cursors;
    uint64_t looked; /* the number of the last look, for its feed */
};

struct watch *watch_new(const struct uuid *job);
void watch_free(struct watch *w);          /* takes NULL; nobody may have a cursor on it */
bool watch_is_over(const struct watch *w); /* nothing will come any more, for now */
void watch_ask(const struct watch *w, struct store_follow *ret_ask); /* borrows from w */
/* True: something is new. */
bool watch_take(struct watch *w, const struct store_followed *f);

/* Where one client is in it. Lives in its owner. */
struct cursor {
    struct cursor *prev, *next; /* of the watch */
    struct watch *watch;
    void *owner;
    uint64_t since;      /* the look it came after, for its feed */
    size_t part, offset; /* the next byte to be told */
    uint64_t text;       /* hash of what was told of this part */
    uint32_t row;
    bool forget;               /* all that was told is void */
    char cut[EVENT_STEP_SIZE]; /* what was told of this step is void; "" = none */
    bool done;
};

/* Begins before everything. */
void cursor_join(struct cursor *c, struct watch *w, void *owner);
void cursor_leave(struct cursor *c);
/* Of a loaded watch: goes on behind `id`; what no longer holds is called back. */
void cursor_resume(struct cursor *c, const struct event_id *id);
/* Of a loaded watch: skips the steps that were finished before. */
void cursor_skip_steps(struct cursor *c, int64_t wall_us);
void cursor_skip_text(struct cursor *c); /* all text that is there */

enum watch_event { WATCH_PROGRESS, WATCH_TEXT, WATCH_STEP, WATCH_RESET, WATCH_DONE, WATCH_MAX };
const char *watch_event_name(enum watch_event e);
/* The next event: its data is appended to `out` as a JSON object. False: nothing is new. */
bool cursor_next(struct cursor *c, enum watch_event *ret_event, struct buf *out);
void cursor_id(const struct cursor *c, struct event_id *ret_id); /* behind the last event */

#endif
