/* In: a request, a step's name. Out: the body of its model call as it would be sent, its tokens and
 * its price; nothing is called. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cmd.h"
#include "app/context.h"
#include "app/deployed.h"
#include "app/fmt.h"
#include "app/pipeline_folder.h"
#include "app/rehearsal.h"
#include "app/request.h"
#include "app/workshop.h"
#include "base/clock.h"
#include "base/mem.h"
#include "text/json.h"

#define TOKENS_PER_WORD_TENTHS 15
#define CACHE_MIN              1024 /* tokens of a system prompt that the provider keeps */

struct estimate {
    int64_t input, output, output_max; /* tokens */
    int64_t cost_udollar, cost_max_udollar;
};

/* ---- the pipeline that a job would begin with now ---- */

static int load_deployed(struct invocation *inv, const struct catalog *catalog,
                         struct pipeline **ret_pipeline)
{
    struct context c;
    struct deployed d = {0};
    struct errmsg msg = {""};
    int code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    if (deployed_read(&c, catalog, &d, &msg) != OK)
        code = command_fail(inv, EXIT_WORK_FAILED, "%s", msg.text);
    else if (d.version > 0 && d.pipeline == NULL)
        code = command_fail(inv, EXIT_WORK_FAILED, "version %d cannot be used by this program: %s",
                            d.version, d.unusable.text);
    context_close(&c);
    *ret_pipeline = d.pipeline;
    return code;
}

/* --pipeline; else what is deployed, where there is a database; else the built-in one. */
static int load_pipeline(struct invocation *inv, const struct catalog *catalog,
                         struct pipeline **ret_pipeline)
{
    struct errmsg msg = {""};
    enum err e = OK;
    int code = EXIT_DONE;
    if (inv->set.pipeline != NULL)
        e = pipeline_folder_load(inv->set.pipeline, catalog, ret_pipeline, &msg);
    else if (context_has_store(inv))
        code = load_deployed(inv, catalog, ret_pipeline);
    if (code == EXIT_DONE && e == OK && *ret_pipeline == NULL)
        e = workshop_built_in(ret_pipeline, &msg);
    return e == OK ? code : command_fail(inv, EXIT_USAGE, "%s", msg.text);
}

/* ---- what it would cost ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The first such call of a job: the system prompt is written to the provider's cache, not read. */
static struct estimate estimate(const struct catalog *catalog, const struct script_call *call,
                                int64_t now_us)
{
    const struct model *model = catalog_model(catalog, call->model);
    int64_t system = call->system != NULL ? tokens_estimate(call->system, strlen(call->system)) : 0;
    struct usage usage = {.input = tokens_estimate(call->user, strlen(call->user))};
    struct estimate e = {.input = usage.input + system};
    struct price price = {0};
    if (system >= CACHE_MIN)
        usage.cache_write_5m = system;
    else
        usage.input += system;
    e.output_max = call->max_tokens;
    if (model->max_output_tokens > 0)
        e.output_max = least(e.output_max, model->max_output_tokens);
    e.output = call->expected_words > 0
                   ? (int64_t)call->expected_words * TOKENS_PER_WORD_TENTHS / 10
                   : e.output_max / 2;
    e.output = least(e.output, e.output_max);
    if (catalog_price(catalog, model->id, now_us, e.input, &price) != OK)
        return e;
    usage.output = e.output;
    e.cost_udollar = price_usage(&price, &usage);
    usage.output = e.output_max;
    e.cost_max_udollar = price_usage(&price, &usage);
    return e;
}

/* ---- printing ---- */

static void print_json(const struct rehearsal *r, const struct pipeline *p,
                       const struct estimate *e, const char *version, const char *body)
{
    char cost[FMT_SIZE], most[FMT_SIZE];
    struct buf head = BUF_INIT((size_t)64 * 1024);
    buf_puts(&head, "{\"step\":");
    json_put_string(&head, r->call.key, strlen(r->call.key));
    buf_puts(&head, ",\"model\":");
    json_put_string(&head, r->call.model, strlen(r->call.model));
    buf_puts(&head, ",\"pipeline\":");
    json_put_string(&head, p->name, strlen(p->name));
    buf_putf(&head, ",\"pipeline_version\":\"%s\",\"deployment\":", p->version);
    if (p->deployment >= 0)
        buf_putf(&head, "%d", p->deployment);
    else
        buf_puts(&head, "null");
    buf_putf(&head,
             ",\"anthropic_version\":\"%s\",\"simulated_answers\":%d,"
             "\"estimated_input_tokens\":%" PRId64 ",\"expected_output_tokens\":%" PRId64
             ",\"max_output_tokens\":%" PRId64 ",\"estimated_cost_usd\":%s,\"max_cost_usd\":%s",
             version, r->earlier, e->input, e->output, e->output_max,
             fmt_dollars_json(e->cost_udollar, cost), fmt_dollars_json(e->cost_max_udollar, most));
    struct buf notes = BUF_INIT(PIPELINE_NOTES_MAX);
    pipeline_put_notes(&notes, p, true);
    (void)printf("%s,\"notes\":[%s],\"body\":%s}\n", buf_str(&head), buf_str(&notes), body);
    buf_free(&notes);
    buf_free(&head);
}

/* The body alone goes to standard output: it can be sent as it is. */
static void print_text(const struct rehearsal *r, const struct pipeline *p,
                       const struct estimate *e, const char *body)
{
    char in[FMT_SIZE], out[FMT_SIZE], most[FMT_SIZE], cost[FMT_SIZE], cost_most[FMT_SIZE];
    (void)printf("%s\n", body);
    (void)fflush(stdout);
    if (p->deployment >= 0)
        (void)fprintf(stderr, "%s of pipeline %s, version %d (%s), to %s\n", r->call.key, p->name,
                      p->deployment, p->version, r->call.model);
    else
        (void)fprintf(stderr, "%s of pipeline %s (%s), to %s\n", r->call.key, p->name, p->version,
                      r->call.model);
    (void)fprintf(stderr,
                  "about %s tokens in, %s out (at most %s): about %s, at most %s. Nothing was "
                  "called.\n",
                  fmt_count(e->input, in), fmt_count(e->output, out),
                  fmt_count(e->output_max, most), fmt_money(e->cost_udollar, cost),
                  fmt_money(e->cost_max_udollar, cost_most));
    if (r->earlier > 0)
        (void)fprintf(
            stderr,
            "The answers of the calls before it (%d) are simulated; what quotes them differs "
            "in a real run.\n",
            r->earlier);
    struct buf notes = BUF_INIT(PIPELINE_NOTES_MAX);
    pipeline_put_notes(&notes, p, false);
    (void)fputs(buf_str(&notes), stderr);
    buf_free(&notes);
}

static int show(const struct invocation *inv, const struct pipeline *p,
                const struct catalog *catalog, const struct rehearsal *r)
{
    struct buf body = BUF_INIT(0);
    struct errmsg msg = {""};
    if (rehearsal_body(catalog, &r->call, &body, &msg) != OK)
        return command_fail(inv, EXIT_WORK_FAILED, "%s", msg.text);
    struct estimate e = estimate(catalog, &r->call, clock_wall());
    if (inv->set.json)
        print_json(r, p, &e, catalog_model(catalog, r->call.model)->api_version, buf_str(&body));
    else
        print_text(r, p, &e, buf_str(&body));
    buf_free(&body);
    return EXIT_DONE;
}

static int rehearse(const struct invocation *inv, const struct pipeline *p,
                    const struct catalog *catalog, const char *text)
{
    struct params_limits limits = params_limits_of(inv->set.job_duration_max_us / USEC_PER_SEC);
    struct params params = {0};
    struct rehearsal r;
    struct errmsg msg = {""};
    enum err e = params_normalise(text, strlen(text), NULL, &limits, &params, &msg);
    if (e != OK)
        return command_fail(inv, EXIT_USAGE, "the request cannot be run: %s", msg.text);
    e = rehearsal_run(p, catalog, &params, inv->set.step, &r, &msg);
    int code = e == OK ? show(inv, p, catalog, &r) : command_fail(inv, EXIT_USAGE, "%s", msg.text);
    rehearsal_free(&r);
    return code;
}

int cmd_prompt(struct invocation *inv)
{
    struct request request = {0};
    struct catalog *catalog = NULL;
    struct pipeline *pipeline = NULL;
    if (inv->set.step == NULL)
        return command_fail(inv, EXIT_USAGE,
                            "--step is missing: outline, write, chunk_2, expand, chunk_1+1 ...");
    if (inv->set.params == NULL && inv->set.topic == NULL)
        return command_fail(inv, EXIT_USAGE, "a request is missing: --params FILE or --topic");
    int code = request_build(inv, 1, 1, &request);
    if (code == EXIT_DONE)
        code = workshop_catalog(inv, &catalog);
    if (code == EXIT_DONE)
        code = load_pipeline(inv, catalog, &pipeline);
    if (code == EXIT_DONE)
        code = rehearse(inv, pipeline, catalog, request.jobs[0].params);
    pipeline_free(pipeline);
    catalog_free(catalog);
    request_free(&request);
    return code;
}
