/* In: an HTTP status and the provider's error object. Out: what the caller should do, and a line
 * for people. Pure. */
#ifndef PROVIDER_CLASSIFY_H
#define PROVIDER_CLASSIFY_H

#include <stddef.h>

#include "provider/provider.h"

struct provider_error {
    int status;              /* 200: the error came as an event of a stream */
    int should_retry;        /* x-should-retry; -1 = not told */
    char type[64], code[64]; /* "" when not told */
    char text[400];
};

/* Fills type, code and text from a body, which may be anything (HTML, cut, empty). */
void provider_error_read(struct provider_error *error, const char *body, size_t n);
enum call_class provider_error_class(const struct provider_error *error);
/* One printable line without `secret`, cut at the size. */
void provider_error_line(const struct provider_error *error, const char *secret, char *out,
                         size_t size);
/* The same cleaning for any other text. */
void provider_line_clean(char *line, const char *secret);

#endif
