/* In: pause, resume. Out: the setting that every claim looks at, changed. */
#include <inttypes.h>
#include <stdio.h>

#include "app/cmd.h"
#include "app/context.h"

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
