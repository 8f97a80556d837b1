/* In: a board. Out: what the work took and cost, as a table for people or JSON for programs. */
#ifndef APP_SUMMARY_H
#define APP_SUMMARY_H

#include <stdbool.h>

#include "app/board.h"
#include "base/buf.h"

struct summary {
    const struct board *board;
    int64_t elapsed_us;
    const char *provider; /* its name, or "simulated" */
    bool stopped;         /* by a signal, before all was done */
};

void summary_put_table(struct buf *out, const struct summary *s);
void summary_put_json(struct buf *out, const struct summary *s);

#define SUMMARY_MAX ((size_t)64 << 20)

#endif
