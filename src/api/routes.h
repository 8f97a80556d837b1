/* In: a method and a path. Out: who answers it, and who may ask: the one table of all routes, which
 * the OpenAPI document is made from too. */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include <stddef.h>

struct api_request;

enum route_access {
    ROUTE_OPEN,     /* everybody, without a key */
    ROUTE_ANYBODY,  /* a user or the operator */
    ROUTE_OPERATOR, /* the operator alone */
    ROUTE_FUNCTION, /* the operator alone; a user's key is as unknown here as any other */
    ROUTE_ACCESS_MAX
};

/* Of the query, the headers, the body or an answer, for the document; types as in schemas.h, and
 * "!" behind one: required in a body. */
struct route_field {
    const char *name, *type, *about;
};

struct route {
    const char *method;  /* GET also answers HEAD */
    const char *pattern; /* "/v1/jobs/{id}/cancel" */
    enum route_access access;
    void (*handle)(struct api_request *rq);
    const char *summary;
    const struct route_field *query, *body; /* end with a NULL name; NULL = none */
    const char *answers;                    /* "200 404 409": the statuses beside 401, 405 ... */
    const char *content_type; /* of what is not JSON: "text/markdown text/plain"; NULL = JSON */
    const char *result;       /* the JSON's schema (schemas.h); NULL = any, or no JSON */
    const struct route_field *headers; /* as query */
};
extern const struct route route_table[];
extern const size_t route_count;

#define ROUTE_PARAMS_MAX 2
#define ROUTE_ALLOW_SIZE 64

struct route_match {
    const struct route *route; /* NULL: none */
    struct route_param {
        const char *text; /* borrowed from the path */
        size_t len;
    } params[ROUTE_PARAMS_MAX];
    char allow[ROUTE_ALLOW_SIZE]; /* the methods this path has, as in Allow; "" = no such path */
};

/* A pattern's part in braces takes one part of the path, which is never empty. */
void route_find(const struct route *table, size_t n, const char *method, const char *path,
                struct route_match *ret_match);

#endif
