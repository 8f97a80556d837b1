/* In: what systemd gives a service in its environment. Out: states told to it, the socket it
 * passed. By the documented protocols (sd_notify(3), sd_listen_fds(3)), without its library. */
#ifndef APP_NOTIFY_H
#define APP_NOTIFY_H

#include <stdint.h>

#include "base/err.h"

/* "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=..."; several with line breaks between. Without
 * NOTIFY_SOCKET nothing happens. */
void notify_send(const char *state);
/* How long the watchdog waits for a sign of life; 0 = there is none. */
int64_t notify_watchdog_us(void);
/* The socket passed to this process, or 0. ERR_INVALID when there is more than one. */
enum err notify_take_listener(int *ret_fd, struct errmsg *msg) MUST_CHECK;
/* For a child: what was meant for its parent. */
void notify_forget(void);

#endif
