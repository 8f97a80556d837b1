/* In: a list of addresses and, after a line feed, a URL. Out: a URL stays here only when scheme,
 * host and port are those of an entry, and then only these are replaced. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/pg/pg_surface_impl.h"

#define SELF "http://self"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Does the list hold exactly these bytes, but for slashes at an entry's end? */
static bool holds(const char *list, const char *place, size_t n)
{
    for (const char *at = list; *at != '\0';) {
        size_t len = strcspn(at, " ,\t\n"), bare = len;
        while (bare > 0 && at[bare - 1] == '/')
            bare--;
        if (bare == n && n > 0 && strncasecmp(at, place, n) == 0)
            return true;
        at += len + (at[len] != '\0');
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *list = mem_strndup((const char *)data, size), *url = strchr(list, '\n');
    if (url != NULL)
        *url++ = '\0';
    char *own = pg_outgoing_own(url != NULL ? url : "", list, SELF);
    if (own != NULL) {
        const char *rest = own + strlen(SELF);
        size_t kept = strlen(rest), whole = strlen(url);
        assert(strncmp(own, SELF "/", sizeof SELF) == 0);
        if (kept > whole || strcmp(url + whole - kept, rest) != 0) { /* its slash is ours */
            rest++;
            kept--;
        }
        assert(kept <= whole && strcmp(url + whole - kept, rest) == 0);
        assert(holds(list, url, whole - kept));
    }
    free(own);
    free(list);
    return 0;
}
