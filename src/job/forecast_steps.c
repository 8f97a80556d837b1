/* In: what is known of a script's steps. Out: its model calls, one by one. */
#include "job/forecast_steps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define SECONDS_MAX 86400.0

/* ---- as given ---- */

static enum err bad_step(struct errmsg *msg, const char *at)
{
    return err_set(msg, ERR_INVALID,
                   "'%.40s': write NAME=SECONDS for each step, or NAME=CALLSxSECONDS, with commas "
                   "between them, say outline=20,chunk=4x90; up to %d steps, %d calls and a day",
                   at, FORECAST_STEPS_MAX, CAPACITY_CALLS_MAX);
}

/* NAME=SECONDS or NAME=CALLSxSECONDS, n bytes. */
static bool read_step(const char *text, size_t n, struct forecast_step *ret)
{
    char part[2 * FORECAST_NAME_SIZE];
    struct forecast_step step = {.calls = 0};
    if (n >= sizeof part)
        return false;
    memcpy(part, text, n);
    part[n] = '\0';
    char *value = strchr(part, '='), *end = NULL;
    if (value == NULL || value == part || value - part >= FORECAST_NAME_SIZE)
        return false;
    *value++ = '\0';
    if (part[strspn(part, "abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0')
        return false;
    (void)memcpy(step.name, part, strlen(part) + 1);
    char *times = strchr(value, 'x');
    if (times != NULL) {
        long calls = strtol(value, &end, 10);
        if (end != times || calls < 1 || calls > CAPACITY_CALLS_MAX)
            return false;
        step.calls = (int)calls;
        value = times + 1;
    }
    double seconds = strtod(value, &end);
    if (end == value || *end != '\0' || !isfinite(seconds) || seconds <= 0 || seconds > SECONDS_MAX)
        return false;
    step.us = seconds * (double)USEC_PER_SEC;
    *ret = step;
    return true;
}

enum err forecast_read_steps(struct forecast_input *in, const char *text, struct errmsg *msg)
{
    size_t n = 0;
    int calls = 0;
    double us = 0;
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ",");
        if (n == FORECAST_STEPS_MAX || !read_step(at, len, &in->given[n]))
            return bad_step(msg, at);
        calls += in->given[n].calls > 0 ? in->given[n].calls : 1;
        us += in->given[n].us * (in->given[n].calls > 0 ? in->given[n].calls : 1);
        n++;
        at += len;
        if (*at == '\0')
            break;
    }
    if (calls > CAPACITY_CALLS_MAX || us > SECONDS_MAX * (double)USEC_PER_SEC)
        return bad_step(msg, text);
    in->n_given = n;
    return OK;
}

/* ---- as measured ---- */

static const struct forecast_seen *find_seen(const struct forecast_input *in, const char *name)
{
    for (size_t i = 0; i < in->n_seen; i++) {
        if (strcmp(in->seen[i].name, name) == 0)
            return &in->seen[i];
    }
    return NULL;
}

/* Of its kind in a script, on the average. */
static int calls_of(const struct forecast_input *in, const struct forecast_seen *seen)
{
    if (seen == NULL || in->seen_scripts == 0)
        return 1;
    int n = (int)((seen->calls + in->seen_scripts / 2) / in->seen_scripts);
    return n < 1 ? 1 : n > CAPACITY_CALLS_MAX / 4 ? CAPACITY_CALLS_MAX / 4 : n;
}

static void put_seen(const struct forecast_seen *seen, struct forecast_step *step)
{
    step->input_tokens = (double)seen->input_tokens / (double)seen->calls;
    step->output_tokens = (double)seen->output_tokens / (double)seen->calls;
}

static void put_given_steps(const struct forecast_input *in, struct forecast *f)
{
    int room = CAPACITY_CALLS_MAX;
    for (size_t i = 0; i < in->n_given; i++)
        room -= in->given[i].calls > 0 ? in->given[i].calls : 1;
    for (size_t i = 0; i < in->n_given; i++) {
        const struct forecast_seen *seen = find_seen(in, in->given[i].name);
        struct forecast_step *step = &f->steps[f->n_steps++];
        *step = in->given[i];
        if (step->calls == 0) {
            step->calls = calls_of(in, seen) <= room ? calls_of(in, seen) : room + 1;
            room -= step->calls - 1;
        }
        if (seen != NULL)
            put_seen(seen, step);
    }
}

/* A kind that comes in less than every second script is none of the usual script's. */
static void put_seen_steps(const struct forecast_input *in, struct forecast *f)
{
    for (size_t i = 0; i < in->n_seen; i++) {
        const struct forecast_seen *seen = &in->seen[i];
        if (seen->calls * 2 < in->seen_scripts)
            continue;
        struct forecast_step *step = &f->steps[f->n_steps++];
        *step = (struct forecast_step){.calls = calls_of(in, seen),
                                       .us = (double)seen->us / (double)seen->calls};
        memcpy(step->name, seen->name, sizeof step->name);
        put_seen(seen, step);
    }
}

/* ---- the calls ---- */

struct totals {
    double us, input, output;
    int calls;
};

static struct totals sum_up(const struct forecast *f)
{
    struct totals t = {0};
    for (size_t i = 0; i < f->n_steps; i++) {
        const struct forecast_step *s = &f->steps[i];
        t.calls += s->calls;
        t.us += s->us * s->calls;
        t.input += s->input_tokens * s->calls;
        t.output += s->output_tokens * s->calls;
    }
    return t;
}

/* The whole script's tokens, shared among the steps as they took them; by time where one is not
 * known. */
static void share_tokens(struct forecast *f, double input, double output)
{
    struct totals t = sum_up(f);
    bool known = true;
    for (size_t i = 0; i < f->n_steps; i++)
        known = known && f->steps[i].output_tokens > 0;
    for (size_t i = 0; i < f->n_steps; i++) {
        struct forecast_step *s = &f->steps[i];
        double time = s->us / t.us;
        s->input_tokens = input * (known && t.input > 0 ? s->input_tokens / t.input : time);
        s->output_tokens = output * (known ? s->output_tokens / t.output : time);
    }
}

void forecast_put_calls(const struct forecast_input *in, double input_tokens, double output_tokens,
                        struct forecast *f)
{
    int calls = in->calls > 0 ? in->calls : 1;
    f->script.calls = f->calls;
    f->script.n_calls = 0;
    if (in->n_given > 0)
        put_given_steps(in, f);
    else
        put_seen_steps(in, f);
    struct totals t = sum_up(f);
    if (t.us <= 0 || t.calls > CAPACITY_CALLS_MAX) {
        f->n_steps = 0;
        for (int i = 0; i < calls; i++)
            f->calls[f->script.n_calls++] =
                (struct capacity_call){1.0 / calls, input_tokens / calls, output_tokens / calls};
        return;
    }
    share_tokens(f, input_tokens, output_tokens);
    if (in->n_given > 0)
        f->given_us = (int64_t)(t.us + 0.5);
    for (size_t i = 0; i < f->n_steps; i++) {
        const struct forecast_step *s = &f->steps[i];
        for (int k = 0; k < s->calls; k++)
            f->calls[f->script.n_calls++] =
                (struct capacity_call){s->us / t.us, s->input_tokens, s->output_tokens};
    }
}
