/* In: a delivery, secrets. Out: what is sent: the body and the signature, as the Standard Webhooks
 * specification wants them (docs/webhooks.md). Pure. */
#ifndef ENGINE_WEBHOOK_MESSAGE_H
#define ENGINE_WEBHOOK_MESSAGE_H

#include <stdint.h>

#include "store/store.h"
#include "store/store_webhooks.h"

#define WEBHOOK_SECRETS_MAX 4  /* of one endpoint: the new one, and old ones while it changes */
#define WEBHOOK_SECRET_MIN  24 /* bytes */
#define WEBHOOK_SECRET_MAX  64

struct webhook_secrets {
    struct {
        uint8_t bytes[WEBHOOK_SECRET_MAX];
        size_t n;
    } items[WEBHOOK_SECRETS_MAX];
    size_t n;
};

/* "whsec_" and base64 of 24 to 64 bytes; several are separated by spaces. ERR_INVALID: the message
 * says how to make one, and never holds what was given. */
enum err webhook_secrets_parse(const char *text, struct webhook_secrets *ret_secrets,
                               struct errmsg *msg) MUST_CHECK;

/* JSON; the same for every attempt as long as nothing about the run changes. Owned. */
char *webhook_body(const struct store_delivery *d);

/* The header's value, one signature for each secret: "v1,BASE64 v1,BASE64". Owned. */
char *webhook_signature(const struct webhook_secrets *secrets, const char *id, int64_t timestamp_s,
                        const char *body);

#endif
