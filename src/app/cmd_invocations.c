/* In: invocations. Out: the calls of the function endpoint, newest first. */
#include <inttypes.h>
#include <stdio.h>

#include "api/invocation_json.h"
#include "app/cmd.h"
#include "app/context.h"
#include "app/fmt.h"
#include "base/clock.h"
#include "store/store_history.h"

static void print_json(const struct store_result *r, size_t limit)
{
    struct buf out = BUF_INIT(HISTORY_JSON_MAX);
    buf_puts(&out, "{");
    invocations_put_page(&out, r->invocations, r->n, limit);
    (void)printf("%s}\n", buf_str(&out));
    buf_free(&out);
}

static const char *status_text(const struct store_invocation *i, char *out, size_t size)
{
    if (i->status == 0)
        return "open";
    (void)snprintf(out, size, "%d", i->status);
    return out;
}

static void print_table(const struct store_result *r)
{
    char at[CLOCK_ISO_SIZE], took[FMT_SIZE], status[16];
    if (r->n == 0) {
        (void)fprintf(stderr, "The function endpoint has not been called yet.\n");
        return;
    }
    (void)printf("%-27s %6s %10s %9s %9s %6s  %-10s %s\n", "time", "status", "took", "processed",
                 "succeeded", "failed", "caller", "worker id");
    for (size_t k = 0; k < r->n; k++) {
        const struct store_invocation *i = &r->invocations[k];
        clock_iso(i->at_us, at);
        const char *who = i->caller != NULL ? i->caller : "-";
        struct buf caller = BUF_INIT(4096);
        fmt_fit(&caller, who, fmt_width(who) > 10 ? fmt_width(who) : 10);
        (void)printf("%-27s %6s %10s %9d %9d %6d  %s ", at, status_text(i, status, sizeof status),
                     i->status == 0 ? "" : fmt_seconds(i->duration_us, took), i->processed,
                     i->succeeded, i->failed, buf_str(&caller));
        fmt_print(stdout, i->label);
        (void)printf("\n");
        buf_free(&caller);
    }
}

static void take(void *ctx, const struct store_result *r)
{
    const struct invocation *inv = ctx;
    if (inv->set.json)
        print_json(r, (size_t)inv->set.limit);
    else
        print_table(r);
}

int cmd_invocations(struct invocation *inv)
{
    struct context c;
    struct uuid after = {0};
    int code = EXIT_DONE;
    if (inv->set.cursor != NULL)
        code = context_uuid(inv, "--cursor", inv->set.cursor, &after);
    if (code == EXIT_DONE)
        code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct answer a = answer_new(&c, take, inv);
    store_invocations(c.store, &after, (size_t)inv->set.limit, answer_take, &a);
    code = answer_wait(&c, &a);
    context_close(&c);
    return code;
}
