/* In: what each request asked for and what was really produced. Out: the truth that our own ledger
 * is tested against. */
#ifndef PROVIDER_SIM_SIM_TRUTH_H
#define PROVIDER_SIM_SIM_TRUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define TRUTH_ENTRIES_MAX 1000000 /* then the oldest are forgotten */
#define TRUTH_CALL_SIZE   64

struct truth_entry {
    uint64_t n;                   /* 1, 2, ... in order of arrival */
    char call[TRUTH_CALL_SIZE];   /* the client's correlation id, "" when it sent none */
    const char *model;            /* static or the catalogue's; NULL when it was not understood */
    const char *stop_reason;      /* static; NULL when the message did not end */
    const char *fault;            /* static; NULL when none was ordered */
    int status;                   /* 0 = none was sent */
    int64_t input_tokens;         /* of the prompt */
    int64_t generated, delivered; /* output tokens: made; taken by the client's socket */
    int64_t started_us, ended_us; /* wall; ended_us 0 = running */
    bool stream;
    bool billed;    /* an answer was begun: input and generated tokens are charged */
    bool completed; /* a whole message was delivered */
    bool aborted;   /* the client went away first */
};

struct truth;
struct truth *truth_new(void);
void truth_free(struct truth *t);  /* takes NULL */
void truth_reset(struct truth *t); /* forgets all; numbers go on */

/* A new running entry; pointers are good until the next call of truth_begin(). */
struct truth_entry *truth_begin(struct truth *t, int64_t wall_us);
struct truth_entry *truth_find(struct truth *t, uint64_t n); /* NULL when forgotten */

/* Entries behind number `after`, at most `limit`, as one JSON array or one object a line. The id
 * that the answer to request n carried is made of `seed` and n. */
void truth_put(struct truth *t, uint64_t after, uint64_t limit, bool lines, uint64_t seed,
               struct buf *out);

#define TRUTH_ID_SIZE 40
/* "req_..." for request n; `prefix` "req" or "msg"; returns `out` (TRUTH_ID_SIZE bytes). */
char *truth_id(const char *prefix, uint64_t seed, uint64_t n, char *out);

struct truth_sums {
    uint64_t requests, completed, aborted, refused, running;
    int64_t input_tokens, output_tokens; /* billed */
};
struct truth_sums truth_sum(const struct truth *t); /* over what is remembered */

#endif
