/* In: a system. Out: for each question of the table its verdict, the evidence and the remedy. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cmd.h"
#include "app/doctor.h"
#include "app/listen.h"
#include "base/clock.h"
#include "text/json.h"

#define REPORT_MAX ((size_t)1 << 20)

const struct doctor_check doctor_checks[] = {
    {"database", "is the database reachable, its schema current?", 0, look_at_database},
    {"table", "do triggers and row security let every job through?", TOLD_FACTS, look_at_table},
    {"connections", "are database connections left?", TOLD_FACTS, look_at_connections},
    {"notifications", "do changes arrive at once?", TOLD_FACTS, look_at_notifications},
    {"clock", "do this machine and the database agree on the time?", TOLD_FACTS, look_at_clock},
    {"disk", "is there room?", TOLD_FACTS, look_at_disk},
    {"files", "may a process open enough files?", 0, look_at_files},
    {"function", "is the function deployed and reachable?", 0, look_at_function},
    {"pipeline", "can new scripts be made by the deployed pipeline?", TOLD_PIPELINE,
     look_at_pipeline},
    {"workers", "is anybody at work?", TOLD_FACTS | TOLD_STATS | TOLD_WORKERS, look_at_workers},
    {"schedules", "are schedules active and firing?", TOLD_FACTS | TOLD_SCHEDULES | TOLD_RUNS,
     look_at_schedules},
    {"cron-key", "do cron commands have a key?", TOLD_FACTS, look_at_cron_key},
    {"errors", "what failed lately?", TOLD_STATS | TOLD_LINES, look_at_errors},
    {"stuck-jobs", "does a job hang?", TOLD_FACTS, look_at_stuck_jobs},
    {"foreign-jobs", "does another system work on the table?", TOLD_FACTS | TOLD_STATS,
     look_at_foreign_jobs},
    {"concurrency", "is concurrency the bottleneck?", TOLD_STATS | TOLD_WORKERS | TOLD_SCALE,
     look_at_concurrency},
    {"provider", "what do the provider's limits leave?", 0, look_at_provider},
    {"budget", "what was spent, and may more be?", TOLD_STATS, look_at_budget},
};
const size_t doctor_checks_count = sizeof doctor_checks / sizeof doctor_checks[0];

static const char *const verdict_names[VERDICT_MAX] = {"well", "note", "ill", "unknown"};

void doctor_say(struct doctor *d, struct finding *f, enum verdict verdict, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    f->verdict = verdict;
    f->evidence = arena_strdup(&d->arena, text);
}

void doctor_remedy(struct doctor *d, struct finding *f, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    f->remedy = arena_strdup(&d->arena, text);
}

/* ---- the report ---- */

static void put_json(struct buf *out, const struct finding *found, bool well)
{
    buf_putf(out, "{\"well\":%s,\"checks\":[", well ? "true" : "false");
    for (size_t i = 0; i < doctor_checks_count; i++) {
        const struct finding *f = &found[i];
        buf_putf(out, "%s{\"name\":\"%s\",\"question\":", i > 0 ? "," : "", doctor_checks[i].name);
        json_put_string(out, doctor_checks[i].question, strlen(doctor_checks[i].question));
        buf_putf(out, ",\"verdict\":\"%s\",\"evidence\":", verdict_names[f->verdict]);
        json_put_string(out, f->evidence, strlen(f->evidence));
        buf_puts(out, ",\"remedy\":");
        if (f->remedy != NULL)
            json_put_string(out, f->remedy, strlen(f->remedy));
        else
            buf_puts(out, "null");
        buf_puts(out, "}");
    }
    buf_puts(out, "]}\n");
}

static void put_text(struct buf *out, const struct finding *found, bool colour)
{
    static const char *const colours[VERDICT_MAX] = {"\033[32m", "\033[33m", "\033[31m", "\033[2m"};
    for (size_t i = 0; i < doctor_checks_count; i++) {
        const struct finding *f = &found[i];
        buf_putf(out, "%s%-7s%s  %s: %s\n         ", colour ? colours[f->verdict] : "",
                 verdict_names[f->verdict], colour ? "\033[0m" : "", doctor_checks[i].name,
                 doctor_checks[i].question);
        buf_put_plain(out, f->evidence);
        buf_puts(out, "\n");
        if (f->remedy != NULL)
            buf_putf(out, "         -> %s\n", f->remedy);
    }
}

static void look(struct doctor *d, const struct doctor_check *check, struct finding *f)
{
    if ((check->needs & ~d->told) == 0)
        check->look(d, f);
    else
        doctor_say(d, f, VERDICT_UNKNOWN, "the database did not tell");
}

static bool use_colour(void)
{
    const char *no_colour = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) == 1 && (no_colour == NULL || no_colour[0] == '\0');
}

static int report(struct doctor *d)
{
    struct finding found[sizeof doctor_checks / sizeof doctor_checks[0]] = {{0}};
    size_t ill = 0;
    for (size_t i = 0; i < doctor_checks_count; i++) {
        look(d, &doctor_checks[i], &found[i]);
        ill += found[i].verdict == VERDICT_ILL;
    }
    struct buf out = BUF_INIT(REPORT_MAX);
    if (d->inv->set.json) {
        put_json(&out, found, ill == 0);
    } else {
        put_text(&out, found, use_colour());
        if (ill == 0)
            buf_puts(&out, "\nAll is well.\n");
        else
            buf_putf(&out, "\n%zu of %zu must be mended.\n", ill, doctor_checks_count);
    }
    (void)fputs(buf_str(&out), stdout);
    buf_free(&out);
    return ill == 0 ? EXIT_DONE : EXIT_WORK_FAILED;
}

/* ---- the visit ---- */

/* http://host:port, perhaps with a path; no user and no query: it is printed. */
static bool is_base_url(const char *url)
{
    size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    return scheme > 0 && url[scheme] != '\0' && url[scheme] != '/' &&
           url[strcspn(url, "@?# \t\r\n")] == '\0';
}

/* The one named, or that of the configuration. */
static int find_daemon(struct doctor *d)
{
    const struct settings *set = &d->inv->set;
    struct listen_address address;
    if (set->url != NULL) {
        size_t n = strlen(set->url);
        if (!is_base_url(set->url))
            return command_fail(d->inv, EXIT_USAGE,
                                "--url wants the daemon's address, say http://127.0.0.1:8400");
        while (n > 0 && set->url[n - 1] == '/')
            n--;
        d->url = arena_strndup(&d->arena, set->url, n);
        return EXIT_DONE;
    }
    int code = listen_parse(d->inv, set->serve_listen, &address);
    if (code == EXIT_DONE) {
        char *url = listen_url(address.host, address.port);
        d->url = arena_strdup(&d->arena, url);
        free(url);
    }
    return code;
}

/* A store that cannot even be opened is a finding too. */
static void visit_store(struct doctor *d)
{
    struct errmsg msg = {""};
    d->postgres = d->context.shared;
    d->trouble_err = context_connect(&d->context, 0, &msg);
    if (d->trouble_err == OK)
        doctor_ask_store(d);
    else
        d->trouble = arena_strdup(&d->arena, msg.text);
}

int cmd_doctor(struct invocation *inv)
{
    struct doctor d = {.inv = inv};
    int code = find_daemon(&d);
    if (code == EXIT_DONE)
        code = context_begin(&d.context, inv);
    if (code == EXIT_DONE) {
        visit_store(&d);
        doctor_ask_daemon(&d);
        code = report(&d);
        context_close(&d.context);
    }
    arena_free(&d.arena);
    return code;
}
