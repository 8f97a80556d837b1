/* In: any bytes as a path. Out: no route, or one whose parameters lie inside the path. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "DELETE", "PATCH"};
    char *path = malloc(size + 1);
    if (path == NULL)
        return 0;
    memcpy(path, size > 0 ? data : (const uint8_t *)"", size);
    path[size] = '\0';
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct route_match m;
        route_find(route_table, route_count, methods[i], path, &m);
        if (strlen(m.allow) >= sizeof m.allow || (m.route != NULL && m.allow[0] == '\0'))
            abort();
        for (size_t k = 0; m.route != NULL && k < ROUTE_PARAMS_MAX; k++) {
            if (m.params[k].text != NULL && (m.params[k].text <= path || m.params[k].len == 0 ||
                                             m.params[k].text + m.params[k].len > path + size))
                abort();
        }
    }
    free(path);
    return 0;
}
