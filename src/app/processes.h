/* In: a number and a function. Out: so many processes that run it, replaced when they die, told to
 * end when this one is. */
#ifndef APP_PROCESSES_H
#define APP_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCESSES_MAX 256

struct processes_config {
    size_t n; /* 1..PROCESSES_MAX */
    /* In the child. Calls process_report() when it is ready and every second after that. `reload`:
     * there was a SIGHUP before it was started, which it has to make up for. */
    int (*run)(void *ctx, int report_fd, size_t number, bool reload);
    void *ctx;
    int64_t silence_us; /* a child that reports nothing for so long is replaced; 0 = 30 s */
};

/* In a child: run()'s exit code. In the parent, when all children have ended: 0 after a signal that
 * was obeyed, else the code of a child that never became ready. SIGTERM and SIGINT are passed on,
 * the second one ends everything at once; SIGHUP is passed on. To be called before there are
 * threads, or a loop. */
int processes_run(const struct processes_config *config);

void process_report(int report_fd, size_t number);

#endif
