/* In: webhooks list, webhooks retry. Out: how deliveries stand; some of them sent again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/cmd.h"
#include "app/context.h"
#include "app/fmt.h"
#include "base/clock.h"
#include "text/json.h"
#include "store/store_webhooks.h"

#define JSON_MAX ((size_t)16 << 20)

static const char *const states[STORE_DELIVERY_MAX] = {"waiting", "delivered", "given-up"};

struct listing {
    const struct invocation *inv;
    struct buf out; /* JSON */
};

/* ---- JSON ---- */

static void put_time(struct buf *b, const char *name, int64_t us)
{
    char text[CLOCK_ISO_SIZE];
    json_put_member(b, name, us > 0 ? clock_iso(us, text) : NULL);
}

static void put_endpoint(struct buf *b, const struct store_endpoint_seen *e)
{
    buf_puts(b, "{\"name\":");
    json_put_string(b, e->name, strlen(e->name));
    buf_puts(b, ",\"events\":[");
    const char *comma = "";
    for (int end = 0; end < STORE_END_MAX; end++) {
        if ((e->ends & 1u << end) != 0) {
            buf_putf(b, "%s\"%s\"", comma, store_end_name((enum store_end)end));
            comma = ",";
        }
    }
    buf_putf(b,
             "],\"waiting\":%" PRId64 ",\"failing\":%" PRId64 ",\"delivered\":%" PRId64
             ",\"given_up\":%" PRId64,
             e->waiting, e->failing, e->delivered, e->given_up);
    put_time(b, "oldest_waiting", e->oldest_us);
    buf_puts(b, "}");
}

static void put_delivery(struct buf *b, const struct store_delivery *d)
{
    char id[UUID_TEXT_SIZE];
    buf_putf(b, "{\"id\":\"%s\"", uuid_text(&d->id, id));
    json_put_member(b, "endpoint", d->endpoint);
    buf_putf(b, ",\"type\":\"job.%s\",\"job_id\":\"%s\",\"run\":%d,\"state\":\"%s\"",
             store_end_name(d->end), uuid_text(&d->job, id), d->run, states[d->state]);
    buf_putf(b, ",\"attempts\":%d,\"http_status\":", d->attempts);
    if (d->http_status > 0)
        buf_putf(b, "%d", d->http_status);
    else
        buf_puts(b, "null");
    json_put_member(b, "error", d->error);
    put_time(b, "ended_at", d->ended_us);
    put_time(b, "next_at", d->state == STORE_DELIVERY_WAITING ? d->due_us : 0);
    put_time(b, "done_at", d->done_us);
    buf_puts(b, "}");
}

/* ---- tables ---- */

static void print_endpoints(const struct store_result *r)
{
    char oldest[CLOCK_ISO_SIZE];
    (void)printf("%-20s %8s %8s %10s %9s  %s\n", "endpoint", "waiting", "failing", "delivered",
                 "given up", "oldest waiting");
    for (size_t i = 0; i < r->n; i++) {
        const struct store_endpoint_seen *e = &r->endpoints[i];
        (void)printf("%-20s %8" PRId64 " %8" PRId64 " %10" PRId64 " %9" PRId64 "  %s\n", e->name,
                     e->waiting, e->failing, e->delivered, e->given_up,
                     e->oldest_us > 0 ? clock_iso(e->oldest_us, oldest) : "-");
    }
}

static void print_deliveries(const struct store_result *r)
{
    char id[UUID_TEXT_SIZE], at[CLOCK_ISO_SIZE];
    struct buf line = BUF_INIT(1024);
    if (r->n == 0)
        return;
    (void)printf("\n%-36s %-12s %-9s %-9s %5s %6s  %-27s %s\n", "delivery", "endpoint", "event",
                 "state", "tries", "status", "ended", "error");
    for (size_t i = 0; i < r->n; i++) {
        const struct store_delivery *d = &r->deliveries[i];
        buf_clear(&line);
        fmt_fit(&line, d->error != NULL ? d->error : "", 60);
        (void)printf("%-36s %-12s %-9s %-9s %5d %6d  %-27s %s\n", uuid_text(&d->id, id),
                     d->endpoint, store_end_name(d->end), states[d->state], d->attempts,
                     d->http_status, clock_iso(d->ended_us, at), buf_str(&line));
    }
    buf_free(&line);
}

/* ---- webhooks list ---- */

static void take_endpoints(void *ctx, const struct store_result *r)
{
    struct listing *l = ctx;
    if (!l->inv->set.json && r->n > 0) {
        print_endpoints(r);
    } else if (!l->inv->set.json) {
        (void)fprintf(stderr, "No webhook has been configured; docs/webhooks.md says how.\n");
    } else {
        buf_puts(&l->out, "{\"endpoints\":[");
        for (size_t i = 0; i < r->n; i++) {
            buf_puts(&l->out, i > 0 ? "," : "");
            put_endpoint(&l->out, &r->endpoints[i]);
        }
    }
}

static void take_deliveries(void *ctx, const struct store_result *r)
{
    struct listing *l = ctx;
    if (!l->inv->set.json) {
        print_deliveries(r);
        return;
    }
    buf_puts(&l->out, "],\"deliveries\":[");
    for (size_t i = 0; i < r->n; i++) {
        buf_puts(&l->out, i > 0 ? "," : "");
        put_delivery(&l->out, &r->deliveries[i]);
    }
    (void)printf("%s]}\n", buf_str(&l->out));
}

static int read_filter(const struct invocation *inv, struct store_delivery_filter *f)
{
    const char *state = inv->set.state;
    *f = (struct store_delivery_filter){.state = STORE_DELIVERY_MAX,
                                        .endpoint = inv->set.endpoint,
                                        .limit = (size_t)inv->set.limit};
    if (state == NULL)
        return EXIT_DONE;
    for (int i = 0; i < STORE_DELIVERY_MAX; i++) {
        if (strcmp(state, states[i]) == 0) {
            f->state = (enum store_delivery_state)i;
            return EXIT_DONE;
        }
    }
    return command_fail(inv, EXIT_USAGE, "--state: '%.40s' is none of waiting, delivered, given-up",
                        state);
}

int cmd_webhooks_list(struct invocation *inv)
{
    struct store_delivery_filter filter;
    struct context c;
    int code = read_filter(inv, &filter);
    if (code == EXIT_DONE)
        code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    struct listing l = {.inv = inv, .out = BUF_INIT(JSON_MAX)};
    struct answer a = answer_new(&c, take_endpoints, &l);
    store_endpoints(c.store, answer_take, &a);
    code = answer_wait(&c, &a);
    if (code == EXIT_DONE) {
        a = answer_new(&c, take_deliveries, &l);
        store_deliveries(c.store, &filter, answer_take, &a);
        code = answer_wait(&c, &a);
    }
    buf_free(&l.out);
    context_close(&c);
    return code;
}

/* ---- webhooks retry ---- */

static int retry_one(struct context *c, const struct uuid *id, int64_t *count)
{
    struct answer a = answer_new(c, NULL, NULL);
    store_deliveries_retry(c->store, id, c->inv->set.endpoint, answer_take, &a);
    int code = answer_wait(c, &a);
    *count += a.count;
    return code;
}

int cmd_webhooks_retry(struct invocation *inv)
{
    struct context c;
    int64_t count = 0;
    int code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    if (inv->n_args == 0)
        code = retry_one(&c, &(struct uuid){0}, &count);
    for (size_t i = 0; i < inv->n_args && code == EXIT_DONE; i++) {
        struct uuid id;
        code = context_uuid(inv, "delivery", inv->args[i], &id);
        if (code == EXIT_DONE)
            code = retry_one(&c, &id, &count);
    }
    if (code == EXIT_DONE && inv->set.json)
        (void)printf("{\"again\":%" PRId64 "}\n", count);
    else if (code == EXIT_DONE)
        (void)printf("%" PRId64 " to be sent again\n", count);
    context_close(&c);
    return code;
}
