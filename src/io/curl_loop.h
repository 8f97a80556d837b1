/* In: libcurl transfers. Out: their bytes, driven by the loop; each one's end, once. Private to io:
 * http_client.c uses it, by http_call.h. */
#ifndef IO_CURL_LOOP_H
#define IO_CURL_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"

enum { CURL_READ_BUFFER = 8 * 1024 }; /* what one read takes at most; memory per stream */

/* Lives in its owner, which stays until curl_loop_remove(). The owner adds to `got`
 * and sets `streaming` in the transfer's callbacks. */
struct curl_transfer {
    CURL *easy;
    int64_t read_tick_us; /* 0 = read whenever readable */
    bool streaming;       /* the body has begun: the socket may rest between ticks */
    size_t got;           /* bytes that the callbacks saw since it was last set to 0 */
};

struct curl_loop;
/* Called outside libcurl: may add and remove transfers, this one too. */
typedef void (*curl_done_fn)(void *ctx, struct curl_transfer *t, CURLcode result);

enum err curl_loop_new(struct loop *loop, size_t max_connections, curl_done_fn on_done, void *ctx,
                       struct curl_loop **ret_cl) MUST_CHECK;
void curl_loop_free(struct curl_loop *cl); /* after all transfers were removed; takes NULL */

/* Neither may be called from inside a libcurl callback. */
enum err curl_loop_add(struct curl_loop *cl, struct curl_transfer *t) MUST_CHECK;
void curl_loop_remove(struct curl_loop *cl, struct curl_transfer *t);

uint64_t curl_loop_connects(const struct curl_loop *cl); /* connections opened so far */

#endif
