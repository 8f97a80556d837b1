/* In: an invocation of serve. Out: an engine and its API, until a signal. One process. */
#ifndef APP_DAEMON_H
#define APP_DAEMON_H

#include <stddef.h>

#include "app/command.h"
#include "app/listen.h"
#include "base/shared_texts.h"

#define SLOTS_DEFAULT 256

struct daemon_config {
    struct listen_address address;
    int listener;              /* 0 = the address; else an open socket, taken over */
    int report_fd;             /* to the parent process, or -1 */
    size_t number;             /* among the parent's children */
    struct shared_texts *crew; /* of the children, for their metrics; NULL = there is one process */
    bool announces;            /* tells people and systemd that it is there */
    bool reload;               /* inv is from before a SIGHUP that the parent has had */
};

/* The exit code. */
int daemon_serve(struct invocation *inv, const struct daemon_config *config);

/* Log level and form as a daemon likes them. */
void daemon_set_log(const struct settings *set);

#endif
