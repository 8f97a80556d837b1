/* In: a provider_request. Out: the JSON body of POST /v1/messages. Pure. */
#ifndef PROVIDER_MESSAGES_REQUEST_H
#define PROVIDER_MESSAGES_REQUEST_H

#include "base/buf.h"
#include "provider/provider.h"

#define MESSAGES_BODY_MAX ((size_t)32 << 20)

/* Fills `out` (its maximum is set here). ERR_INVALID: the schema is no JSON object. ERR_TOO_BIG:
 * more than the provider takes. */
enum err messages_request_write(const struct provider_request *request, struct buf *out,
                                struct errmsg *msg) MUST_CHECK;

#endif
