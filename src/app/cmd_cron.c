/* In: cron list, schedule, unschedule, runs, next. Out: schedules shown and changed, and when one
 * would fire. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/schedule_json.h"
#include "app/cmd.h"
#include "app/context.h"
#include "app/fmt.h"
#include "base/clock.h"
#include "base/mem.h"
#include "text/cron.h"
#include "text/json.h"
#include "store/store_schedules.h"

/* ---- cron list ---- */

struct listing {
    const struct invocation *inv;
    struct buf out; /* JSON */
    bool sql;       /* those of cron.job */
    size_t n;       /* shown so far, of this kind */
    int64_t last;
    bool full;
};

static const char *next_of(const struct store_schedule *s, char *out)
{
    if (!s->active)
        return "off";
    if (s->error != NULL)
        return "never: see --json";
    if (!s->planned)
        return "not planned yet";
    return s->due_us > 0 ? clock_iso(s->due_us, out) : "at each start";
}

static void print_row(const char *name, const char *expr, const char *next, const char *rest)
{
    struct buf line = BUF_INIT(4096);
    fmt_fit(&line, name, 36);
    buf_puts(&line, " ");
    fmt_fit(&line, expr, 32);
    buf_puts(&line, " ");
    fmt_fit(&line, next, 28);
    (void)printf("%s ", buf_str(&line));
    fmt_print(stdout, rest);
    (void)printf("\n");
    buf_free(&line);
}

static void print_schedule(const struct store_schedule *s, bool sql)
{
    char missed[SCHEDULE_MISSED_SIZE], next[CLOCK_ISO_SIZE];
    if (sql) {
        print_row(s->name, s->expr,
                  !s->active         ? "off"
                  : s->error != NULL ? "unreadable: see --json"
                  : s->due_us > 0    ? clock_iso(s->due_us, next)
                                     : "",
                  s->label);
        return;
    }
    char *rest =
        mem_printf("%-8s %s", schedule_missed(s, missed), s->label != NULL ? s->label : "default");
    print_row(s->name, s->expr, next_of(s, next), rest);
    free(rest);
}

static void take_schedules(void *ctx, const struct store_result *r)
{
    struct listing *l = ctx;
    bool json = l->inv->set.json;
    if (l->n == 0 && r->n > 0 && !json) {
        if (l->sql)
            (void)printf("\nIn SQL (cron.job):\n");
        print_row("name", "schedule", "next", l->sql ? "user" : "missed   worker id");
    }
    for (size_t i = 0; i < r->n; i++, l->n++) {
        const struct store_schedule *s = &r->schedules[i];
        l->last = s->id;
        if (!json) {
            print_schedule(s, l->sql);
            continue;
        }
        buf_puts(&l->out, l->n > 0 ? "," : "");
        if (l->sql)
            schedule_put_sql(&l->out, s);
        else
            schedule_put_json(&l->out, s);
    }
    l->full = r->n == STORE_BATCH_MAX;
}

/* All of one kind, page by page. */
static int list(struct context *c, struct listing *l)
{
    int code = EXIT_DONE;
    l->n = 0;
    l->last = 0;
    l->full = true;
    while (l->full && code == EXIT_DONE) {
        struct store_schedule_filter filter = {.after = l->last, .limit = STORE_BATCH_MAX};
        struct answer a = answer_new(c, take_schedules, l);
        if (l->sql)
            store_schedule_list_sql(c->store, &filter, answer_take, &a);
        else
            store_schedule_list(c->store, &filter, answer_take, &a);
        code = answer_wait(c, &a);
    }
    return code;
}

int cmd_cron_list(struct invocation *inv)
{
    struct context c;
    int code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct listing l = {.inv = inv, .out = BUF_INIT((size_t)64 << 20)};
    buf_puts(&l.out, "{\"schedules\":[");
    code = list(&c, &l);
    size_t n = l.n;
    buf_puts(&l.out, "],\"sql\":[");
    l.sql = true;
    if (code == EXIT_DONE)
        code = list(&c, &l);
    if (code == EXIT_DONE && inv->set.json)
        (void)printf("%s]}\n", buf_str(&l.out));
    else if (code == EXIT_DONE && n + l.n == 0)
        (void)fprintf(stderr,
                      "There are no schedules; make one: scriptorium cron schedule --help\n");
    buf_free(&l.out);
    context_close(&c);
    return code;
}

/* ---- cron schedule, cron unschedule ---- */

static void take_saved(void *ctx, const struct store_result *r)
{
    const struct invocation *inv = ctx;
    if (inv->set.json) {
        struct buf out = BUF_INIT(SCHEDULES_JSON_MAX);
        schedule_put_json(&out, &r->schedules[0]);
        (void)printf("%s\n", buf_str(&out));
        buf_free(&out);
    } else {
        (void)printf("%s %s: %s\n", r->count > 0 ? "Changed" : "Scheduled", r->schedules[0].name,
                     r->schedules[0].expr);
    }
}

int cmd_cron_schedule(struct invocation *inv)
{
    struct context c;
    struct errmsg msg = {""};
    struct store_schedule s = {
        .name = inv->args[0], .expr = inv->args[1], .label = inv->set.worker_id, .active = true};
    if (schedule_read_missed(inv->set.missed, &s, &msg) != OK || schedule_check(&s, &msg) != OK)
        return command_fail(inv, EXIT_USAGE, "%s", msg.text);
    int code = context_open(&c, inv, CONTEXT_CREATE);
    if (code != EXIT_DONE)
        return code;
    struct answer a = answer_new(&c, take_saved, inv);
    store_schedule_save(c.store, &s, answer_take, &a);
    code = answer_wait(&c, &a);
    context_close(&c);
    return code;
}

int cmd_cron_unschedule(struct invocation *inv)
{
    struct context c;
    int code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct answer a = answer_new(&c, NULL, NULL);
    store_schedule_remove(c.store, inv->args[0], answer_take, &a);
    code = answer_wait(&c, &a);
    if (code == EXIT_DONE && inv->set.json) {
        struct buf out = BUF_INIT((size_t)1 << 16);
        json_put_string(&out, inv->args[0], strlen(inv->args[0]));
        (void)printf("{\"unscheduled\":%s}\n", buf_str(&out));
        buf_free(&out);
    } else if (code == EXIT_DONE) {
        (void)printf("Unscheduled %s; its runs are kept for a while.\n", inv->args[0]);
    }
    context_close(&c);
    return code;
}

/* ---- cron runs ---- */

static void print_run(const struct store_run *run)
{
    char at[CLOCK_ISO_SIZE], took[FMT_SIZE] = "";
    struct buf name = BUF_INIT(1024);
    fmt_fit(&name, run->name, 36);
    if (run->ended_us > 0)
        (void)fmt_seconds(run->ended_us - run->claimed_us, took);
    (void)printf("%s %-27s %-9s %7d %10s  ", buf_str(&name), clock_iso(run->fire_us, at),
                 schedule_run_state(run->state), run->attempt, took);
    fmt_print(stdout, run->message != NULL ? run->message : "");
    (void)printf("\n");
    buf_free(&name);
}

static void take_runs(void *ctx, const struct store_result *r)
{
    const struct invocation *inv = ctx;
    if (inv->set.json) {
        struct buf out = BUF_INIT(SCHEDULES_JSON_MAX);
        for (size_t i = 0; i < r->n; i++) {
            buf_puts(&out, i > 0 ? "," : "");
            schedule_put_run(&out, &r->runs[i]);
        }
        (void)printf("{\"runs\":[%s]}\n", buf_str(&out));
        buf_free(&out);
        return;
    }
    if (r->n == 0) {
        (void)fprintf(stderr, "Nothing has fired yet.\n");
        return;
    }
    (void)printf("%-36s %-27s %-9s %7s %10s  %s\n", "schedule", "time", "state", "attempt", "took",
                 "message");
    for (size_t i = 0; i < r->n; i++)
        print_run(&r->runs[i]);
}

int cmd_cron_runs(struct invocation *inv)
{
    struct context c;
    int code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct store_run_filter filter = {.name = inv->n_args > 0 ? inv->args[0] : NULL,
                                      .limit = (size_t)inv->set.limit};
    struct answer a = answer_new(&c, take_runs, inv);
    store_runs(c.store, &filter, answer_take, &a);
    code = answer_wait(&c, &a);
    context_close(&c);
    return code;
}

/* ---- cron next ---- */

static void print_next(const struct invocation *inv, const struct cron *cron, int64_t now)
{
    char at[CLOCK_ISO_SIZE];
    const char *comma = "";
    if (inv->set.json)
        (void)printf("{\"next\":[");
    for (int64_t i = 0; i < inv->set.count; i++) {
        now = cron_next(cron, now);
        if (now == 0)
            break;
        clock_iso(now, at);
        (void)printf(inv->set.json ? "%s\"%s\"" : "%s%s\n", comma, at);
        comma = inv->set.json ? "," : "";
    }
    if (inv->set.json)
        (void)printf("]}\n");
    else if (cron_is_reboot(cron))
        (void)printf("at each start of the daemon\n");
}

int cmd_cron_next(struct invocation *inv)
{
    struct cron *cron = NULL;
    struct errmsg msg = {""};
    const char *expr = inv->args[0], *tz = inv->set.tz;
    if (tz != NULL && strncmp(expr, "CRON_TZ=", 8) == 0)
        return command_fail(inv, EXIT_USAGE, "the schedule names its time zone; leave --tz out");
    char *text = tz != NULL ? mem_printf("CRON_TZ=%s %s", tz, expr) : mem_strdup(expr);
    enum err e = cron_parse(text, &cron, &msg);
    free(text);
    if (e != OK)
        return command_fail(inv, EXIT_USAGE, "%s", msg.text);
    print_next(inv, cron, clock_wall());
    cron_free(cron);
    return EXIT_DONE;
}
