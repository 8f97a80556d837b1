/* In: nothing. Out: what the API's answers look like, for the OpenAPI document. A test holds the
 * answers to it. */
#ifndef API_SCHEMAS_H
#define API_SCHEMAS_H

#include <stddef.h>

#include "api/routes.h"

/* A member's type: string, uuid, time, integer, number, boolean, object or any; another schema by
 * its name, "Job"; a list, "[Job]"; "?" behind it: or null; "~": or not there at all. */
struct schema {
    const char *name;
    const struct route_field *members; /* end with a NULL name */
    const char *base;                  /* whose members it has, too; NULL = none */
};
extern const struct schema schema_table[];
extern const size_t schema_count;

#endif
