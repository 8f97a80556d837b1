/* In: an open store. Out: who works on it and when its jobs will start and finish, as far as one
 * can know who is none of its workers. */
#ifndef APP_OUTLOOK_H
#define APP_OUTLOOK_H

#include "api/figures.h"
#include "app/context.h"

struct outlook {
    int64_t now_us;  /* wall */
    int64_t running; /* jobs in work */
    size_t workers;  /* processes that are alive */
    bool paused;
    bool called;  /* by our own settings workers take jobs only when they are called */
    size_t slots; /* jobs at once, of all together; 0 = by call */
    struct figures figures;
};

/* EXIT_DONE, or EXIT_WORK_FAILED after one line. */
int outlook_read(struct context *c, struct outlook *ret_outlook);
struct estimate outlook_of(const struct outlook *o, const struct store_job *job);

#endif
