/* In: what the one process of an embedded store would use of the provider's limits. Out: all of it.
 */
#include "store/sqlite/sqlite.h"

enum err sqlite_budget(struct sqlite_store *s, struct store_op *op)
{
    (void)s;
    struct store_budget *budgets = arena_array(&op->arena, op->n, sizeof *budgets);
    for (size_t i = 0; i < op->n; i++) {
        const struct store_budget_ask *ask = &op->in.budget.asks[i];
        budgets[i].cut_us = ask->cut_us;
        for (int k = 0; k < STORE_LIMITS; k++) {
            budgets[i].part[k] = -1;
            budgets[i].limit[k] = ask->limit[k];
            budgets[i].frozen_us[k] = ask->frozen_us[k];
        }
    }
    op->result.budgets = budgets;
    op->result.n = op->n;
    return OK;
}
