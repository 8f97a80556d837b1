/* In: nothing. Out: what a pacer is made of, for pacer.c (calls) and share.c (other processes). */
#ifndef PROVIDER_PACER_IMPL_H
#define PROVIDER_PACER_IMPL_H

#include "provider/breaker.h"
#include "provider/bucket.h"
#include "provider/concurrency.h"
#include "provider/output_meter.h"
#include "provider/share.h"

/* What is agreed with other processes, and what they are to know. Loop clock. */
struct pace_share {
    bool agreed; /* part holds; else nothing may start before it is asked for */
    bool lacks;  /* a call waits for want of a part */
    int64_t part[PACE_LIMIT_MAX];
    int64_t asked_us; /* when part was asked for */
    int64_t counted_us, used_us;
    int64_t used_requests, used_input; /* since counted_us */
    int64_t waiting_requests, waiting_input, waiting_streams;
    int64_t told_us;                         /* the provider told us its limits; 0 = never */
    int64_t frozen_until_us[PACE_LIMIT_MAX]; /* by what we were refused ourselves */
    int64_t cut_us;                          /* we saw an overload ourselves; 0 = never */
    int64_t obeyed_cut_us;                   /* the last one seen by anybody */
};

/* What was used in this minute of the clock and in the one before. */
struct pace_minute {
    int64_t minute, now, before;
};

struct pace_class {
    struct pace_class *next;
    char *name, *parked;
    struct bucket requests, input;
    struct output_meter output;
    struct concurrency concurrency;
    struct breaker breaker;
    int running;
    bool answered; /* the provider has answered a call: what it tells of its limits is known */
    int64_t silent_calls, silent_input; /* running, and message_start has not come yet */
    int64_t reported_us;                /* when the newest headers came */
    struct rate_report told;            /* by the newest that told a limit */
    struct pace_minute used_requests, used_input, used_output;
    int64_t ended[CALL_CLASS_MAX];
    struct pace_share share;
};

struct ticket {
    struct pace_class *class; /* NULL = free */
    uint32_t generation, next_free;
    bool started;
    int64_t input; /* as debited so far */
    int64_t made;  /* output tokens, as counted so far */
    struct output_stream output;
};

struct pacer {
    struct pacer_config config;
    bool shared;
    struct pace_class *classes;
    struct ticket *tickets;
    uint32_t n_tickets, free_ticket; /* index + 1; 0 = none */
    char *parked;
    char why[256];
};

/* pacer_look.c */
void pace_minute_add(struct pace_minute *m, int64_t n, int64_t now_us);
struct pace_class *pacer_class(struct pacer *p, const char *name, int64_t now_us);

#endif
