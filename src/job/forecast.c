/* In: how many people ask, what a script takes. Out: the guide's set-ups and ours, side by side. */
#include "job/forecast.h"

#include <string.h>

#include "base/clock.h"

#define MINUTE_US          ((int64_t)60 * USEC_PER_SEC)
#define DAY_US             ((int64_t)86400 * USEC_PER_SEC)
#define GUIDE_SERVICE_US   (5 * MINUTE_US)
#define GUIDE_USERS        10
#define GUIDE_SETUPS_UP_TO 10000 /* people; more do not ask one worker */
#define SERVICE_MAX_US     DAY_US
/* A ten-minute script, where nothing was measured. */
#define INPUT_TOKENS  1500
#define OUTPUT_TOKENS 2150

static const struct {
    const char *name;
    struct capacity_limits limits;
} tiers[] = {
    {"start", {.requests = 1000, .input_tokens = 2000000, .output_tokens = 400000}},
    {"build", {.requests = 5000, .input_tokens = 5000000, .output_tokens = 1000000}},
    {"scale", {.requests = 10000, .input_tokens = 10000000, .output_tokens = 2000000}},
};
const char *const forecast_tiers = "start, build, scale";

bool forecast_tier(const char *name, struct capacity_limits *ret_limits)
{
    for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++) {
        if (strcmp(name, tiers[i].name) != 0)
            continue;
        int64_t budget = ret_limits->budget_udollar;
        *ret_limits = tiers[i].limits;
        ret_limits->budget_udollar = budget;
        return true;
    }
    return false;
}

/* ---- what was asked ---- */

static enum err check(const struct forecast_input *in, struct errmsg *msg)
{
    if (in->users < 0 || in->per_day < 0 || (in->users == 0) == (in->per_day == 0))
        return err_set(msg, ERR_INVALID, "say either how many ask at once or how many a day");
    if (in->users > CAPACITY_SCRIPTS_MAX || in->per_day > CAPACITY_SCRIPTS_MAX)
        return err_set(msg, ERR_INVALID, "at most %d scripts", CAPACITY_SCRIPTS_MAX);
    if (in->workers < 0 || in->workers > CAPACITY_WORKERS_MAX)
        return err_set(msg, ERR_INVALID, "workers: 1 to %d", CAPACITY_WORKERS_MAX);
    if (in->concurrency < 0 || in->concurrency > CAPACITY_SLOTS_MAX ||
        (int64_t)in->concurrency * (in->workers > 0 ? in->workers : 1) > CAPACITY_SLOTS_MAX)
        return err_set(msg, ERR_INVALID, "workers times concurrency: at most %d",
                       CAPACITY_SLOTS_MAX);
    if (in->minutes_us < 0 || in->minutes_us > SERVICE_MAX_US)
        return err_set(msg, ERR_INVALID, "a script takes more than nothing and less than a day");
    if (in->every_us < 0 || (in->every_us > 0 && in->every_us < USEC_PER_SEC / 100) ||
        in->every_us > DAY_US)
        return err_set(msg, ERR_INVALID, "workers are called every 10 ms at most, and once a day");
    return OK;
}

static int64_t times(int64_t limit, int keys)
{
    return limit * (keys > 0 ? keys : 1);
}

static void settle(const struct forecast_input *in, struct forecast *f)
{
    f->measured = in->minutes_us == 0 && in->n_measured > 0;
    f->tokens_measured = in->output_tokens > 0;
    f->given_us = in->minutes_us > 0 ? in->minutes_us : GUIDE_SERVICE_US;
    f->script = (struct capacity_script){.service_us = f->measured ? in->measured_us : &f->given_us,
                                         .n_service = f->measured ? in->n_measured : 1,
                                         .calls = in->calls > 0 ? in->calls : 1,
                                         .input_tokens = INPUT_TOKENS,
                                         .output_tokens = OUTPUT_TOKENS,
                                         .cost_udollar = in->cost_udollar};
    if (f->tokens_measured) {
        f->script.input_tokens = in->input_tokens;
        f->script.output_tokens = in->output_tokens;
    }
    f->limits = (struct capacity_limits){.requests = times(in->limits.requests, in->keys),
                                         .input_tokens = times(in->limits.input_tokens, in->keys),
                                         .output_tokens = times(in->limits.output_tokens, in->keys),
                                         .budget_udollar = in->limits.budget_udollar};
    double sum = 0;
    for (size_t i = 0; i < f->script.n_service; i++)
        sum += (double)f->script.service_us[i];
    f->mean_us = (int64_t)(sum / (double)f->script.n_service);
    f->guide = in->users == GUIDE_USERS && !f->measured && f->given_us == GUIDE_SERVICE_US;
}

/* ---- the set-ups ---- */

static struct forecast_row *add(struct forecast *f, const char *name, const char *about,
                                int workers, int concurrency, int64_t every_us)
{
    struct forecast_row *row = &f->rows[f->n++];
    *row = (struct forecast_row){
        .name = name,
        .about = about,
        .setup = {.workers = workers, .concurrency = concurrency, .every_us = every_us}};
    return row;
}

static void add_guide(struct forecast *f)
{
    struct forecast_row *row =
        add(f, "one_worker", "one worker x 1, called each minute", 1, 1, MINUTE_US);
    if (f->guide) {
        row->quoted_per_hour = "6-10";
        row->quoted_wait = "up to 45 min";
    }
    row = add(f, "three_slots", "three slots, called each minute", 3, 1, MINUTE_US);
    if (f->guide) {
        row->quoted_per_hour = "18-30";
        row->quoted_wait = "14 min";
    }
    add(f, "three_workers", "three workers x 3, called each minute", 3, 3, MINUTE_US);
}

enum err forecast_make(const struct forecast_input *in, struct forecast *ret_forecast,
                       struct errmsg *msg)
{
    struct forecast *f = ret_forecast;
    struct capacity_load load = {.scripts = in->users > 0 ? in->users : in->per_day,
                                 .over_us = in->users > 0 ? 0 : DAY_US};
    enum err e = check(in, msg);
    if (e != OK)
        return e;
    *f = (struct forecast){0};
    settle(in, f);
    if (in->users > 0 && in->users <= GUIDE_SETUPS_UP_TO)
        add_guide(f);
    int workers = in->workers > 0 ? in->workers : 1;
    bool own = in->workers > 0 || in->concurrency > 0;
    int each = in->concurrency > 0 ? in->concurrency : 3;
    if (own && load.scripts <= GUIDE_SETUPS_UP_TO)
        add(f, "own", "yours, called each minute", workers, each,
            in->every_us > 0 ? in->every_us : MINUTE_US);
    if (own && load.scripts <= GUIDE_SETUPS_UP_TO && in->every_us > 0)
        f->rows[f->n - 1].about = "yours, called as you say";
    add(f, "continuous", "continuous: claimed as they come", workers,
        in->concurrency > 0 ? in->concurrency : FORECAST_NODE_SLOTS, 0);
    for (size_t i = 0; i < f->n; i++) {
        capacity_wait(&f->script, &f->limits, &f->rows[i].setup, &load, &f->rows[i].waits);
        capacity_rate(&f->script, &f->limits, &f->rows[i].setup, &f->rows[i].rate);
    }
    return OK;
}

void forecast_put_difference(struct buf *out, const struct forecast *f)
{
    if (!f->guide)
        return;
    buf_puts(
        out,
        "The guide quotes 14 min for the tenth of ten people. Three slots and five-minute scripts "
        "compute to 15: three rounds of five minutes come before the tenth; the quoted figure is "
        "a minute short of that, and counts three slots. Three workers of three are nine: there "
        "the tenth waits for one round, 5 min, and 108 scripts an hour come out, where 18-30 "
        "are quoted. One worker computes to 12 an hour when a script takes five minutes to the "
        "second; one that takes a moment longer waits for the next minute's call, and 10 come "
        "out: the upper end of the quoted 6-10.");
}
