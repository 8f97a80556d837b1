/* In: one HTTP exchange on its route. Out: its parameters, query and body, checked; and its life
 * while the store works on it. Private to api. */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "api/auth.h"
#include "api/impl.h"
#include "api/routes.h"
#include "base/mem.h"
#include "io/http_server.h"
#include "text/json.h"

/* Lives until its exchange is over and the store has answered all it was asked for it. */
struct api_request {
    struct api *api;         /* NULL once the exchange is over */
    struct http_exchange *x; /* the same */
    struct route_match match;
    struct principal who;
    struct arena arena; /* what a handler keeps between two answers of the store */
    void *state;        /* a handler's own, from the arena */
    struct loop_timer deadline;
    unsigned waiting; /* verbs of the store that have not called back */
    bool answered;
    void (*late)(struct api_request *rq); /* its deadline has passed; NULL = answer with 503 */
    void (*gone)(struct api_request *rq); /* the exchange is over, `state` may go; may be NULL */
};

struct api_request *api_request_new(struct api *api, struct http_exchange *x);
void api_request_end(struct api_request *rq); /* the exchange is over: frees, now or later */

/* Around a verb of the store: store_get(s, id, on_got, api_request_ask(rq)), and in on_got() first
 * of all `rq = api_request_told(ctx)`, which is NULL when nobody waits for the answer any more. A
 * request that waits longer than API_ANSWER_US is answered with 503. */
#define API_ANSWER_US ((int64_t)20 * 1000000)
void *api_request_ask(struct api_request *rq);
struct api_request *api_request_told(void *ctx);
void api_request_set_deadline(struct api_request *rq, int64_t us);

/* NULL when it is not given, or given as "name=" with nothing behind it. */
const char *api_request_query(const struct api_request *rq, const char *name);
/* A whole number in digits and nothing beside; false: it is none, or out of range. */
bool api_read_int(const char *text, int64_t min, int64_t max, int64_t *ret_value);
/* The same with a fraction or an exponent. */
bool api_read_number(const char *text, double min, double max, double *ret_value);
bool api_read_flag(const char *text, bool *ret_value); /* "true" or "false" */

/* Those that return false have answered with 400. */
bool api_request_id(struct api_request *rq, size_t param, struct uuid *ret_id);
bool api_request_query_int(struct api_request *rq, const char *name, int64_t min, int64_t max,
                           int64_t *io_value); /* unchanged when not given */
bool api_request_query_id(struct api_request *rq, const char *name, struct uuid *io_id);
bool api_request_object(struct api_request *rq, json_t **ret_object); /* the body; owned */

#endif
