/* In: ids and filters. Out: jobs listed, shown, cancelled, run again, taken over. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/job_json.h"
#include "api/why.h"
#include "app/cmd.h"
#include "app/context.h"
#include "app/job_print.h"
#include "base/mem.h"

static int read_filter(const struct invocation *inv, struct store_filter *f)
{
    *f = (struct store_filter){.status = JOB_STATUS_MAX, .limit = (size_t)inv->set.limit};
    if (inv->set.status != NULL && job_status_parse(inv->set.status, &f->status) != OK)
        return command_fail(inv, EXIT_USAGE,
                            "--status: '%.40s' is none; there are pending, processing, completed, "
                            "failed and cancelled",
                            inv->set.status);
    if (inv->set.user != NULL)
        return context_uuid(inv, "--user", inv->set.user, &f->user_id);
    return EXIT_DONE;
}

/* ---- list and show ---- */

struct listing {
    bool json;
    struct buf out;
};

static void take_list(void *ctx, const struct store_result *r)
{
    struct listing *l = ctx;
    if (l->json)
        buf_puts(&l->out, "{\"jobs\":[");
    else if (r->n > 0)
        job_put_head(&l->out);
    for (size_t i = 0; i < r->n; i++) {
        if (l->json && i > 0)
            buf_puts(&l->out, ",");
        if (l->json)
            job_json_put(&l->out, &r->jobs[i], false);
        else
            job_put_line(&l->out, &r->jobs[i]);
    }
    if (l->json)
        buf_puts(&l->out, "]}\n");
    else if (r->n == 0)
        (void)fprintf(stderr, "No such jobs.\n");
}

struct page {
    struct context *c;
    struct listing l;
    struct store_job job; /* without its texts; they are printed already */
    struct arena arena;
    struct why_facts facts;
};

static void take_page(void *ctx, const struct store_result *r)
{
    struct page *p = ctx;
    p->job = r->jobs[0];
    p->job.current_step = arena_strdup(&p->arena, p->job.current_step);
    p->job.error_message = arena_strdup(&p->arena, p->job.error_message);
    if (p->l.json)
        job_json_open(&p->l.out, &r->jobs[0], true);
    else
        job_put_page(&p->l.out, &r->jobs[0]);
}

static void take_stats(void *ctx, const struct store_result *r)
{
    struct page *p = ctx;
    p->facts.paused = r->stats->paused;
    p->facts.running = r->stats->running;
}

static void take_workers(void *ctx, const struct store_result *r)
{
    struct page *p = ctx;
    for (size_t i = 0; i < r->n; i++)
        p->facts.workers += r->workers[i].expires_us > p->facts.now_us;
}

static void take_running(void *ctx, const struct store_result *r)
{
    struct page *p = ctx;
    for (size_t i = 0; i < r->n; i++)
        p->facts.user_running += r->jobs[i].queued;
}

/* What a waiting job waits for, as far as it can be known from the store. */
static int find_why(struct page *p)
{
    struct context *c = p->c;
    p->facts.job = &p->job;
    p->facts.now_us = loop_wall(c->loop);
    p->facts.cap_per_user = (int)c->inv->set.cap_per_user;
    struct answer a = answer_new(c, take_stats, p);
    store_stats(c->store, answer_take, &a);
    int code = answer_wait(c, &a);
    if (code == EXIT_DONE) {
        a = answer_new(c, take_workers, p);
        store_workers(c->store, answer_take, &a);
        code = answer_wait(c, &a);
    }
    if (code == EXIT_DONE && p->facts.cap_per_user > 0) {
        struct store_filter filter = {
            .status = JOB_PROCESSING, .user_id = p->job.user_id, .limit = STORE_BATCH_MAX};
        a = answer_new(c, take_running, p);
        store_list(c->store, &filter, answer_take, &a);
        code = answer_wait(c, &a);
    }
    return code;
}

static void put_why(struct page *p)
{
    struct why why = why_explain(&p->facts);
    if (p->l.json) {
        buf_puts(&p->l.out, ",\"why\":{");
        why_put_json(&p->l.out, &why);
        buf_puts(&p->l.out, "}}\n");
    } else if (why.waits) {
        buf_putf(&p->l.out, "%-12s %s (%s)\n", "waits for", why.text, why_code_name(why.code));
    }
}

static void print(struct listing *l)
{
    (void)fwrite(buf_str(&l->out), 1, l->out.len, stdout);
    buf_free(&l->out);
}

int cmd_jobs_list(struct invocation *inv)
{
    struct context c;
    struct store_filter filter;
    int code = read_filter(inv, &filter);
    if (code == EXIT_DONE)
        code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct listing l = {.json = inv->set.json, .out = BUF_INIT(JOB_PRINT_MAX)};
    struct answer a = answer_new(&c, take_list, &l);
    store_list(c.store, &filter, answer_take, &a);
    code = answer_wait(&c, &a);
    print(&l);
    context_close(&c);
    return code;
}

int cmd_jobs_show(struct invocation *inv)
{
    struct context c;
    struct uuid id;
    int code = context_uuid(inv, "ID", inv->args[0], &id);
    if (code == EXIT_DONE)
        code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct page p = {.c = &c, .l = {.json = inv->set.json, .out = BUF_INIT(JOB_PRINT_MAX)}};
    struct answer a = answer_new(&c, take_page, &p);
    store_get(c.store, &id, answer_take, &a);
    code = answer_wait(&c, &a);
    if (code == EXIT_DONE)
        code = find_why(&p);
    if (code == EXIT_DONE) {
        put_why(&p);
        print(&p.l);
    }
    buf_free(&p.l.out);
    arena_free(&p.arena);
    context_close(&c);
    return code;
}

/* ---- change ---- */

static void say_count(const struct invocation *inv, const char *done, int64_t n)
{
    if (inv->set.json)
        (void)printf("{\"%s\":%" PRId64 "}\n", done, n);
    else
        (void)printf("%" PRId64 " job%s %s\n", n, n == 1 ? "" : "s", done);
}

typedef void (*change_fn)(struct store *s, const struct uuid *id, store_fn fn, void *ctx);

/* Each named job by itself: one that cannot be changed does not keep the others from it. */
static int change_each(struct invocation *inv, change_fn change, const char *done)
{
    struct context c;
    struct uuid id;
    int code = EXIT_DONE;
    int64_t changed = 0;
    for (size_t i = 0; code == EXIT_DONE && i < inv->n_args; i++)
        code = context_uuid(inv, "ID", inv->args[i], &id);
    if (code == EXIT_DONE)
        code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    for (size_t i = 0; i < inv->n_args; i++) {
        struct answer a = answer_new(&c, NULL, NULL);
        if (uuid_parse(inv->args[i], strlen(inv->args[i]), &id) != OK)
            continue;
        change(c.store, &id, answer_take, &a);
        if (answer_wait(&c, &a) != EXIT_DONE)
            code = EXIT_WORK_FAILED;
        else
            changed += a.count;
    }
    say_count(inv, done, changed);
    context_close(&c);
    return code;
}

int cmd_jobs_cancel(struct invocation *inv)
{
    return change_each(inv, store_cancel, "cancelled");
}

int cmd_jobs_retry(struct invocation *inv)
{
    if (inv->n_args > 0 && (inv->given[SET_STATUS] || inv->given[SET_USER]))
        return command_fail(inv, EXIT_USAGE, "give ids, or --status and --user, not both");
    if (inv->n_args > 0)
        return change_each(inv, store_retry, "requeued");
    if (!inv->given[SET_STATUS])
        return command_fail(inv, EXIT_USAGE, "give ids, or --status failed for all that failed");
    struct context c;
    struct store_filter filter;
    int code = read_filter(inv, &filter);
    if (code == EXIT_DONE && filter.status != JOB_FAILED && filter.status != JOB_CANCELLED)
        code = command_fail(inv, EXIT_USAGE, "--status must be failed or cancelled here");
    if (code == EXIT_DONE)
        code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct answer a = answer_new(&c, NULL, NULL);
    store_retry_all(c.store, &filter, answer_take, &a);
    code = answer_wait(&c, &a);
    if (code == EXIT_DONE)
        say_count(inv, "requeued", a.count);
    context_close(&c);
    return code;
}

int cmd_jobs_rescue(struct invocation *inv)
{
    if (!inv->given[SET_OLDER_THAN])
        return command_fail(inv, EXIT_USAGE, "say how old: --older-than 30m");
    struct context c;
    int code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct answer a = answer_new(&c, NULL, NULL);
    store_rescue_foreign(c.store, inv->set.older_than_us, answer_take, &a);
    code = answer_wait(&c, &a);
    if (code == EXIT_DONE)
        say_count(inv, "requeued", a.count);
    context_close(&c);
    return code;
}
