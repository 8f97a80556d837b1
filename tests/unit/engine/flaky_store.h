/* In: a store, and which of its verbs shall fail or wait. Out: a store that passes everything else
 * on untouched. */
#ifndef TESTS_FLAKY_STORE_H
#define TESTS_FLAKY_STORE_H

#include "store/store_driver.h"

struct verbs {
    bool has[VERB_MAX];
};
struct verbs verbs_of(const enum store_verb *verbs, size_t n);
#define VERBS(...)                                                                                 \
    verbs_of((const enum store_verb[]){__VA_ARGS__},                                               \
             sizeof((const enum store_verb[]){__VA_ARGS__}) / sizeof(enum store_verb))
extern const struct verbs no_verbs;

struct flaky_store {
    struct store base;
    struct store *inner;
    struct verbs fail; /* these fail with `error` */
    struct verbs hold; /* these wait until flaky_let_go() */
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
