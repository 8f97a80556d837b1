/* In: one model call. Out: its text as it comes, then one classified end with its usage. What the
 * engine knows of any provider; pacing is provider/pacer.h. */
#ifndef PROVIDER_PROVIDER_H
#define PROVIDER_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/http_client.h"
#include "job/price.h"
#include "job/script.h"

struct provider;
struct provider_call;

struct provider_request {
    const struct model *model;          /* borrowed until the end */
    const char *system, *user, *schema; /* system and schema may be NULL; all copied */
    int64_t max_tokens;
    const char *call_id; /* our ledger's id, sent along for correlation; NULL = none */
};

/* How a call ended, by what the caller should do about it. */
enum call_class {
    CALL_DONE,        /* complete, by the completion rule */
    CALL_RETRY,       /* 408, 409, lost connection, time-out, truncated or broken stream */
    CALL_THROTTLED,   /* 429: wait retry_after, nobody's fault */
    CALL_RAMP,        /* 429 ramp_limit_exceeded: start slowly */
    CALL_OVERLOADED,  /* 500, 504, 529: back off, lower concurrency */
    CALL_PARKED,      /* spend limit: no retries, tell the operator */
    CALL_OPERATOR,    /* 401, 402, 403, 404: key, billing or model; tell the operator */
    CALL_PERMANENT,   /* 400, 413: this request never works */
    CALL_UNREACHABLE, /* no connection: nothing was sent */
    CALL_CLASS_MAX
};
const char *call_class_name(enum call_class c);

/* One rate-limit family as the headers of an answer told it; -1 = not told. */
struct limit_report {
    int64_t limit, remaining, reset_us; /* reset_us: wall time of full replenishment */
};
struct rate_report {
    struct limit_report requests, input, output;
    int64_t at_us; /* loop clock: when the headers came */
};

struct provider_end {
    enum call_class class;
    const char *text; /* all of it, also when cut; borrowed */
    size_t len;
    enum stop_reason stop;
    struct usage usage;                    /* the best that is known */
    bool usage_final;                      /* the provider's own final figures */
    bool sent;                             /* the request may have reached the provider */
    bool billed;                           /* it began to answer: the input at least is paid */
    int http_status;                       /* 0 = none */
    int64_t retry_after_us;                /* -1 = not told */
    int should_retry;                      /* x-should-retry: 1, 0; -1 = not told */
    const char *served_model, *request_id; /* "" when unknown */
    const char *error;                     /* for people, one line, no secret; "" when CALL_DONE */
    struct rate_report rates;
};

/* The answer has begun. */
struct provider_begin {
    struct usage usage;     /* with the prompt's real size */
    const char *request_id; /* "" when unknown */
    struct rate_report rates;
};

struct provider_handlers {
    void (*on_start)(void *ctx, const struct provider_begin *begin); /* may come once, or never */
    void (*on_text)(void *ctx, const char *text, size_t n);          /* whole UTF-8 characters */
    void (*on_end)(void *ctx, const struct provider_end *end);       /* once, last */
};

/* Never calls back before it returns. */
struct provider_call *provider_start(struct provider *p, const struct provider_request *request,
                                     const struct provider_handlers *handlers, void *ctx);
/* Ends it without a further callback; allowed inside its own. What was produced so far comes back
 * in *ret_usage (may be NULL). Takes NULL. */
void provider_abort(struct provider_call *call, struct usage *ret_usage);
const char *provider_name(const struct provider *p);
void provider_free(struct provider *p); /* aborts what runs; takes NULL */

/* The Messages API (provider/messages.c). */
struct messages_config {
    const char *base_url; /* "https://api.anthropic.com"; http or https */
    const char *api_key;
    int64_t header_timeout_us, idle_timeout_us, progress_timeout_us; /* 0 = 60 s, 60 s, 300 s */
    int64_t read_tick_us;                                            /* 0 = 100 ms */
    const char *name; /* static: what is written down of who answers; NULL = "messages" */
};
enum err provider_messages_new(struct loop *loop, struct http_client *http,
                               const struct messages_config *config, struct provider **ret_provider,
                               struct errmsg *msg) MUST_CHECK;

#endif
