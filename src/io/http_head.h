/* In: the head of a request as libmicrohttpd has read it. Out: what everybody on the way reads in
 * it, or that they may differ. Private to io. */
#ifndef IO_HTTP_HEAD_H
#define IO_HTTP_HEAD_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

/* False: a proxy in front may find the end of the body, the host or the credentials elsewhere, and
 * take a part of the request for another one, of somebody else's. `head` is its first byte, the
 * method's. */
bool head_is_clear(struct MHD_Connection *mhd, const char *head, size_t size, const char *version);
/* The path of the target: of "http://host/path" too, when it is the Host that is asked. NULL: it is
 * of no form that is served here. */
const char *head_path(struct MHD_Connection *mhd, const char *target);
/* What a Content-Length is refused with: 400, 413 past all limits, 0 when it is a number. */
int head_length_refusal(const char *value);

#endif
