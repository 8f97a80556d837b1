/* In: what this process would use of the provider's limits. Out: parameters of the SQL function,
 * and its part. */
#include "store/pg/pg_verbs.h"

void pg_budget_put(struct pg_params *p, struct pg_task *t)
{
    pg_put_uuid(p, &t->op->in.budget.worker);
    PG_EACH(p, t, PG_TEXT, budget.asks, pg_array_text(p, item->rate_class));
    for (int i = 0; i < STORE_LIMITS; i++)
        PG_EACH(p, t, PG_LONG, budget.asks, pg_array_long(p, item->wanted[i]));
    PG_EACH(p, t, PG_LONG, budget.asks, pg_array_long(p, item->committed));
    for (int i = 0; i < STORE_LIMITS; i++)
        PG_EACH(p, t, PG_LONG, budget.asks, pg_array_long(p, item->limit[i]));
    PG_EACH(p, t, PG_LONG, budget.asks, pg_array_long(p, item->told_us));
    for (int i = 0; i < STORE_LIMITS; i++)
        PG_EACH(p, t, PG_LONG, budget.asks, pg_array_long(p, item->frozen_us[i]));
    PG_EACH(p, t, PG_LONG, budget.asks, pg_array_long(p, item->cut_us));
}

bool pg_budget_take(struct pg_task *t, struct pg_reader *r)
{
    size_t n = (size_t)pg_reader_rows(r);
    struct store_budget *budgets = arena_array(r->arena, n, sizeof *budgets);
    for (size_t i = 0; i < n; i++) {
        struct store_budget *b = &budgets[i];
        pg_reader_row(r, (int)i);
        for (int k = 0; k < STORE_LIMITS; k++)
            b->part[k] = pg_get_int(r);
        for (int k = 0; k < STORE_LIMITS; k++)
            b->limit[k] = pg_get_int(r);
        for (int k = 0; k < STORE_LIMITS; k++)
            b->frozen_us[k] = pg_get_int(r);
        b->cut_us = pg_get_int(r);
    }
    if (n != t->op->n && r->err == OK)
        r->err = ERR_PROTOCOL;
    t->op->result.budgets = budgets;
    t->op->result.n = n;
    return false;
}
