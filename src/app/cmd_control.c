/* In: pause, resume, scale, erase. Out: settings that all daemons look at, changed; a user's texts
 * gone. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/erase.h"
#include "api/scale_json.h"
#include "app/cmd.h"
#include "app/context.h"
#include "app/daemon.h"

static int set_paused(struct invocation *inv, bool pause)
{
    struct context c;
    char since[32];
    int code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    (void)snprintf(since, sizeof since, "%" PRId64, loop_wall(c.loop));
    struct answer a = answer_new(&c, NULL, NULL);
    store_setting_set(c.store, "paused", pause ? since : NULL, answer_take, &a);
    code = answer_wait(&c, &a);
    if (code == EXIT_DONE && inv->set.json)
        (void)printf("{\"paused\":%s}\n", pause ? "true" : "false");
    else if (code == EXIT_DONE && pause)
        (void)printf("Paused: nothing is claimed until `scriptorium resume`; what runs goes on.\n");
    else if (code == EXIT_DONE)
        (void)printf("Resumed: jobs are claimed.\n");
    context_close(&c);
    return code;
}

int cmd_pause(struct invocation *inv)
{
    return set_paused(inv, true);
}

int cmd_resume(struct invocation *inv)
{
    return set_paused(inv, false);
}

/* ---- scale ---- */

/* Of a daemon with this configuration; 0 in triggered mode. */
static int64_t slots_of(const struct settings *set)
{
    if (set->mode == MODE_TRIGGERED)
        return 0;
    return set->concurrency > 0 ? set->concurrency : SLOTS_DEFAULT;
}

static void print_scale(void *ctx, const struct store_result *r)
{
    const struct invocation *inv = ctx;
    const struct store_scale *s = r->scale;
    struct scale_figures f = scale_figures(s, slots_of(&inv->set), inv->set.concurrent_limit);
    if (inv->set.json) {
        struct buf out = BUF_INIT(SCALE_JSON_MAX);
        scale_put_json(&out, s, &f);
        (void)printf("%s\n", buf_str(&out));
        buf_free(&out);
        return;
    }
    if (s->workers == 0 || s->concurrency == 0)
        (void)printf("Not scaled: every daemon has the slots and the limit it was started with.\n");
    else
        (void)printf("%d x %d: up to %" PRId64 " script%s at once.\n", s->workers, s->concurrency,
                     f.slots, f.slots == 1 ? "" : "s");
    if (s->schedules > 0)
        (void)printf("%d schedule%s the workers.\n", s->schedules,
                     s->schedules == 1 ? " drives" : "s drive");
    (void)printf("%" PRId64 " due, %" PRId64 " running%s.\n", s->due, s->running,
                 s->paused ? ", paused" : "");
}

static int read_change(const struct invocation *inv, struct store_scale_change *ret)
{
    struct store_scale_change c = {.undo = inv->set.undo,
                                   .fallback = (int)inv->set.concurrent_limit};
    bool options = inv->given[SET_WORKERS] || inv->given[SET_CONCURRENCY];
    struct errmsg msg = {""};
    if (inv->n_args + options + c.undo > 1)
        return command_fail(inv, EXIT_USAGE,
                            "give a preset, or --workers and --concurrency, or --undo");
    if (inv->n_args > 0 && scale_read_preset(inv->args[0], strlen(inv->args[0]), &c.workers,
                                             &c.concurrency, &msg) != OK)
        return command_fail(inv, EXIT_USAGE, "%s", msg.text);
    if (inv->given[SET_CONCURRENCY] && inv->set.concurrency > STORE_SCALE_MAX)
        return command_fail(inv, EXIT_USAGE, "--concurrency must be 1 to %d here", STORE_SCALE_MAX);
    if (inv->given[SET_WORKERS])
        c.workers = (int)inv->set.workers;
    if (inv->given[SET_CONCURRENCY])
        c.concurrency = (int)inv->set.concurrency;
    *ret = c;
    return EXIT_DONE;
}

static void take_scale(void *ctx, const struct store_result *r)
{
    *(struct store_scale *)ctx = *r->scale;
}

int cmd_scale(struct invocation *inv)
{
    struct context c;
    struct store_scale_change change = {0};
    struct store_scale now = {0};
    int code = read_change(inv, &change);
    if (code == EXIT_DONE)
        code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    bool changes = change.undo || change.workers > 0 || change.concurrency > 0;
    struct answer a =
        answer_new(&c, changes ? take_scale : print_scale, changes ? (void *)&now : inv);
    store_scale_get(c.store, &(struct uuid){0}, true, answer_take, &a);
    code = answer_wait(&c, &a);
    if (code == EXIT_DONE && changes) {
        scale_complete(&change, &now, slots_of(&inv->set));
        a = answer_new(&c, print_scale, inv);
        store_scale(c.store, &change, answer_take, &a);
        code = answer_wait(&c, &a);
    }
    context_close(&c);
    return code;
}

/* ---- erase ---- */

struct erasing {
    struct answer answer;
    struct store_erased sum;
};

static void take_erased(void *ctx, const struct store_result *r, const struct store_erased *sum)
{
    struct erasing *e = ctx;
    e->sum = *sum;
    answer_take(&e->answer, r);
}

static void print_erased(const struct invocation *inv, const struct uuid *user,
                         const struct store_erased *sum)
{
    struct buf out = BUF_INIT(ERASE_JSON_MAX);
    if (inv->set.json) {
        erase_put_json(&out, user, sum);
        (void)printf("%s\n", buf_str(&out));
    } else {
        (void)printf("%" PRId64 " cancelled; the texts of %" PRId64 " jobs erased: %" PRId64
                     " steps, %" PRId64 " log lines, %" PRId64 " keys, %" PRId64
                     " notes of what was told, %" PRId64 " HTTP requests.\n",
                     sum->cancelled, sum->jobs, sum->steps, sum->lines, sum->keys, sum->outbox,
                     sum->requests);
    }
    buf_free(&out);
}

int cmd_erase(struct invocation *inv)
{
    struct context c;
    struct uuid user;
    if (!inv->given[SET_USER])
        return command_fail(inv, EXIT_USAGE, "say whose texts: --user ID");
    int code = context_uuid(inv, "--user", inv->set.user, &user);
    if (code == EXIT_DONE)
        code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct erasing e = {.answer = answer_new(&c, NULL, NULL)};
    erase_user(c.store, &user, take_erased, &e);
    code = answer_wait(&c, &e.answer);
    if (code == EXIT_DONE)
        print_erased(inv, &user, &e.sum);
    context_close(&c);
    return code;
}
