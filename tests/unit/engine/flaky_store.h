/* In: a store, and which of its verbs shall fail or wait. Out: a store that passes everything else
 * on untouched. */
#ifndef TESTS_FLAKY_STORE_H
#define TESTS_FLAKY_STORE_H

#include "store/store_driver.h"

struct flaky_store {
    struct store base;
    struct store *inner;
    uint64_t fail; /* bits 1 << VERB_X: these fail with `error` */
    uint64_t hold; /* these wait until flaky_let_go() */
    enum err error;
    int failures, held; /* so far; waiting now */
    int asked[VERB_MAX];
    struct store_op *waiting, *failed;
    struct loop_task task;
};

/* Takes inner. Free with store_free(&ret->base). */
struct flaky_store *flaky_store_new(struct loop *loop, struct store *inner);
/* Nothing is held any longer; what waited is done now, in its order. */
void flaky_let_go(struct flaky_store *f);
/* The same, but what waited fails. */
void flaky_fail_held(struct flaky_store *f);

#endif
