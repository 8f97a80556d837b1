/* In: ends of jobs that one client was told of. Out: which; an id to go on with. */
#include "api/told.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/event_id.h"
#include "base/mem.h"

#define MARK_DIGITS 12 /* hexadecimal */

static uint64_t mark_of(const struct uuid *job)
{
    uint64_t hash = event_hash(EVENT_HASH_NONE, job->bytes, sizeof job->bytes);
    return hash >> (64 - 4 * MARK_DIGITS);
}

void told_free(struct told *t)
{
    free(t->ends);
    *t = (struct told){0};
}

static void add(struct told *t, uint64_t mark, int64_t wall_us)
{
    if (t->n == t->cap) {
        t->cap = t->cap > 0 ? 2 * t->cap : TOLD_IN_ID;
        t->ends = mem_resize(t->ends, t->cap * sizeof *t->ends);
    }
    t->ends[t->n++] = (struct told_end){mark, wall_us};
}

void told_add(struct told *t, const struct uuid *job, int64_t wall_us)
{
    add(t, mark_of(job), wall_us);
}

bool told_has(const struct told *t, const struct uuid *job, int64_t since_us)
{
    uint64_t mark = mark_of(job);
    for (size_t i = t->n; i > 0 && t->ends[i - 1].at_us >= since_us; i--) {
        if (t->ends[i - 1].mark == mark)
            return true;
    }
    return false;
}

void told_forget(struct told *t, int64_t before_us)
{
    size_t old = 0;
    while (old < t->n && t->ends[old].at_us < before_us)
        old++;
    if (old == 0)
        return;
    t->n -= old;
    memmove(t->ends, t->ends + old, t->n * sizeof *t->ends);
}

/* ---- as an id: TIME or TIME-JOB, and :MARK,MARK... ---- */

char *told_id(const struct told *t, const struct told_point *point, char *out)
{
    char job[UUID_TEXT_SIZE];
    int n = snprintf(out, TOLD_ID_SIZE, "%" PRId64, point->us);
    if (!uuid_is_nil(&point->job))
        n += snprintf(out + n, TOLD_ID_SIZE - (size_t)n, "-%s", uuid_text(&point->job, job));
    size_t first = t->n > TOLD_IN_ID ? t->n - TOLD_IN_ID : 0;
    char before = ':';
    for (size_t i = first; i < t->n; i++) {
        if (t->ends[i].at_us < point->us - 2 * TOLD_SLACK_US)
            continue;
        n += snprintf(out + n, TOLD_ID_SIZE - (size_t)n, "%c%0*" PRIx64, before, MARK_DIGITS,
                      t->ends[i].mark);
        before = ',';
    }
    return out;
}

static bool read_mark(const char *text, uint64_t *ret_mark)
{
    uint64_t mark = 0;
    for (int i = 0; i < MARK_DIGITS; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *at = text[i] != '\0' ? strchr(digits, text[i]) : NULL;
        if (at == NULL)
            return false;
        mark = mark << 4 | (uint64_t)(at - digits);
    }
    *ret_mark = mark;
    return true;
}

enum err told_parse(struct told *t, const char *text, int64_t now_us, struct told_point *ret_point)
{
    uint64_t marks[TOLD_IN_ID];
    struct uuid job = {{0}};
    size_t n = 0;
    char *at = NULL;
    if (text[0] < '1' || text[0] > '9')
        return ERR_INVALID;
    errno = 0;
    long long us = strtoll(text, &at, 10);
    if (errno != 0)
        return ERR_INVALID;
    if (*at == '-') {
        if (strnlen(at + 1, UUID_TEXT_SIZE) < UUID_TEXT_SIZE - 1 ||
            uuid_parse(at + 1, UUID_TEXT_SIZE - 1, &job) != OK)
            return ERR_INVALID;
        at += UUID_TEXT_SIZE;
    }
    for (char before = ':'; *at != '\0'; before = ',', at += 1 + MARK_DIGITS) {
        if (*at != before || n == TOLD_IN_ID || !read_mark(at + 1, &marks[n++]))
            return ERR_INVALID;
    }
    us = us < now_us ? us : now_us;
    for (size_t i = 0; i < n; i++)
        add(t, marks[i], us);
    *ret_point = (struct told_point){us, job};
    return OK;
}
