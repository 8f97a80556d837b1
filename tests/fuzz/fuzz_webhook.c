/* In: bytes as secrets, and as what a job's row says. Out: no crash; secrets are taken whole or
 * refused with a line that does not hold them; a body is always JSON. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/webhook_message.h"
#include "text/json.h"
#include "store/store_webhooks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);
    struct webhook_secrets secrets = {.n = 0};
    struct errmsg msg = {""};
    struct store_delivery d = {
        .run = 1, .end = (enum store_end)(size % STORE_END_MAX), .job_error = text, .words = text};
    char *body = webhook_body(&d);
    json_t *json = NULL;
    assert(json_parse(body, strlen(body), 65536, &json, NULL) == OK);
    if (webhook_secrets_parse(text, &secrets, &msg) == OK) {
        char *signature = webhook_signature(&secrets, "id", 1, body);
        assert(secrets.n >= 1 && strlen(signature) == secrets.n * 48 - 1);
        free(signature);
    } else {
        assert(secrets.n == 0 && msg.text[0] != '\0');
    }
    json_decref(json);
    free(body);
    free(text);
    return 0;
}
