/* In: a script of bytes, pauses and cuts. Out: a TCP server on loopback that answers every request
 * with exactly that, however wrong it is. */
#ifndef TESTS_SCRIPTED_SERVER_H
#define TESTS_SCRIPTED_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"

struct scripted_server;

struct scripted_server *scripted_server_new(struct loop *loop); /* aborts on failure */
void scripted_server_free(struct scripted_server *s);
const char *scripted_server_url(const struct scripted_server *s);     /* "http://127.0.0.1:PORT" */
const char *scripted_server_request(const struct scripted_server *s); /* the last one, raw */
int scripted_server_requests(const struct scripted_server *s);

/* The steps, played in this order once a request has come in whole. After the last one the
 * connection stays open and silent. */
void scripted_send(struct scripted_server *s, const char *text);
void scripted_drip(struct scripted_server *s, const char *text, int64_t gap_us); /* byte by byte */
void scripted_pause(struct scripted_server *s, int64_t us);
void scripted_fin(struct scripted_server *s);
void scripted_rst(struct scripted_server *s);

#endif
