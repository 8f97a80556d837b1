/* In: bytes as a database URL, and as what libpq says. Out: no crash, one line, no password. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/pg/pg_error.h"
#include "store/pg/pg_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);
    struct pg_url *u = NULL;
    struct errmsg msg = {0};
    if (pg_url_parse(text, &u, &msg) == OK) {
        struct arena arena = {0};
        struct pg_params_out out;
        struct pg_addresses none = {0};
        pg_url_params(u, &none, "fuzz", "-c a=b", size % 2 == 0, &arena, &out);
        arena_free(&arena);
    } else {
        assert(u == NULL && msg.text[0] != '\0');
    }
    pg_url_free(u);
    struct pg_failure f;
    pg_error_of_connect(text, "server", &f);
    assert(f.err != OK && strchr(f.msg.text, '\n') == NULL);
    free(text);
    return 0;
}
