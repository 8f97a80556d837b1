/* In: an invocation. Out: a loop and an open store, and the store's answers one after the other. */
#ifndef APP_CONTEXT_H
#define APP_CONTEXT_H

#include <stdbool.h>

#include "app/command.h"
#include "io/loop.h"
#include "store/store.h"

struct context {
    struct invocation *inv;
    struct loop *loop;
    struct store *store;
    bool shared; /* other engines may work on the same store */
};

enum {
    CONTEXT_ENGINE = 1, /* holds the store's lock as its one engine */
    CONTEXT_CREATE = 2, /* makes the file when there is none */
};

/* EXIT_DONE, or another exit code after one line on standard error. */
int context_open(struct context *c, struct invocation *inv, unsigned flags);
/* In two steps, for who goes on without a store: a loop, where the URL can be read, ... */
int context_begin(struct context *c, struct invocation *inv);
/* ... and the store. Close it either way. */
enum err context_connect(struct context *c, unsigned flags, struct errmsg *msg) MUST_CHECK;
/* False only for an SQLite file that nobody named and that is not there. */
bool context_has_store(const struct invocation *inv);
void context_close(struct context *c); /* takes one that was not opened */

/* An answer that a command waits for: give `answer_take` and the struct to a verb of store.h. */
struct answer {
    struct loop *loop;
    void (*take)(void *ctx, const struct store_result *r); /* when it succeeded; may be NULL */
    void *ctx;
    bool done;
    enum err err;
    int64_t count;
    struct errmsg msg;
};
struct answer answer_new(struct context *c, void (*take)(void *ctx, const struct store_result *r),
                         void *ctx);
void answer_take(void *answer, const struct store_result *r);
/* Runs the loop until it is there; says nothing. */
enum err answer_await(struct answer *a);
/* The same; EXIT_DONE, or EXIT_WORK_FAILED after one line on standard error. */
int answer_wait(struct context *c, struct answer *a);

/* An argument or option that is a job's or user's id. EXIT_USAGE after one line. */
int context_uuid(const struct invocation *inv, const char *what, const char *text,
                 struct uuid *ret_id);

#endif
