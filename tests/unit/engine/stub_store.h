/* In: what a test answers to each verb. Out: a store that gives these answers, at the end of the
 * turn, and counts what it was asked. */
#ifndef TESTS_STUB_STORE_H
#define TESTS_STUB_STORE_H

#include "store/store_driver.h"

struct stub_store {
    struct store base;
    void (*answer)(struct stub_store *s, struct store_op *op); /* fills op->result */
    void *ctx;
    int asked[VERB_MAX];
    struct store_op *waiting;
    struct loop_task task;
};

struct stub_store *stub_store_new(struct loop *loop,
                                  void (*answer)(struct stub_store *s, struct store_op *op),
                                  void *ctx);
void stub_store_free(struct stub_store *s);

#endif
