/* In: any bytes, taken for a JWK set. Out: keys within the limits, or a refusal that leaves nothing
 * behind; the keys can be used. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/jwt.h"

static const char token[] =
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
    "bS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxf"
    "KTUJqPP3-Kg6NU1Q";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct jwt_keys *keys = NULL;
    struct errmsg msg = {{0}};
    enum err e = jwt_keys_parse(size == 0 ? "" : (const char *)data, size, &keys, &msg);
    if ((e == OK) != (keys != NULL) || (e != OK && msg.text[0] == '\0'))
        abort();
    if (e != OK)
        return 0;
    if (jwt_keys_count(keys) > JWK_COUNT_MAX)
        abort();
    const struct jwt_keys *const borrowed[] = {keys};
    struct jwt_rules rules = {.now_us = 0};
    struct jwt_claims claims;
    (void)!jwt_verify(borrowed, 1, token, sizeof token - 1, &rules, &claims);
    jwt_keys_free(keys);
    return 0;
}
