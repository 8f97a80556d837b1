/* In: argv, as the system gave it. Out: another command line for `ps`. */
#include "app/title.h"

#include <string.h>

#include "base/mem.h"

char **title_copy(int argc, char **argv)
{
    size_t n = (size_t)argc, bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(argv[i]) + 1;
    char **copy = mem_alloc((n + 1) * sizeof *copy + bytes);
    char *at = (char *)(copy + n + 1);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(argv[i]) + 1;
        memcpy(at, argv[i], len);
        copy[i] = at;
        at += len;
    }
    return copy;
}

void title_set(int argc, char **argv, const char *title)
{
    char *start = argv[-1], *end = start;
    for (int i = -1; i < argc; i++) { /* the words lie one behind the other */
        if (argv[i] == end)
            end += strlen(argv[i]) + 1;
    }
    size_t room = (size_t)(end - start), n = strlen(title);
    memset(start, 0, room);
    memcpy(start, title, n < room ? n : room - 1);
}
