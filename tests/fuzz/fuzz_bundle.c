/* In: any bytes as a stored pipeline. Out: nothing, as long as it is refused or read without harm.
 */
#include <stdint.h>
#include <stdlib.h>

#include "job/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct pipeline *p = NULL;
    struct errmsg msg = {""};
    enum err e = bundle_parse((const char *)data, n, &p, &msg);
    if (e == OK && (p == NULL || p->n_steps == 0))
        abort();
    if (e != OK && (p != NULL || msg.text[0] == '\0'))
        abort();
    pipeline_free(p);
    return 0;
}
