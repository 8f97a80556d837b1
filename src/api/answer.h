/* In: what a handler has found out. Out: its HTTP answer: JSON with the headers that all answers
 * have. Only the first answer to a request counts. Private to api. */
#ifndef API_ANSWER_H
#define API_ANSWER_H

#include <stdbool.h>

#include "api/job_json.h"
#include "api/request.h"
#include "base/buf.h"

#define API_ANSWER_MAX JOB_JSON_MAX /* the largest there is */

void api_answer_json(struct api_request *rq, int status, const struct buf *json);
/* `headers`: as in http_reply(), added to the usual ones; may be NULL. */
void api_answer(struct api_request *rq, int status, const char *content_type, http_headers headers,
                const char *body, size_t n);
/* Begins an event stream; nothing but http_stream_...() after it. */
void api_answer_stream(struct api_request *rq);
/* {"error": error, "details": text}; without "details" when fmt is NULL. */
void api_answer_error(struct api_request *rq, int status, const char *error, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void api_answer_not_allowed(struct api_request *rq); /* 405, by its match */
void api_answer_options(struct api_request *rq);     /* CORS preflight */
/* True when the store has failed: answered. ERR_INVALID is 409, the state does not allow it. */
bool api_answer_failure(struct api_request *rq, const struct store_result *r);
/* Why the store has failed, for who asks: in its own words for the operator; to others its address,
 * its file and its role are not told. Borrowed of r, or constant. */
const char *api_reason(const struct api_request *rq, const struct store_result *r);

/* The headers of a refusal that the server makes by itself, and its body, owned. */
http_headers api_refusal_headers(void);
char *api_refusal_body(void *ctx, int status);

#endif
