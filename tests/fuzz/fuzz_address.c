/* In: bytes as a list of exceptions. Out: no crash; a list is taken whole or refused with a line;
 * and what is asked of it afterwards has an answer. */
#include <assert.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);
    struct address_guard *g = NULL;
    struct errmsg msg = {""};
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    memcpy(&in.sin_addr, data, size < 4 ? size : 4);
    memcpy(&in6.sin6_addr, data, size < 16 ? size : 16);
    const struct sockaddr *a4 = (const struct sockaddr *)(const void *)&in;
    const struct sockaddr *a6 = (const struct sockaddr *)(const void *)&in6;
    assert(address_kind_name(address_kind_of(a4)) != NULL);
    if (address_guard_new(text, &g, &msg) == OK) {
        assert(address_kind_of(a4) != ADDRESS_PUBLIC || address_guard_permits(g, text, a4));
        assert(address_kind_of(a6) != ADDRESS_PUBLIC || address_guard_permits(g, text, a6));
    } else {
        assert(g == NULL && msg.text[0] != '\0');
    }
    address_guard_free(g);
    free(text);
    return 0;
}
