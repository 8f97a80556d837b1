/* In: two texts, split at the first NUL. Out: a crash when cutting or joining breaks a rule. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "job/join.h"

static void require(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *a = (const char *)data;
    size_t na = 0;
    while (na < size && a[na] != '\0')
        na++;
    const char *b = a + na + (na < size);
    size_t nb = size - (size_t)(b - a);

    size_t kept = join_full_sentences(a, na);
    require(kept <= na);
    require(kept == na || ((unsigned char)a[kept] & 0xC0u) != 0x80u || kept == 0);
    require(join_tail(a, na, 50) <= na);
    size_t overlap = join_overlap(a, na, b, nb);
    require(overlap == 0 || (overlap >= 20 && overlap <= nb));

    struct buf out = BUF_INIT(na + nb + 2);
    require(buf_add(&out, a, na) == OK && join_append(&out, b, nb) == OK);
    require(out.len <= na + nb + 2);
    struct buf small = BUF_INIT(na + nb / 2);
    require(buf_add(&small, a, na) == OK);
    enum err e = join_append(&small, b, nb);
    require(e == OK || (e == ERR_TOO_BIG && small.len == na));
    buf_free(&out);
    buf_free(&small);
    return 0;
}
