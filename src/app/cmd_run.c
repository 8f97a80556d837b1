/* In: the wish for scripts. Out: scripts in a folder, and what they took: enqueue, work off all
 * that is due, write, sum up. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/board.h"
#include "app/cmd.h"
#include "app/fmt.h"
#include "app/live.h"
#include "app/request.h"
#include "app/script_files.h"
#include "app/summary.h"
#include "app/workshop.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine.h"

#define WORKER_CONCURRENCY 3 /* what one worker does at once unless told otherwise */
#define IDLE_LOOK_US       USEC_PER_SEC

static const char paused_note[] = "paused: what runs goes on, nothing else begins";

struct session { /* one `run`, from its first job to its last */
    struct context context;
    struct workshop workshop;
    struct script_files *files;
    struct board *board;
    struct live *live;
    struct engine *engine;
    struct price price; /* of the usual model, for what a running call costs by now */
    struct loop_timer idle_timer;
    struct loop_task stop_task;
    int64_t start_us;
    bool signalled, over, write_failed;
    char *trouble;
};

static const struct invocation *invocation(const struct session *s)
{
    return s->context.inv;
}

/* ---- what the engine tells ---- */

static void stop_engine(void *ctx)
{
    struct session *s = ctx;
    engine_stop(s->engine);
}

/* At the end of the turn: the engine is often in the middle of telling something. */
static void finish(struct session *s)
{
    timer_stop(s->context.loop, &s->idle_timer);
    s->stop_task.fn = stop_engine;
    s->stop_task.ctx = s;
    loop_defer(s->context.loop, &s->stop_task);
}

static void write_script(struct session *s, struct board_job *job, const char *script)
{
    struct errmsg msg = {""};
    if (script_files_write(s->files, &job->id, script, &job->file, &msg) == OK)
        return;
    s->write_failed = true;
    live_say(s->live, "%s", msg.text);
}

static void take_topic(void *ctx, const struct store_result *r)
{
    struct session *s = ctx;
    if (r->err == OK && r->n > 0 && s->live != NULL) {
        board_topic(board_job(s->board, &r->jobs[0].id), r->jobs[0].params);
        live_touch(s->live);
    }
}

static void on_claimed(struct session *s, const struct board_job *job)
{
    if (!s->signalled)
        live_note(s->live, NULL);
    script_files_expect(s->files, &job->id);
    if (job->topic[0] == '\0') /* left over from an earlier run */
        store_get(s->context.store, &job->id, take_topic, s);
}

static void take_idle(void *ctx, const struct store_result *r);

/* Something is due later: its time comes, or somebody cancels it and then nothing is left. */
static void look_again(void *ctx)
{
    struct session *s = ctx;
    store_stats(s->context.store, take_idle, s);
}

static void take_idle(void *ctx, const struct store_result *r)
{
    struct session *s = ctx;
    if (s->over)
        return;
    if (r->err == OK && r->stats->due + r->stats->delayed + r->stats->running == 0)
        finish(s);
    else
        timer_set(s->context.loop, &s->idle_timer, loop_now(s->context.loop) + IDLE_LOOK_US,
                  look_again, s);
}

static void end_by(struct session *s, const char *message)
{
    if (s->trouble == NULL)
        s->trouble = mem_strdup(message);
    finish(s);
}

static void on_trouble(struct session *s, enum err err, const char *message)
{
    if (err_passes(err))
        live_say(s->live, "the jobs wait until this has passed: %s", message);
    else
        end_by(s, message);
}

/* The engine tells what finished calls cost; the one that runs is added by the usual price. */
static void add_running_cost(const struct session *s, struct board_job *job,
                             const struct engine_event *ev)
{
    struct usage running = {.output = ev->tokens_out - ev->usage.output};
    if (job->state == BOARD_RUNNING && running.output > 0)
        job->cost_udollar += price_usage(&s->price, &running);
}

static void on_idle(struct session *s, int64_t next_due_us, bool paused)
{
    char seconds[FMT_SIZE], note[2 * FMT_SIZE + 32];
    if (paused) {
        end_by(s, "paused: the jobs wait for `scriptorium resume`");
        return;
    }
    if (next_due_us == 0) {
        finish(s);
        return;
    }
    (void)snprintf(note, sizeof note, "the next one is due in %s",
                   fmt_seconds(next_due_us - loop_wall(s->context.loop), seconds));
    live_note(s->live, note);
    look_again(s);
}

static void on_event(void *ctx, const struct engine_event *ev)
{
    struct session *s = ctx;
    switch (ev->kind) {
    case ENGINE_IDLE:
        on_idle(s, ev->next_due_us, ev->paused);
        return;
    case ENGINE_PAUSED:
    case ENGINE_RESUMED:
        live_note(s->live, ev->kind == ENGINE_PAUSED ? paused_note : NULL);
        return;
    case ENGINE_TROUBLE:
        on_trouble(s, ev->err, ev->message);
        return;
    case ENGINE_STOPPED:
        s->over = true;
        loop_stop(s->context.loop);
        return;
    default:
        break;
    }
    bool changed = board_event(s->board, ev, loop_now(s->context.loop));
    struct board_job *job = board_job(s->board, &ev->job);
    add_running_cost(s, job, ev);
    if (ev->kind == ENGINE_JOB_CLAIMED)
        on_claimed(s, job);
    if (ev->kind == ENGINE_JOB_COMPLETED && ev->script != NULL)
        write_script(s, job, ev->script);
    if (ev->kind == ENGINE_JOB_FAILED || ev->kind == ENGINE_JOB_LOST)
        script_files_forget(s->files, &ev->job);
    if (changed)
        live_changed(s->live, job);
    else
        live_touch(s->live);
}

static void on_signal(void *ctx, int signo)
{
    struct session *s = ctx;
    if (s->signalled || s->live == NULL) /* or all is done and is only summed up */
        _exit(128 + signo);
    s->signalled = true;
    live_note(s->live, "stopping: saving what is written; once more exits at once");
    finish(s);
}

/* ---- before and after ---- */

static size_t slots(const struct invocation *inv)
{
    const struct settings *set = &inv->set;
    int64_t each = set->concurrency;
    if (!inv->given[SET_WORKERS])
        return (size_t)each; /* 0: the engine's own default */
    return (size_t)(set->workers * (each > 0 ? each : WORKER_CONCURRENCY));
}

static bool wants_jobs(const struct invocation *inv)
{
    return inv->given[SET_TOPIC] || inv->given[SET_JOBS] || inv->given[SET_PARAMS];
}

struct enqueued {
    struct session *session;
    const struct request *request;
    size_t from;
};

static void take_ids(void *ctx, const struct store_result *r)
{
    struct enqueued *q = ctx;
    for (size_t i = 0; i < r->n; i++) {
        struct board_job *job = board_job(q->session->board, &r->inserted[i].id);
        job->user_id = q->request->jobs[q->from + i].user_id;
        board_topic(job, q->request->jobs[q->from + i].params);
    }
}

static int enqueue(struct session *s, const struct request *request)
{
    int code = EXIT_DONE;
    for (size_t from = 0; code == EXIT_DONE && from < request->n; from += STORE_BATCH_MAX) {
        size_t n = request->n - from < STORE_BATCH_MAX ? request->n - from : STORE_BATCH_MAX;
        struct enqueued q = {s, request, from};
        struct answer a = answer_new(&s->context, take_ids, &q);
        store_insert(s->context.store, request->jobs + from, n, answer_take, &a);
        code = answer_wait(&s->context, &a);
    }
    return code;
}

static void take_waiting(void *ctx, const struct store_result *r)
{
    bool *idle = ctx;
    *idle = r->stats->due + r->stats->delayed + r->stats->running == 0;
}

static int look_for_work(struct session *s, bool *ret_idle)
{
    struct answer a = answer_new(&s->context, take_waiting, ret_idle);
    store_stats(s->context.store, answer_take, &a);
    return answer_wait(&s->context, &a);
}

static const char *provider_label(const struct session *s)
{
    return s->workshop.sim != NULL ? "simulated" : provider_name(s->workshop.provider);
}

static void work(struct session *s)
{
    const struct settings *set = &invocation(s)->set;
    char name[64];
    (void)snprintf(name, sizeof name, "run:%d", (int)getpid());
    struct engine_config config = workshop_engine(&s->workshop, &s->context);
    config.slots = slots(invocation(s));
    config.worker_name = name;
    struct context *c = &s->context;
    s->engine = engine_new(c->loop, c->store, s->workshop.provider, s->workshop.pacer,
                           s->workshop.pipeline, s->workshop.catalog, &config, on_event, s);
    if (catalog_price(s->workshop.catalog, catalog_default(s->workshop.catalog)->id,
                      loop_wall(c->loop), 0, &s->price) != OK)
        s->price = (struct price){0};
    if (s->workshop.sim != NULL)
        (void)fprintf(stderr, "No ANTHROPIC_API_KEY: a simulated provider writes, at speed %g.\n",
                      set->speed);
    s->live = live_new(c->loop, s->board);
    loop_on_signal(c->loop, SIGINT, on_signal, s);
    loop_on_signal(c->loop, SIGTERM, on_signal, s);
    engine_start(s->engine);
    loop_run(c->loop);
    live_free(s->live);
    s->live = NULL; /* a late answer finds nothing to draw on */
    loop_cancel(s->context.loop, &s->stop_task);
    timer_stop(s->context.loop, &s->idle_timer);
    engine_free(s->engine);
}

/* ---- the summary ---- */

static void take_bill(void *ctx, const struct store_result *r)
{
    struct board_job *job = ctx;
    if (r->n > 0 && r->jobs[0].cost_udollar >= job->cost_udollar) { /* with earlier attempts */
        job->cost_udollar = r->jobs[0].cost_udollar;
        job->input_tokens = r->jobs[0].input_tokens;
        job->output_tokens = r->jobs[0].output_tokens;
    }
}

/* What the store knows of each job over all its attempts; the events told of the last. */
static void read_bills(struct session *s)
{
    for (size_t i = 0; i < board_count(s->board); i++) {
        struct answer a = answer_new(&s->context, take_bill, board_at(s->board, i));
        store_get(s->context.store, &board_at(s->board, i)->id, answer_take, &a);
        (void)answer_await(&a);
    }
}

static void print_summary(const struct session *s)
{
    struct summary sum = {.board = s->board,
                          .elapsed_us = loop_now(s->context.loop) - s->start_us,
                          .provider = provider_label(s),
                          .stopped = s->signalled || s->trouble != NULL};
    struct buf out = BUF_INIT(SUMMARY_MAX);
    if (invocation(s)->set.json)
        summary_put_json(&out, &sum);
    else
        summary_put_table(&out, &sum);
    (void)fwrite(buf_str(&out), 1, out.len, stdout);
    buf_free(&out);
    size_t done = board_count_state(s->board, BOARD_DONE);
    if (!invocation(s)->set.json && done > 0)
        (void)printf("The scripts are in %s/\n", invocation(s)->set.out);
}

static int verdict(const struct session *s)
{
    const struct invocation *inv = invocation(s);
    size_t left =
        board_count_state(s->board, BOARD_WAITING) + board_count_state(s->board, BOARD_RUNNING);
    if (s->trouble != NULL)
        return command_fail(inv, EXIT_WORK_FAILED, "%s; nothing is lost: scriptorium run goes on",
                            s->trouble);
    if (s->signalled)
        return command_fail(inv, EXIT_WORK_FAILED,
                            "stopped; what was written is saved, %zu to go: scriptorium run on the "
                            "same database goes on",
                            left);
    size_t done = board_count_state(s->board, BOARD_DONE);
    return done == board_count(s->board) && !s->write_failed ? EXIT_DONE : EXIT_WORK_FAILED;
}

static int work_and_tell(struct session *s)
{
    work(s);
    read_bills(s);
    print_summary(s);
    return verdict(s);
}

static int nothing_to_do(const struct invocation *inv)
{
    if (inv->set.json)
        (void)printf("{\"jobs\":[],\"completed\":0}\n");
    (void)fprintf(stderr,
                  "Nothing to do: the queue is empty. Ask for a script with --topic, --jobs "
                  "or --params.\n");
    return EXIT_DONE;
}

/* All that can be refused is looked at before the first job is in the queue. */
static int run_in(struct session *s, const struct request *request)
{
    const struct invocation *inv = invocation(s);
    int code = script_files_open(&s->context, inv->set.out, &s->files);
    if (code == EXIT_DONE)
        code = workshop_open(&s->workshop, &s->context);
    if (code == EXIT_DONE)
        code = script_files_recover(s->files);
    if (code == EXIT_DONE)
        code = enqueue(s, request);
    bool idle = false;
    if (code == EXIT_DONE)
        code = look_for_work(s, &idle);
    if (code == EXIT_DONE)
        code = idle ? nothing_to_do(inv) : work_and_tell(s);
    return code;
}

int cmd_run(struct invocation *inv)
{
    struct session s = {0};
    struct request request = {0};
    if ((inv->given[SET_USERS] || inv->given[SET_MINUTES]) && !wants_jobs(inv))
        return command_fail(inv, EXIT_USAGE, "--%s needs --topic, --jobs or --params",
                            inv->given[SET_USERS] ? "users" : "minutes");
    int code = EXIT_DONE;
    int64_t users = inv->set.users;
    int64_t jobs = inv->given[SET_JOBS] ? inv->set.jobs : users;
    if (wants_jobs(inv))
        code = request_build(inv, (size_t)jobs, (size_t)users, &request);
    if (code == EXIT_DONE)
        code = context_open(&s.context, inv, CONTEXT_ENGINE | CONTEXT_CREATE);
    if (code == EXIT_DONE) {
        s.board = board_new();
        s.start_us = loop_now(s.context.loop);
        code = run_in(&s, &request);
        script_files_close(s.files);
        workshop_close(&s.workshop);
        context_close(&s.context);
        board_free(s.board);
    }
    free(s.trouble);
    request_free(&request);
    return code;
}
