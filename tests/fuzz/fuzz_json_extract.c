/* In: any bytes. Out: json_extract() gives nothing, or JSON that jansson reads. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > ((size_t)1 << 20))
        return 0;
    char *text = json_extract(size == 0 ? "" : (const char *)data, size);
    if (text == NULL)
        return 0;
    /* repeated members are the model's mistake, not the extraction's */
    json_t *json = json_loads(text, 0, NULL);
    if (json == NULL)
        abort();
    json_decref(json);
    free(text);
    return 0;
}
