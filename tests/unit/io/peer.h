/* In: a loop to turn while waiting. Out: raw sockets on the loopback for tests that need a peer who
 * breaks the rules. Everything aborts the test when it takes longer than ten seconds. */
#ifndef TESTS_IO_PEER_H
#define TESTS_IO_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"

struct loop *peer_loop(void);

/* Turns the loop until *flag. */
void peer_wait(struct loop *loop, const bool *flag);
void peer_turns(struct loop *loop, int64_t us); /* turns the loop for that long */

int peer_listen(uint16_t *ret_port);                /* 127.0.0.1, any port */
int peer_accept(struct loop *loop, int listener);   /* non-blocking */
int peer_connect(struct loop *loop, uint16_t port); /* non-blocking */
void peer_send(struct loop *loop, int fd, const char *bytes, size_t n);
void peer_says(struct loop *loop, int fd, const char *text);
/* Reads until the text has come (true) or the other side closed (false); `out` keeps all, with
 * a NUL. */
bool peer_hears(struct loop *loop, int fd, const char *text, char *out, size_t size);
bool peer_hears_end(struct loop *loop, int fd); /* true = closed, within ten seconds */
void peer_reset(int fd);                        /* closes with RST */

#endif
