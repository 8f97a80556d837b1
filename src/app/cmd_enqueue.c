/* In: one request. Out: a waiting job, and its id. */
#include <stdio.h>

#include "api/job_json.h"
#include "app/cmd.h"
#include "app/context.h"
#include "app/outlook.h"
#include "app/request.h"

struct made {
    struct store_inserted job;
    struct outlook outlook;
    struct buf out;
};

static void take_id(void *ctx, const struct store_result *r)
{
    struct made *made = ctx;
    made->job = r->inserted[0];
}

static void take_row(void *ctx, const struct store_result *r)
{
    struct made *made = ctx;
    struct estimate e = outlook_of(&made->outlook, &r->jobs[0]);
    job_json_open_new(&made->out, &r->jobs[0], &e);
}

/* As POST /v1/jobs answers; and whether it was there already, which is the status there. */
static int print_json(struct context *c, struct made *made)
{
    int code = outlook_read(c, &made->outlook);
    if (code == EXIT_DONE) {
        struct answer a = answer_new(c, take_row, made);
        store_get(c->store, &made->job.id, answer_take, &a);
        code = answer_wait(c, &a);
    }
    if (code == EXIT_DONE)
        (void)printf("%s,\"existed\":%s}\n", buf_str(&made->out),
                     made->job.existed ? "true" : "false");
    return code;
}

static void print_id(const struct made *made)
{
    char id[UUID_TEXT_SIZE];
    (void)printf("%s\n", uuid_text(&made->job.id, id));
    if (made->job.existed)
        (void)fprintf(stderr, "This key was used before: that is the job made then.\n");
}

static int enqueue(struct context *c, const struct request *request)
{
    struct made made = {.out = BUF_INIT(4096)};
    struct answer a = answer_new(c, take_id, &made);
    store_insert(c->store, request->jobs, 1, answer_take, &a);
    int code = answer_wait(c, &a);
    if (code == EXIT_DONE && c->inv->set.json)
        code = print_json(c, &made);
    else if (code == EXIT_DONE)
        print_id(&made);
    buf_free(&made.out);
    return code;
}

int cmd_enqueue(struct invocation *inv)
{
    if (inv->set.topic == NULL && inv->set.params == NULL)
        return command_fail(inv, EXIT_USAGE, "the topic is missing: --topic TEXT or --params FILE");
    struct request request = {0};
    struct context c;
    int code = request_build(inv, 1, 1, &request);
    if (code != EXIT_DONE)
        return code;
    code = context_open(&c, inv, CONTEXT_CREATE);
    if (code == EXIT_DONE) {
        code = enqueue(&c, &request);
        context_close(&c);
    }
    request_free(&request);
    return code;
}
