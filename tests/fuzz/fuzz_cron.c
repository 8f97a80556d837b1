/* In: a time of eight bytes, then a schedule. Out: cron_parse() ends; what it takes fires later and
 * later, soon enough, and says where it is wrong otherwise. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/cron.h"

#define LATEST_US ((int64_t)4102444800 * 1000000) /* 2100 */
#define LONGEST   ((int64_t)51 * 366 * 86400 * 1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t after = 0;
    char text[512];
    struct cron *c = NULL;
    struct errmsg msg = {""};
    if (size < sizeof after || size - sizeof after >= sizeof text)
        return 0;
    memcpy(&after, data, sizeof after);
    after = (int64_t)((uint64_t)after % (uint64_t)LATEST_US);
    memcpy(text, data + sizeof after, size - sizeof after);
    text[size - sizeof after] = '\0';
    if (cron_parse(text, &c, &msg) != OK) {
        if (msg.text[0] == '\0' || c != NULL)
            abort();
        return 0;
    }
    for (int i = 0; i < 5 && after < LATEST_US; i++) {
        int64_t next = cron_next(c, after);
        if (next == 0 ? !cron_is_reboot(c) : next <= after || next - after > LONGEST)
            abort();
        if (next == 0)
            break;
        after = next;
    }
    cron_free(c);
    return 0;
}
