/* In: what a call needs, what the provider's headers said, the time. Out: go now, or when to ask
 * again. One token bucket per limit (requests, input tokens, output tokens per minute) and rate
 * class; pure: no loop, no clock. */
#ifndef PROVIDER_PACER_H
#define PROVIDER_PACER_H

#include <stdbool.h>
#include <stdint.h>

#include "provider/provider.h"

struct pacer;

struct pacer_config { /* per minute, of one rate class before the headers tell; 0 = unknown */
    int64_t requests, input_tokens, output_tokens;
    int64_t burst_us; /* how much of the limit may go at once: 1..5 s of it */
    int max_running;  /* calls at once, 0 = no bound */
};
struct pacer *pacer_new(const struct pacer_config *config);
void pacer_free(struct pacer *p);

struct pacer_need {
    const char *rate_class;
    int64_t input_tokens;      /* estimated prompt */
    int64_t output_tokens;     /* expected output */
    int64_t tokens_per_second; /* expected of the stream; 0 = learned average */
};

/* Takes all of the need, or nothing. Returns 0 and a ticket (> 0), or the time (microseconds,
 * loop clock) at which to ask again; INT64_MAX: not before the next pacer_ended(), or, when the
 * pool is parked, pacer_unpark(). Asking again earlier does no harm. */
int64_t pacer_admit(struct pacer *p, const struct pacer_need *need, int64_t now_us,
                    uint64_t *ret_ticket);
/* message_start told the prompt's real size. */
void pacer_started(struct pacer *p, uint64_t ticket, const struct usage *usage, int64_t now_us);
/* Now and then while text arrives; `tokens_so_far` is the caller's estimate. */
void pacer_output(struct pacer *p, uint64_t ticket, int64_t tokens_so_far, int64_t now_us);
/* Ends the ticket: corrects what was estimated, refunds what was not used, and obeys the end's
 * class (freeze a bucket until retry_after, slow start, fewer at once, park). `end` NULL: aborted
 * by us, or never sent. */
void pacer_ended(struct pacer *p, uint64_t ticket, const struct provider_end *end, int64_t now_us,
                 int64_t wall_us);
/* The headers of an answer, as soon as they are known (on_start). Older ones than the newest seen
 * are ignored. */
void pacer_report(struct pacer *p, const char *rate_class, const struct rate_report *rates,
                  int64_t now_us, int64_t wall_us);

/* One limit of a rate class, as it is for this process. */
struct pacer_limit {
    int64_t per_minute; /* 0 = unknown */
    int64_t share;      /* of it, that this process may use; -1 = all */
    int64_t used;       /* by this process in the last minute, about */
    int64_t remaining;  /* of the whole, as the newest headers told; -1 = not told */
};
struct pacer_view {
    const char *rate_class,
        *parked;              /* borrowed until the next call of the pacer; parked: or NULL */
    int running, max_running; /* calls; max 0 = no bound */
    int allowed;              /* after an overload; -1 = not cut */
    struct pacer_limit requests, input, output;
    int64_t told_us;               /* when the newest headers came, loop clock; 0 = never */
    int64_t calls[CALL_CLASS_MAX]; /* ended, by class, since the start */
};
/* Fills up to `max` views, one for each rate class that was asked for; returns how many. */
size_t pacer_look(struct pacer *p, struct pacer_view *views, size_t max, int64_t now_us);

/* Why a call has to wait, for people; "" when it would not. Borrowed until the next call. */
const char *pacer_why(struct pacer *p, const struct pacer_need *need, int64_t now_us);
/* Parked by the provider (spend limit, key refused): the reason, or NULL. pacer_unpark() lifts.
 * `rate_class` NULL parks or lifts all classes, also those not seen yet. */
const char *pacer_parked(const struct pacer *p, const char *rate_class);
void pacer_park(struct pacer *p, const char *rate_class, const char *reason);
void pacer_unpark(struct pacer *p, const char *rate_class);
/* The last calls of the class failed, all of them, before an answer began: the trouble is not one
 * call's. One is sent at a time, ever more seldom, until one is answered. */
bool pacer_is_failing(const struct pacer *p, const char *rate_class);

#endif
