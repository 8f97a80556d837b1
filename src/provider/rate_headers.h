/* In: an answer's rate-limit headers. Out: what they tell, checked. Pure. */
#ifndef PROVIDER_RATE_HEADERS_H
#define PROVIDER_RATE_HEADERS_H

#include <stdint.h>

#include "provider/provider.h"

/* The value of a header, or NULL; borrowed. */
typedef const char *(*rate_header_fn)(const void *ctx, const char *name);

/* Families that are absent, and values that make no sense, are -1. */
struct rate_report rate_headers_read(rate_header_fn get, const void *ctx, int64_t now_us);
struct rate_report rate_headers_none(void);

#endif
