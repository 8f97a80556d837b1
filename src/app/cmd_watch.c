/* In: ids, or none. Out: those jobs, or all that wait or run, followed live by looking at their
 * rows four times a second: whoever works on them. */
#include <stdio.h>
#include <stdlib.h>

#include "app/board.h"
#include "app/cmd.h"
#include "app/context.h"
#include "app/job_print.h"
#include "app/live.h"
#include "app/summary.h"
#include "base/clock.h"
#include "base/mem.h"

#define LOOK_US          (250 * USEC_PER_MSEC)
#define CLOCKS_DIFFER_US (15 * USEC_PER_SEC) /* this machine's and the database's */

struct watch {
    struct context context;
    struct board *board;
    struct live *live;
    bool named;       /* only the jobs on the board */
    const char *note; /* static; NULL: none */
    int code;
};

static void take_row(void *ctx, const struct store_result *r)
{
    struct watch *w = ctx;
    struct loop *loop = w->context.loop;
    for (size_t i = 0; i < r->n; i++) {
        struct board_job *job = board_job(w->board, &r->jobs[i].id);
        if (board_row(w->board, &r->jobs[i], loop_now(loop), loop_wall(loop)))
            live_changed(w->live, job);
        else
            live_touch(w->live);
    }
}

/* Lists leave the request out; ask() brings it, and then the job has a name. */
static void take_list(void *ctx, const struct store_result *r)
{
    struct watch *w = ctx;
    for (size_t i = 0; i < r->n; i++)
        board_job(w->board, &r->jobs[i].id)->user_id = r->jobs[i].user_id;
}

/* A job that was there and is not any more was deleted: it goes off the board. */
static int ask(struct watch *w, const struct board_job *job, bool *ret_gone)
{
    struct answer a = answer_new(&w->context, take_row, w);
    bool seen = !uuid_is_nil(&job->user_id);
    store_get(w->context.store, &job->id, answer_take, &a);
    *ret_gone = answer_await(&a) == ERR_NOT_FOUND && seen;
    return *ret_gone ? EXIT_DONE : answer_wait(&w->context, &a);
}

/* All that wait or run; so many at most that the answer stays small. */
static int find(struct watch *w, enum job_status status)
{
    struct store_filter filter = {.status = status, .limit = STORE_BATCH_MAX};
    struct answer a = answer_new(&w->context, take_list, w);
    store_list(w->context.store, &filter, answer_take, &a);
    return answer_wait(&w->context, &a);
}

static bool is_over(const struct board_job *job)
{
    return job->state >= BOARD_DONE;
}

static void take_paused(void *ctx, const struct store_result *r)
{
    struct watch *w = ctx;
    int64_t since;
    w->note = store_is_paused(r->text, &since) ? "paused: nothing begins until `scriptorium resume`"
                                               : NULL;
}

static void take_workers(void *ctx, const struct store_result *r)
{
    struct watch *w = ctx;
    bool alive = false;
    for (size_t i = 0; i < r->n; i++)
        alive |= r->workers[i].expires_us + CLOCKS_DIFFER_US > loop_wall(w->context.loop);
    if (!alive)
        w->note = "no worker is alive: start `scriptorium serve` or `scriptorium run`";
}

/* What keeps the jobs waiting, if it is something that the one who watches can mend. */
static int note_what_holds(struct watch *w)
{
    struct answer paused = answer_new(&w->context, take_paused, w);
    store_setting_get(w->context.store, "paused", answer_take, &paused);
    int code = answer_wait(&w->context, &paused);
    if (code == EXIT_DONE && w->note == NULL && board_count_state(w->board, BOARD_WAITING) > 0 &&
        board_count_state(w->board, BOARD_RUNNING) == 0) {
        struct answer workers = answer_new(&w->context, take_workers, w);
        store_workers(w->context.store, answer_take, &workers);
        code = answer_wait(&w->context, &workers);
    }
    live_note(w->live, w->note);
    return code;
}

/* One look at everything; *ret_left: how many have not ended. */
static int look(struct watch *w, size_t *ret_left)
{
    int code = EXIT_DONE;
    if (!w->named)
        code = find(w, JOB_PROCESSING);
    if (code == EXIT_DONE && !w->named)
        code = find(w, JOB_PENDING);
    /* The rows themselves: what has ended since is in none of those lists. */
    for (size_t i = 0; code == EXIT_DONE && i < board_count(w->board);) {
        const struct board_job *job = board_at(w->board, i);
        bool gone = false;
        if (!is_over(job))
            code = ask(w, job, &gone);
        if (gone)
            board_remove(w->board, &job->id);
        else
            i++;
    }
    *ret_left =
        board_count_state(w->board, BOARD_WAITING) + board_count_state(w->board, BOARD_RUNNING);
    return code == EXIT_DONE ? note_what_holds(w) : code;
}

static void on_time(void *ctx)
{
    bool *up = ctx;
    *up = true;
}

static void rest(struct loop *loop)
{
    struct loop_timer timer = {0};
    bool up = false;
    timer_set(loop, &timer, loop_now(loop) + LOOK_US, on_time, &up);
    while (!up)
        loop_turn(loop, LOOK_US);
}

static int follow(struct watch *w)
{
    size_t left = 0;
    int code = look(w, &left);
    while (code == EXIT_DONE && left > 0) {
        rest(w->context.loop);
        code = look(w, &left);
    }
    return code;
}

static void print_json(const struct watch *w, int64_t start_us)
{
    struct summary sum = {
        .board = w->board, .elapsed_us = loop_now(w->context.loop) - start_us, .provider = NULL};
    struct buf out = BUF_INIT(SUMMARY_MAX);
    summary_put_json(&out, &sum);
    (void)fwrite(buf_str(&out), 1, out.len, stdout);
    buf_free(&out);
}

int cmd_jobs_watch(struct invocation *inv)
{
    struct watch w = {.named = inv->n_args > 0};
    struct uuid *ids = mem_array(inv->n_args + 1, sizeof *ids);
    int code = EXIT_DONE;
    for (size_t i = 0; code == EXIT_DONE && i < inv->n_args; i++)
        code = context_uuid(inv, "ID", inv->args[i], &ids[i]);
    if (code == EXIT_DONE)
        code = context_open(&w.context, inv, 0);
    if (code == EXIT_DONE) {
        int64_t start = loop_now(w.context.loop);
        w.board = board_new();
        w.live = live_new(w.context.loop, w.board);
        for (size_t i = 0; i < inv->n_args; i++)
            (void)board_job(w.board, &ids[i]);
        code = follow(&w);
        live_free(w.live);
        if (inv->set.json && code == EXIT_DONE)
            print_json(&w, start);
        if (!inv->set.json && code == EXIT_DONE && board_count(w.board) == 0)
            (void)fprintf(stderr, "No job waits or runs.\n");
        if (code == EXIT_DONE && board_count_state(w.board, BOARD_DONE) != board_count(w.board))
            code = EXIT_WORK_FAILED;
        board_free(w.board);
        context_close(&w.context);
    }
    free(ids);
    return code;
}
