/* In: logs. Out: the newest lines of the log of jobs, and with --follow those that come. */
#include <signal.h>
#include <stdio.h>

#include "api/invocation_json.h"
#include "app/cmd.h"
#include "app/context.h"
#include "app/fmt.h"
#include "base/clock.h"
#include "store/store_history.h"

#define LOOK_US (250 * USEC_PER_MSEC)

struct reading {
    struct context context;
    struct store_log_filter filter;
    bool json, ended;
    size_t came;
};

static void print_json(const struct store_line *l)
{
    struct buf out = BUF_INIT(HISTORY_JSON_MAX);
    line_put_json(&out, l);
    (void)printf("%s\n", buf_str(&out));
    buf_free(&out);
}

static void print_text(const struct store_line *l)
{
    char at[CLOCK_ISO_SIZE], job[UUID_TEXT_SIZE];
    clock_iso(l->at_us, at);
    (void)printf("%s %-5s ", at, l->level);
    if (!uuid_is_nil(&l->job))
        (void)printf("[%s] ", uuid_text(&l->job, job));
    fmt_print(stdout, l->message);
    (void)printf("%s", l->details != NULL ? ": " : "");
    fmt_print(stdout, l->details != NULL ? l->details : "");
    (void)printf("\n");
}

static void take(void *ctx, const struct store_result *r)
{
    struct reading *reading = ctx;
    reading->came = r->n;
    for (size_t i = 0; i < r->n; i++) {
        if (reading->json)
            print_json(&r->lines[i]);
        else
            print_text(&r->lines[i]);
        reading->filter.after = r->lines[i].n;
    }
    if (reading->filter.after == 0) /* there were none: what comes now is told from the first on */
        reading->filter.after = -1;
    if (fflush(stdout) != 0)
        reading->ended = true; /* nobody reads any more */
}

static int look(struct reading *r)
{
    struct answer a = answer_new(&r->context, take, r);
    store_log(r->context.store, &r->filter, answer_take, &a);
    return answer_wait(&r->context, &a);
}

static void on_signal(void *ctx, int signo)
{
    struct reading *r = ctx;
    (void)signo;
    r->ended = true;
}

static void on_time(void *ctx)
{
    bool *up = ctx;
    *up = true;
}

static void rest(struct reading *r)
{
    struct loop *loop = r->context.loop;
    struct loop_timer timer = {0};
    bool up = false;
    timer_set(loop, &timer, loop_now(loop) + LOOK_US, on_time, &up);
    while (!up && !r->ended)
        loop_turn(loop, LOOK_US);
    timer_stop(loop, &timer);
}

static int follow(struct reading *r)
{
    int code = EXIT_DONE;
    loop_on_signal(r->context.loop, SIGINT, on_signal, r);
    loop_on_signal(r->context.loop, SIGTERM, on_signal, r);
    while (code == EXIT_DONE && !r->ended) {
        if (r->came < r->filter.limit)
            rest(r);
        r->filter.limit = STORE_BATCH_MAX;
        if (!r->ended)
            code = look(r);
    }
    return code;
}

int cmd_logs(struct invocation *inv)
{
    struct reading r = {.json = inv->set.json, .filter = {.limit = (size_t)inv->set.limit}};
    int code = EXIT_DONE;
    if (inv->set.job != NULL)
        code = context_uuid(inv, "--job", inv->set.job, &r.filter.job);
    if (code == EXIT_DONE)
        code = context_open(&r.context, inv, 0);
    if (code != EXIT_DONE)
        return code;
    code = look(&r);
    if (code == EXIT_DONE && inv->set.follow)
        code = follow(&r);
    else if (code == EXIT_DONE && r.came == 0 && !r.json)
        (void)fprintf(stderr,
                      "The log has no such lines. `scriptorium serve` writes it; `run` does "
                      "not.\n");
    context_close(&r.context);
    return code;
}
