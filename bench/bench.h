/* In: a benchmark's arguments. Out: its figures, as lines for people or as JSON. What `scriptorium
 * bench` runs; `make bench` builds the same as programs of their own. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>

struct bench_out {
    bool json;
    size_t n; /* figures so far */
};
void bench_begin(struct bench_out *out, const char *name, const char *conditions);
void bench_figure(struct bench_out *out, const char *what, double value, const char *unit);
/* With what it is to be, and ok or MISSED beside it. */
void bench_at_most(struct bench_out *out, const char *what, double value, const char *unit,
                   double aim);
void bench_at_least(struct bench_out *out, const char *what, double value, const char *unit,
                    double aim);
void bench_end(struct bench_out *out);

/* argv[at] as a whole number, or the fallback when there are fewer; -1 when it is none in 0..most.
 */
long bench_number(int argc, char **argv, int at, long fallback, long most);

/* 0; 1: the work failed; 2: wrong arguments, said in one line. argv[0] is the first argument. */
int bench_streams(struct bench_out *out, int argc, char **argv);
int bench_store(struct bench_out *out, int argc, char **argv);

#endif
