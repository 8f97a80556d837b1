/* In: how many people ask, a set-up, a tier. Out: the capacity planner's table. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/forecast_json.h"
#include "app/cmd.h"
#include "app/context.h"
#include "app/fmt.h"
#include "app/workshop.h"
#include "base/clock.h"
#include "base/mem.h"

#define MINUTE_US     ((int64_t)60 * USEC_PER_SEC)
#define USERS_DEFAULT 10

/* ---- what is known ---- */

struct measuring {
    struct forecast_input *in;
    struct forecast_look look;
};

static void take_jobs(void *ctx, const struct store_result *r)
{
    struct measuring *m = ctx;
    forecast_learn(m->in, r, &m->look);
}

static void take_steps(void *ctx, const struct store_result *r)
{
    struct measuring *m = ctx;
    forecast_learn_steps(m->in, r);
}

static int measure(struct invocation *inv, struct forecast_input *in)
{
    struct store_filter filter = {.status = JOB_COMPLETED, .limit = FORECAST_LOOK_BACK};
    struct measuring m = {.in = in};
    struct context c;
    if (!context_has_store(inv))
        return EXIT_DONE;
    int code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct answer a = answer_new(&c, take_jobs, &m);
    store_list(c.store, &filter, answer_take, &a);
    code = answer_wait(&c, &a);
    if (code == EXIT_DONE && m.look.n > 0) {
        a = answer_new(&c, take_steps, &m);
        store_follow(c.store, m.look.items, m.look.n, answer_take, &a);
        code = answer_wait(&c, &a);
    }
    context_close(&c);
    return code;
}

static int read_limits(const struct invocation *inv, struct forecast_input *in)
{
    const struct settings *set = &inv->set;
    const struct capacity_limits own = {
        .requests = set->rpm, .input_tokens = set->itpm, .output_tokens = set->otpm};
    if (!forecast_limits(set->tier, &own, &in->limits))
        return command_fail(inv, EXIT_USAGE, "--tier: '%.40s' is none of %s", set->tier,
                            forecast_tiers);
    in->limits.budget_udollar = (int64_t)(set->budget * 1e6 + 0.5);
    return EXIT_DONE;
}

static void read_setup(const struct invocation *inv, struct forecast_input *in)
{
    const struct settings *set = &inv->set;
    in->per_day = set->per_day;
    if (inv->given[SET_USERS])
        in->users = set->users;
    else if (in->per_day == 0)
        in->users = USERS_DEFAULT;
    in->workers = inv->given[SET_WORKERS] ? (int)set->workers : 0;
    in->concurrency = inv->given[SET_CONCURRENCY] ? (int)set->concurrency : 0;
    in->every_us = inv->given[SET_EVERY] ? set->every_us : 0;
    in->keys = (int)set->keys;
    in->minutes_us = (int64_t)(set->minutes_per_script * (double)MINUTE_US + 0.5);
}

static int read_input(struct invocation *inv, struct forecast_input *in)
{
    struct catalog *catalog = NULL;
    read_setup(inv, in);
    if (inv->given[SET_MINUTES_PER_SCRIPT] && in->minutes_us == 0)
        return command_fail(inv, EXIT_USAGE, "--minutes-per-script must be more than nothing");
    if (inv->given[SET_BUDGET] && inv->set.budget < 1e-6)
        return command_fail(inv, EXIT_USAGE,
                            "--budget must be more than nothing; leave it out for no cap");
    struct errmsg msg = {""};
    if (inv->set.step_seconds != NULL && forecast_read_steps(in, inv->set.step_seconds, &msg) != OK)
        return command_fail(inv, EXIT_USAGE, "--step-seconds: %s", msg.text);
    int code = read_limits(inv, in);
    if (code == EXIT_DONE)
        code = workshop_catalog(inv, &catalog);
    if (code == EXIT_DONE)
        code = measure(inv, in);
    if (code == EXIT_DONE)
        forecast_put_price(in, catalog, clock_wall());
    catalog_free(catalog);
    return code;
}

/* ---- the table ---- */

static const char *wait_text(int64_t us, char *out)
{
    if (us < 0)
        return "-";
    if (us == 0)
        return "0";
    if (us >= MINUTE_US && us < 120 * MINUTE_US && us % MINUTE_US == 0) {
        (void)snprintf(out, FMT_SIZE, "%" PRId64 " min", us / MINUTE_US);
        return out;
    }
    return fmt_seconds(us, out);
}

static void print_row(const struct forecast_row *row)
{
    char first[FMT_SIZE], median[FMT_SIZE], tenth[FMT_SIZE], last[FMT_SIZE], rate[FMT_SIZE],
        cost[FMT_SIZE];
    const struct capacity_waits *w = &row->waits;
    (void)printf(
        "%-38s %7" PRId64 " %11s %12s %12s %12s %9s %10s  %s\n", row->about,
        (int64_t)row->setup.workers * row->setup.concurrency, wait_text(w->first_us, first),
        wait_text(w->median_us, median), wait_text(w->tenth_us, tenth), wait_text(w->last_us, last),
        fmt_count((int64_t)(row->rate.scripts_per_hour + 0.5), rate),
        fmt_money(row->rate.cost_udollar_per_hour, cost), capacity_bound_name(row->rate.bound));
}

static void print_source(const struct forecast_input *in, const struct forecast *f)
{
    char took[FMT_SIZE];
    if (f->measured)
        (void)printf("; one takes %s (the mean of the last %zu completed here)",
                     fmt_seconds(f->mean_us, took), in->n_measured);
    else
        (void)printf("; one takes %s (%s)", wait_text(f->mean_us, took),
                     in->minutes_us > 0 || in->n_given > 0
                         ? "as given"
                         : "the guide's figure; nothing was measured");
}

static void print_steps(const struct forecast_input *in, const struct forecast *f)
{
    char a[FMT_SIZE], b[FMT_SIZE];
    for (size_t i = 0; i < f->n_steps; i++) {
        const struct forecast_step *s = &f->steps[i];
        (void)printf("  %-12s %2d x %.3g s, %s tokens in, %s out%s\n", s->name, s->calls,
                     s->us / 1e6, fmt_count((int64_t)(s->input_tokens + 0.5), a),
                     fmt_count((int64_t)(s->output_tokens + 0.5), b),
                     in->n_given > 0 ? "" : " (measured)");
    }
}

static void print_case(const struct forecast_input *in, const struct forecast *f)
{
    char n[FMT_SIZE], a[FMT_SIZE], b[FMT_SIZE], c[FMT_SIZE], cost[FMT_SIZE];
    struct capacity_call sum = capacity_sum(&f->script);
    if (in->users > 0)
        (void)printf("%s script%s asked for at once", fmt_count(in->users, n),
                     in->users == 1 ? "" : "s");
    else
        (void)printf("%s scripts a day, evenly", fmt_count(in->per_day, n));
    print_source(in, f);
    (void)printf(",\n%d call%s, %s tokens in, %s out, %s (%s).\n", f->script.n_calls,
                 f->script.n_calls == 1 ? "" : "s", fmt_count((int64_t)(sum.input_tokens + 0.5), a),
                 fmt_count((int64_t)(sum.output_tokens + 0.5), b),
                 fmt_money(f->script.cost_udollar, cost),
                 f->tokens_measured ? "measured" : "the usual for ten minutes of video");
    print_steps(in, f);
    (void)printf("Limits a minute, of %d key%s: %s requests, %s tokens in, %s out.\n\n", in->keys,
                 in->keys == 1 ? "" : "s", fmt_count(f->limits.requests, a),
                 fmt_count(f->limits.input_tokens, b), fmt_count(f->limits.output_tokens, c));
}

/* Its figures are quoted whatever was measured here: beside what its own case computes to. */
static void print_guide(const struct forecast *f)
{
    char rate[FMT_SIZE], tenth[FMT_SIZE];
    (void)printf("\nThe guide's own case: ten people at once, scripts of five minutes, no limits.\n"
                 "%-38s %14s %9s %14s %9s\n",
                 "", "quoted an hour", "computed", "tenth, quoted", "computed");
    for (size_t i = 0; i < FORECAST_GUIDE_ROWS; i++) {
        const struct forecast_row *row = &f->guide[i];
        (void)printf("%-38s %14s %9s %14s %9s\n", row->about,
                     row->quoted_per_hour != NULL ? row->quoted_per_hour : "-",
                     fmt_count((int64_t)(row->rate.scripts_per_hour + 0.5), rate),
                     row->quoted_wait != NULL ? row->quoted_wait : "-",
                     wait_text(row->waits.tenth_us, tenth));
    }
    (void)printf("%s\n", forecast_difference);
}

static void print_table(const struct forecast_input *in, const struct forecast *f)
{
    print_case(in, f);
    (void)printf("%-38s %7s %11s %12s %12s %12s %9s %10s  %s\n", "", "slots", "first waits",
                 "median", "tenth", "last", "scripts/h", "cost/h", "binds");
    for (size_t i = 0; i < f->n; i++)
        print_row(&f->rows[i]);
    (void)printf(
        "\nScripts and cost an hour are those at full load; \"binds\" says what keeps them "
        "from being more.\n");
    print_guide(f);
}

int cmd_plan(struct invocation *inv)
{
    struct forecast_input *in = mem_alloc(sizeof *in);
    struct forecast f;
    struct errmsg msg = {""};
    int code = read_input(inv, in);
    if (code == EXIT_DONE && forecast_make(in, &f, &msg) != OK)
        code = command_fail(inv, EXIT_USAGE, "%s", msg.text);
    if (code == EXIT_DONE && inv->set.json) {
        struct buf out = BUF_INIT(FORECAST_JSON_MAX);
        forecast_put_json(&out, in, &f);
        (void)printf("%s\n", buf_str(&out));
        buf_free(&out);
    } else if (code == EXIT_DONE) {
        print_table(in, &f);
    }
    free(in);
    return code;
}
