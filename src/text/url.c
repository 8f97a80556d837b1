/* In: a URL that somebody configured. Out: the same to be shown. */
#include "text/url.h"

#include <string.h>

#include "base/mem.h"

/* Up to the last @ before the path: a password may hold one itself. */
char *url_shown(const char *url)
{
    const char *mark = strstr(url, "://"), *at = NULL;
    if (mark == NULL)
        return mem_strdup(url);
    const char *host = mark + 3, *end = host + strcspn(host, "/?#");
    for (const char *c = host; c < end; c++) {
        if (*c == '@')
            at = c;
    }
    return at == NULL ? mem_strdup(url) : mem_printf("%.*s%s", (int)(host - url), url, at + 1);
}
