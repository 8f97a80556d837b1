/* In: how a system is scaled; the text of somebody who wants it otherwise. Out: JSON; what is
 * wanted. */
#include "api/scale_json.h"

#include <inttypes.h>
#include <string.h>

#include "text/json.h"

#define BODY_MAX ((size_t)4096)

struct scale_figures scale_figures(const struct store_scale *scale, int64_t slots, int64_t limit)
{
    struct scale_figures f = {.workers = scale->workers, .concurrency = scale->concurrency};
    bool driven = slots == 0 || scale->schedules > 0; /* by calls, each for a worker id */
    if (f.concurrency == 0)
        f.concurrency = driven ? limit : slots;
    if (f.workers == 0)
        f.workers = driven ? scale->schedules : scale->processes;
    if (f.workers == 0)
        f.workers = 1;
    f.slots = f.workers * f.concurrency;
    int64_t load = scale->paused ? scale->running : scale->due + scale->running;
    f.desired_workers = load > 0 ? (load + f.concurrency - 1) / f.concurrency : 1;
    return f;
}

void scale_complete(struct store_scale_change *io_change, const struct store_scale *now,
                    int64_t slots)
{
    if (io_change->undo || slots == 0 || now->schedules > 0)
        return;
    if (io_change->concurrency == 0 && now->concurrency == 0)
        io_change->concurrency = slots < STORE_SCALE_MAX ? (int)slots : STORE_SCALE_MAX;
    if (io_change->workers == 0 && now->workers == 0)
        io_change->workers = now->processes > 1 ? now->processes : 1;
}

void scale_put_json(struct buf *out, const struct store_scale *scale, const struct scale_figures *f)
{
    buf_putf(out,
             "{\"due\":%" PRId64 ",\"running\":%" PRId64 ",\"slots\":%" PRId64
             ",\"desired_workers\":%" PRId64 ",\"workers\":%" PRId64 ",\"concurrency\":%" PRId64
             ",\"processes\":%d,\"schedules\":%d,\"scaled\":%s,\"can_undo\":%s,\"paused\":%s}",
             scale->due, scale->running, f->slots, f->desired_workers, f->workers, f->concurrency,
             scale->processes, scale->schedules, scale->workers > 0 ? "true" : "false",
             scale->can_undo ? "true" : "false", scale->paused ? "true" : "false");
}

/* Digits of a number from 1 to STORE_SCALE_MAX; 0 = there is none. */
static size_t read_number(const char *text, size_t n, int *ret)
{
    size_t at = 0;
    int value = 0;
    while (at < n && at < 5 && text[at] >= '0' && text[at] <= '9')
        value = value * 10 + (text[at++] - '0');
    if (value < 1 || value > STORE_SCALE_MAX)
        return 0;
    *ret = value;
    return at;
}

enum err scale_read_preset(const char *text, size_t n, int *ret_workers, int *ret_concurrency,
                           struct errmsg *msg)
{
    int workers = 0, concurrency = 0;
    size_t first = read_number(text, n, &workers), second = 0;
    if (first > 0 && first + 1 < n && text[first] == 'x')
        second = read_number(text + first + 1, n - first - 1, &concurrency);
    if (second == 0 || first + 1 + second != n)
        return err_set(msg, ERR_INVALID,
                       "'%.*s' is no preset: write workers x scripts of each, say 3x3; up to %d",
                       (int)(n < 40 ? n : 40), text, STORE_SCALE_MAX);
    *ret_workers = workers;
    *ret_concurrency = concurrency;
    return OK;
}

static enum err read_member(const char *name, json_t *value, struct store_scale_change *change,
                            struct errmsg *msg)
{
    if (strcmp(name, "undo") == 0 && json_is_boolean(value)) {
        change->undo = json_is_true(value);
        return OK;
    }
    if (strcmp(name, "preset") == 0 && json_is_string(value))
        return scale_read_preset(json_string_value(value), json_string_length(value),
                                 &change->workers, &change->concurrency, msg);
    int *number = strcmp(name, "workers") == 0       ? &change->workers
                  : strcmp(name, "concurrency") == 0 ? &change->concurrency
                                                     : NULL;
    json_int_t n = json_integer_value(value);
    if (number == NULL || n < 1 || n > STORE_SCALE_MAX)
        return err_set(msg, ERR_INVALID,
                       "%.40s: give workers and concurrency, 1 to %d, or preset, say \"3x3\", or "
                       "undo: true",
                       name, STORE_SCALE_MAX);
    *number = (int)n;
    return OK;
}

enum err scale_read_body(const char *text, size_t n, struct store_scale_change *ret_change,
                         struct errmsg *msg)
{
    struct store_scale_change change = {0};
    json_t *body = NULL, *value;
    const char *name;
    enum err e = json_parse(text, n, BODY_MAX, &body, msg);
    if (e != OK)
        return e;
    if (!json_is_object(body))
        e = err_set(msg, ERR_INVALID, "the body must be a JSON object");
    json_object_foreach (body, name, value) {
        if (e == OK)
            e = read_member(name, value, &change, msg);
    }
    if (e == OK && json_object_get(body, "preset") != NULL && json_object_size(body) > 1)
        e = err_set(msg, ERR_INVALID, "preset says both numbers: give it alone");
    bool sets = change.workers > 0 || change.concurrency > 0;
    if (e == OK && sets == change.undo)
        e = err_set(msg, ERR_INVALID, "give workers, concurrency or preset, or else undo: true");
    json_decref(body);
    if (e == OK)
        *ret_change = change;
    return e;
}
