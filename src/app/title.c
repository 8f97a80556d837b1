/* In: argv, as the system gave it. Out: the same for us, and without passwords for `ps`. */
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

void title_hide_passwords(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        char *rest = strstr(argv[i], "://");
        if (rest != NULL && (strchr(rest, '@') != NULL || strstr(rest, "password") != NULL))
            memset(rest + 3, '*', strlen(rest + 3));
    }
}
