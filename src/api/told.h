/* In: ends of jobs, as one client of all events is told of them. Out: whether it was told of one;
 * and its place as an event id, with which it goes on elsewhere. No I/O. */
#ifndef API_TOLD_H
#define API_TOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"

/* How far the clocks of the nodes and of the store may be apart, and an end be told after it was:
 * who comes back is asked about so much more, and told only what it was not told. */
#define TOLD_SLACK_US (5 * (int64_t)1000000)
#define TOLD_IN_ID    24 /* ends in an id, the newest */
#define TOLD_ID_SIZE  420

struct told {
    struct told_end {
        uint64_t mark; /* of the job */
        int64_t at_us; /* wall: when it was told */
    } * ends;          /* oldest first */
    size_t n, cap;
};

void told_free(struct told *t); /* what it owns; all zero is an empty one */
void told_add(struct told *t, const struct uuid *job, int64_t wall_us);
/* It was told of the job's end then or later. */
bool told_has(const struct told *t, const struct uuid *job, int64_t since_us);
void told_forget(struct told *t, int64_t before_us); /* what was told before */

/* Up to where it was told all: up to a time, or, with a job, up to that one's end at that time. */
struct told_point {
    int64_t us; /* wall */
    struct uuid job;
};
/* The point, and the ends that were told shortly before it or since. Returns out, TOLD_ID_SIZE
 * bytes. */
char *told_id(const struct told *t, const struct told_point *point, char *out);
/* Where it goes on; at the latest now. ERR_INVALID: not one of ours; t is then as it was. */
enum err told_parse(struct told *t, const char *text, int64_t now_us,
                    struct told_point *ret_point) MUST_CHECK;

#endif
