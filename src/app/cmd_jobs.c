/* In: ids and filters. Out: jobs listed, shown, cancelled, run again, taken over. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job_json.h"
#include "api/why.h"
#include "app/cmd.h"
#include "app/context.h"
#include "app/job_print.h"
#include "app/outlook.h"
#include "base/clock.h"
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

static void print(struct buf *out)
{
    (void)fwrite(buf_str(out), 1, out->len, stdout);
    buf_free(out);
}

/* ---- list and show ---- */

struct listing {
    const struct invocation *inv;
    const struct outlook *outlook; /* for JSON */
    bool running; /* only jobs in work, for people: by their starts, which the store does not order
                   */
    struct buf out;
};

static void put_page(struct listing *l, const struct store_result *r)
{
    struct estimate *each = mem_array(r->n, sizeof *each);
    for (size_t i = 0; i < r->n; i++)
        each[i] = outlook_of(l->outlook, &r->jobs[i]);
    buf_puts(&l->out, "{");
    job_json_put_page(&l->out, r->jobs, r->n, (size_t)l->inv->set.limit, each);
    buf_puts(&l->out, "}\n");
    free(each);
}

static int newest_start_first(const void *a, const void *b)
{
    const struct store_job *x = *(const struct store_job *const *)a;
    const struct store_job *y = *(const struct store_job *const *)b;
    return (x->started_us < y->started_us) - (x->started_us > y->started_us);
}

static void put_lines(struct listing *l, const struct store_result *r)
{
    const struct store_job **order = mem_array(r->n, sizeof(struct store_job *));
    int64_t now_us = l->running ? clock_wall() : 0;
    for (size_t i = 0; i < r->n; i++)
        order[i] = &r->jobs[i];
    if (l->running)
        qsort(order, r->n, sizeof *order, newest_start_first);
    job_put_head(&l->out, now_us);
    for (size_t i = 0; i < r->n && i < (size_t)l->inv->set.limit; i++)
        job_put_line(&l->out, order[i], now_us);
    free(order);
}

static void take_list(void *ctx, const struct store_result *r)
{
    struct listing *l = ctx;
    if (l->inv->set.json) {
        put_page(l, r);
        return;
    }
    if (r->n > 0)
        put_lines(l, r);
    else
        (void)fprintf(stderr, "No such jobs.\n");
}

static int list(struct context *c, struct store_filter *filter)
{
    struct outlook outlook;
    struct listing l = {.inv = c->inv,
                        .outlook = &outlook,
                        .running = filter->status == JOB_PROCESSING && !c->inv->set.json,
                        .out = BUF_INIT(JOB_PRINT_MAX)};
    if (l.running)
        filter->limit = STORE_BATCH_MAX;
    int code = c->inv->set.json ? outlook_read(c, &outlook) : EXIT_DONE;
    if (code == EXIT_DONE) {
        struct answer a = answer_new(c, take_list, &l);
        store_list(c->store, filter, answer_take, &a);
        code = answer_wait(c, &a);
    }
    print(&l.out);
    return code;
}

int cmd_jobs_list(struct invocation *inv)
{
    struct context c;
    struct store_filter filter;
    int code = read_filter(inv, &filter);
    if (code == EXIT_DONE && inv->set.cursor != NULL &&
        job_cursor_parse(inv->set.cursor, &filter) != OK)
        code = command_fail(inv, EXIT_USAGE, "--cursor: '%.60s' is no next_cursor of --json",
                            inv->set.cursor);
    if (code == EXIT_DONE)
        code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    code = list(&c, &filter);
    context_close(&c);
    return code;
}

struct page {
    struct context *c;
    struct buf out;
    struct store_job job; /* without its texts; they are printed already */
    struct arena arena;
    struct outlook outlook;
    int64_t user_running;
};

static void take_job(void *ctx, const struct store_result *r)
{
    struct page *p = ctx;
    struct estimate e = outlook_of(&p->outlook, &r->jobs[0]);
    p->job = r->jobs[0];
    p->job.current_step = arena_strdup(&p->arena, p->job.current_step);
    p->job.error_message = arena_strdup(&p->arena, p->job.error_message);
    if (p->c->inv->set.json)
        job_json_open(&p->out, &r->jobs[0], &e);
    else
        job_put_page(&p->out, &r->jobs[0], &e);
}

static void take_steps(void *ctx, const struct store_result *r)
{
    struct page *p = ctx;
    job_json_put_steps(&p->out, r->steps, r->n);
}

static void take_users(void *ctx, const struct store_result *r)
{
    struct page *p = ctx;
    for (size_t i = 0; i < r->n; i++)
        p->user_running += r->jobs[i].queued;
}

static int read_users(struct page *p)
{
    struct store_filter filter = {
        .status = JOB_PROCESSING, .user_id = p->job.user_id, .limit = STORE_BATCH_MAX};
    if (p->c->inv->set.cap_per_user == 0)
        return EXIT_DONE;
    struct answer a = answer_new(p->c, take_users, p);
    store_list(p->c->store, &filter, answer_take, &a);
    return answer_wait(p->c, &a);
}

/* What a waiting job waits for, as far as it can be known from the store. */
static void put_why(struct page *p)
{
    const struct outlook *o = &p->outlook;
    struct why_facts facts = {.now_us = o->now_us,
                              .job = &p->job,
                              .paused = o->paused,
                              .running = o->running,
                              .workers = o->workers,
                              .called = o->called,
                              .cap_per_user = (int)p->c->inv->set.cap_per_user,
                              .user_running = p->user_running};
    struct why why = why_explain(&facts);
    if (p->c->inv->set.json) {
        buf_puts(&p->out, ",\"why\":{");
        why_put_json(&p->out, &why);
        buf_puts(&p->out, "}}\n");
    } else if (why.waits) {
        buf_putf(&p->out, "%-12s %s (%s)\n", "waits for", why.text, why_code_name(why.code));
    }
}

static int show(struct page *p, const struct uuid *id)
{
    struct context *c = p->c;
    int code = outlook_read(c, &p->outlook);
    if (code == EXIT_DONE) {
        struct answer a = answer_new(c, take_job, p);
        store_get(c->store, id, answer_take, &a);
        code = answer_wait(c, &a);
    }
    if (code == EXIT_DONE && c->inv->set.json) {
        struct answer a = answer_new(c, take_steps, p);
        store_steps(c->store, id, p->job.run, answer_take, &a);
        code = answer_wait(c, &a);
    }
    if (code == EXIT_DONE)
        code = read_users(p);
    if (code == EXIT_DONE) {
        put_why(p);
        print(&p->out);
    }
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
    struct page p = {.c = &c, .out = BUF_INIT(JOB_PRINT_MAX)};
    code = show(&p, &id);
    buf_free(&p.out);
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
