/* In: a verb's arguments. Out: an op with copies of them, on its way to the driver. What the files
 * of verbs (store.c, store_*.c) share; private to this folder. */
#ifndef STORE_STORE_OP_H
#define STORE_STORE_OP_H

#include "store/store_driver.h"

struct store_op *store_op_new(struct store *s, enum store_verb verb, store_fn fn, void *ctx);
void store_op_submit(struct store *s, struct store_op *op);
/* A verb that takes an id, or nothing (NULL). */
void store_op_submit_id(struct store *s, enum store_verb verb, const struct uuid *id, store_fn fn,
                        void *ctx);

/* Bounded copies in the op's arena. NULL stays NULL; what is larger fails the op. */
const char *store_op_copy(struct store_op *op, const char *text, size_t max, const char *what);
const char *store_op_copy_text(struct store_op *op, const char *text, const char *what);
/* Room for n items; an impossible n fails the op and leaves it without items. */
void *store_op_copy_items(struct store_op *op, const void *from, size_t n, size_t size);
void store_op_need(struct store_op *op, bool condition, const char *message);

#endif
