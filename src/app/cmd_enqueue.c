/* In: one request. Out: a waiting job, and its id. */
#include <stdio.h>

#include "app/cmd.h"
#include "app/context.h"
#include "app/request.h"

static void take_id(void *ctx, const struct store_result *r)
{
    const struct invocation *inv = ctx;
    char id[UUID_TEXT_SIZE];
    (void)uuid_text(&r->inserted[0].id, id);
    bool existed = r->inserted[0].existed;
    if (inv->set.json) {
        (void)printf("{\"id\":\"%s\",\"existed\":%s}\n", id, existed ? "true" : "false");
        return;
    }
    (void)printf("%s\n", id);
    if (existed)
        (void)fprintf(stderr, "This key was used before: that is the job made then.\n");
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
        struct answer a = answer_new(&c, take_id, inv);
        store_insert(c.store, request.jobs, 1, answer_take, &a);
        code = answer_wait(&c, &a);
        context_close(&c);
    }
    request_free(&request);
    return code;
}
