/* In: the head of a request. Out: whether it can be read in one way only. */
#include "io/http_head.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct head {
    const char *from, *to; /* libmicrohttpd's buffer: names and values, and NULs between them */
    const char *end;       /* of the value before; NULL at first */
    unsigned lengths, codings, hosts, credentials;
    bool odd; /* a coding that is not spoken here, a name that others read as another */
};

static bool is_within(const struct head *h, const char *p)
{
    return (uintptr_t)p >= (uintptr_t)h->from && (uintptr_t)p < (uintptr_t)h->to;
}

/* libmicrohttpd 0.9.75 ends a value at a NUL in it, and takes a folded line for a part of its
 * header's name: both leave bytes behind that are in no header. */
static bool leaves_bytes(const struct head *h, const char *next)
{
    const char *at = h->end;
    while (at != NULL && at < next && (*at == '\0' || strchr(" \t\r\n", *at) != NULL))
        at++;
    return at != NULL && at < next;
}

static enum MHD_Result note(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct head *h = ctx;
    (void)kind;
    if (value == NULL)
        value = "";
    h->lengths += strcasecmp(name, "Content-Length") == 0;
    h->hosts += strcasecmp(name, "Host") == 0;
    h->credentials += strcasecmp(name, "Authorization") == 0;
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        h->codings++;
        h->odd = h->odd || strcasecmp(value, "chunked") != 0;
    }
    h->odd = h->odd || name[strcspn(name, " \t")] != '\0'; /* "Content-Length : 5" */
    h->odd = h->odd || (is_within(h, name) && leaves_bytes(h, name));
    if (is_within(h, value))
        h->end = value + strlen(value);
    return MHD_YES;
}

bool head_is_clear(struct MHD_Connection *mhd, const char *head, size_t size, const char *version)
{
    struct head h = {.from = head, .to = head + size};
    (void)MHD_get_connection_values(mhd, MHD_HEADER_KIND, note, &h);
    bool one_host = strcmp(version, "HTTP/1.0") == 0 ? h.hosts <= 1 : h.hosts == 1;
    return one_host && h.lengths + h.codings <= 1 && h.credentials <= 1 && !h.odd &&
           !leaves_bytes(&h, h.to);
}

const char *head_path(struct MHD_Connection *mhd, const char *target)
{
    static const char scheme[] = "http://";
    const char *host = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Host");
    if (target[0] == '/' || strcmp(target, "*") == 0)
        return target;
    if (strncasecmp(target, scheme, sizeof scheme - 1) != 0 || host == NULL)
        return NULL;
    const char *authority = target + sizeof scheme - 1;
    size_t n = strcspn(authority, "/");
    if (n != strlen(host) || strncasecmp(authority, host, n) != 0)
        return NULL;
    return authority[n] == '\0' ? "/" : authority + n;
}

int head_length_refusal(const char *value)
{
    if (value[0] == '\0' || value[strspn(value, "0123456789")] != '\0')
        return 400;
    errno = 0;
    (void)strtoull(value, NULL, 10);
    return errno == 0 ? 0 : 413;
}
