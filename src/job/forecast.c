/* In: how many people ask, what a script takes. Out: the guide's set-ups and ours, side by side. */
#include "job/forecast.h"

#include <string.h>

#include "base/clock.h"
#include "job/forecast_steps.h"

#define MINUTE_US        ((int64_t)60 * USEC_PER_SEC)
#define DAY_US           ((int64_t)86400 * USEC_PER_SEC)
#define GUIDE_SERVICE_US (5 * MINUTE_US)
#define GUIDE_USERS      10
#define GUIDE_SETUPS_UP_TO                                                                         \
    10000 /* scripts; more are called for only where somebody says how often */
#define OWN_CONCURRENCY 3
#define SERVICE_MAX_US  DAY_US
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

bool forecast_limits(const char *tier, const struct capacity_limits *own,
                     struct capacity_limits *io_limits)
{
    if (!forecast_tier(tier != NULL ? tier : "start", io_limits))
        return false;
    if (tier == NULL && own->requests > 0)
        io_limits->requests = own->requests;
    if (tier == NULL && own->input_tokens > 0)
        io_limits->input_tokens = own->input_tokens;
    if (tier == NULL && own->output_tokens > 0)
        io_limits->output_tokens = own->output_tokens;
    return true;
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
    if (in->minutes_us > 0 && in->n_given > 0)
        return err_set(msg, ERR_INVALID,
                       "say either how long a script takes or how long its steps do");
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
    f->measured = in->minutes_us == 0 && in->n_given == 0 && in->n_measured > 0;
    f->tokens_measured = in->output_tokens > 0;
    f->given_us = in->minutes_us > 0 ? in->minutes_us : GUIDE_SERVICE_US;
    f->script = (struct capacity_script){.service_us = f->measured ? in->measured_us : &f->given_us,
                                         .n_service = f->measured ? in->n_measured : 1,
                                         .cost_udollar = in->cost_udollar};
    forecast_put_calls(in, f->tokens_measured ? (double)in->input_tokens : INPUT_TOKENS,
                       f->tokens_measured ? (double)in->output_tokens : OUTPUT_TOKENS, f);
    f->limits = (struct capacity_limits){.requests = times(in->limits.requests, in->keys),
                                         .input_tokens = times(in->limits.input_tokens, in->keys),
                                         .output_tokens = times(in->limits.output_tokens, in->keys),
                                         .budget_udollar = in->limits.budget_udollar};
    f->mean_us = (int64_t)capacity_mean_us(&f->script);
}

/* ---- the set-ups ---- */

static const struct forecast_row guide_rows[FORECAST_GUIDE_ROWS] = {
    {.name = "one_worker",
     .about = "one worker x 1, called each minute",
     .setup = {1, 1, MINUTE_US},
     .quoted_per_hour = "6-10",
     .quoted_wait = "up to 45 min"},
    {.name = "three_slots",
     .about = "three slots, called each minute",
     .setup = {3, 1, MINUTE_US},
     .quoted_per_hour = "18-30",
     .quoted_wait = "14 min"},
    {.name = "three_workers",
     .about = "three workers x 3, called each minute",
     .setup = {3, 3, MINUTE_US}},
    {.name = "continuous",
     .about = "continuous: claimed as they come",
     .setup = {1, FORECAST_NODE_SLOTS, 0}},
};

static void compute(struct forecast_row *row, const struct capacity_script *script,
                    const struct capacity_limits *limits, const struct capacity_load *load)
{
    capacity_wait(script, limits, &row->setup, load, &row->waits);
    capacity_rate(script, limits, &row->setup, &row->rate);
}

/* As the guide counts: whatever was measured here, and whatever the provider allows. */
static void put_guide(struct forecast *f)
{
    static const int64_t took = GUIDE_SERVICE_US;
    static const struct capacity_call call = {1, INPUT_TOKENS, OUTPUT_TOKENS};
    static const struct capacity_limits none;
    const struct capacity_script script = {
        .service_us = &took, .n_service = 1, .calls = &call, .n_calls = 1};
    const struct capacity_load load = {.scripts = GUIDE_USERS};
    for (size_t i = 0; i < FORECAST_GUIDE_ROWS; i++) {
        f->guide[i] = guide_rows[i];
        compute(&f->guide[i], &script, &none, &load);
    }
}

static struct forecast_row *add(struct forecast *f, const struct forecast_row *like)
{
    struct forecast_row *row = &f->rows[f->n++];
    *row = *like;
    row->quoted_per_hour = row->quoted_wait = NULL;
    return row;
}

static void add_own(const struct forecast_input *in, struct forecast *f)
{
    add(f, &(struct forecast_row){.name = "own",
                                  .about = in->every_us > 0 ? "yours, called as you say"
                                                            : "yours, called each minute",
                                  .setup = {in->workers > 0 ? in->workers : 1,
                                            in->concurrency > 0 ? in->concurrency : OWN_CONCURRENCY,
                                            in->every_us > 0 ? in->every_us : MINUTE_US}});
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
    put_guide(f);
    for (size_t i = 0; in->users > 0 && in->users <= GUIDE_SETUPS_UP_TO && i < 3; i++)
        add(f, &guide_rows[i]);
    bool own = in->workers > 0 || in->concurrency > 0;
    if (in->every_us > 0 || (own && load.scripts <= GUIDE_SETUPS_UP_TO))
        add_own(in, f);
    struct capacity_setup *continuous = &add(f, &guide_rows[3])->setup;
    if (in->workers > 0)
        continuous->workers = in->workers;
    if (in->concurrency > 0)
        continuous->concurrency = in->concurrency;
    for (size_t i = 0; i < f->n; i++)
        compute(&f->rows[i], &f->script, &f->limits, &load);
    return OK;
}

const char *const forecast_difference =
    "The guide quotes 14 min for the tenth of ten people. Three slots and five-minute scripts "
    "compute to 15: three rounds of five minutes come before the tenth; the quoted figure is a "
    "minute short of that, and counts three slots. Three workers of three are nine: there the "
    "tenth waits for one round, 5 min, and 108 scripts an hour come out, where 18-30 are quoted. "
    "One worker computes to 12 an hour when a script takes five minutes to the second; one that "
    "takes a moment longer waits for the next minute's call, and 10 come out: the upper end of "
    "the quoted 6-10.";
