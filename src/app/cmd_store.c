/* In: stats, migrate, backup. Out: the store counted, brought up to date, copied. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/stats_json.h"
#include "app/cmd.h"
#include "app/context.h"
#include "app/fmt.h"
#include "text/json.h"

/* ---- stats ---- */

static void print_stats_json(const struct store_stats *s)
{
    struct buf out = BUF_INIT(STATS_JSON_MAX);
    stats_put_json(&out, s);
    (void)printf("%s\n", buf_str(&out));
    buf_free(&out);
}

static void print_stats(const struct store_stats *s)
{
    char a[FMT_SIZE], b[FMT_SIZE], c[FMT_SIZE];
    (void)printf("%-12s %10s %12s %14s\n", "jobs", "all", "last hour", "average");
    for (int i = 0; i < JOB_STATUS_MAX; i++) {
        const char *average = "";
        if (s->recent_seconds[i] >= 0)
            average = fmt_seconds((int64_t)(s->recent_seconds[i] * 1e6), c);
        (void)printf("%-12s %10s %12s %14s\n", job_status_name((enum job_status)i),
                     fmt_count(s->count[i], a), fmt_count(s->recent[i], b), average);
    }
    if (s->paused)
        (void)printf("\npaused: nothing is claimed until `scriptorium resume`");
    (void)printf("\nqueue: %" PRId64 " due, %" PRId64 " due later, %" PRId64 " running", s->due,
                 s->delayed, s->running);
    if (s->foreign > 0)
        (void)printf(", %" PRId64
                     " in work by another system (see: scriptorium jobs rescue --help)",
                     s->foreign);
    (void)printf("\ncalls: %s, of which %" PRId64 " were cut and are estimated\n",
                 fmt_count(s->calls, a), s->calls_estimated);
    (void)printf("today (UTC): %s spent", fmt_money(s->today_udollar, c));
    if (s->today_reserved_udollar > 0)
        (void)printf(", about %s by calls that run", fmt_money(s->today_reserved_udollar, c));
    (void)printf("\ntokens: %s in, %s out; cost: %s\n", fmt_count(usage_prompt(&s->usage), a),
                 fmt_count(s->usage.output, b), fmt_money(s->cost_udollar, c));
}

static void take_stats(void *ctx, const struct store_result *r)
{
    const struct invocation *inv = ctx;
    if (inv->set.json)
        print_stats_json(r->stats);
    else
        print_stats(r->stats);
}

int cmd_stats(struct invocation *inv)
{
    struct context c;
    int code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct answer a = answer_new(&c, take_stats, inv);
    store_stats(c.store, answer_take, &a);
    code = answer_wait(&c, &a);
    context_close(&c);
    return code;
}

/* ---- migrate ---- */

static void take_plan(void *ctx, const struct store_result *r)
{
    const struct invocation *inv = ctx;
    const char *plan = r->text != NULL ? r->text : "", *said = r->said != NULL ? r->said : "";
    if (inv->set.json) {
        struct buf out = BUF_INIT((size_t)16 << 20);
        buf_puts(&out, "{\"plan\":");
        json_put_string(&out, plan, strlen(plan));
        buf_puts(&out, ",\"said\":");
        json_put_string(&out, said, strlen(said));
        (void)printf("%s}\n", buf_str(&out));
        buf_free(&out);
    } else if (!inv->set.dry_run) {
        (void)printf("%sThe store is up to date.\n", said);
    } else if (plan[0] == '\0') {
        (void)printf("%sNothing to do: the store is up to date.\n", said);
    } else {
        (void)printf("%s%s", plan, plan[strlen(plan) - 1] == '\n' ? "" : "\n");
    }
}

int cmd_migrate(struct invocation *inv)
{
    struct context c;
    int code = context_open(&c, inv, inv->set.dry_run ? 0 : CONTEXT_CREATE);
    if (code != EXIT_DONE)
        return code;
    struct answer a = answer_new(&c, take_plan, inv);
    unsigned flags = (inv->set.dry_run ? STORE_MIGRATE_DRY_RUN : 0U) |
                     (inv->set.with_cron ? STORE_MIGRATE_CRON : 0U);
    store_migrate(c.store, flags, answer_take, &a);
    code = answer_wait(&c, &a);
    context_close(&c);
    return code;
}

/* ---- backup ---- */

int cmd_backup(struct invocation *inv)
{
    struct context c;
    const char *path = inv->args[0];
    int code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct answer a = answer_new(&c, NULL, NULL);
    store_backup(c.store, path, answer_take, &a);
    code = answer_wait(&c, &a);
    context_close(&c);
    if (code != EXIT_DONE)
        return code;
    if (inv->set.json) {
        struct buf out = BUF_INIT((size_t)1 << 16);
        buf_puts(&out, "{\"file\":");
        json_put_string(&out, path, strlen(path));
        (void)printf("%s}\n", buf_str(&out));
        buf_free(&out);
    } else {
        (void)printf("The store is copied to %s\n", path);
    }
    return EXIT_DONE;
}
