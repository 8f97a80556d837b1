/* In: any bytes, taken for a token. Out: no set of keys believes it, whatever it says: no signature
 * of ours is in the corpus. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/jwt.h"

/* The public keys of RFC 7515, A.2 and A.3, so that every kind of check is reached. */
static const char set_text[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"e\":\"AQAB\",\"n\":"
    "\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
    "wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwO"
    "WvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca"
    "pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkML"
    "s91kzk2PAcDTW9gb54h4FRWyuXpoQ\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e\",\"x\":"
    "\"f83OJ3D2xF1Bg8vu"
    "b9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct jwt_keys *sets[2];
    if (sets[0] == NULL &&
        (jwt_keys_secret("a secret that nobody has ever used", 34, &sets[0], NULL) != OK ||
         jwt_keys_parse(set_text, sizeof set_text - 1, &sets[1], NULL) != OK))
        abort();
    const struct jwt_keys *const borrowed[] = {sets[0], sets[1]};
    struct jwt_rules rules = {.now_us = 0};
    struct jwt_claims claims;
    enum jwt_verdict verdict =
        jwt_verify(borrowed, 2, size == 0 ? "" : (const char *)data, size, &rules, &claims);
    /* the examples themselves are signed, and say nothing of a role */
    if (verdict == JWT_VALID && claims.role[0] != '\0')
        abort();
    return 0;
}
