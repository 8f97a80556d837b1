/* In: the operating system's clocks. Out: the two times everything else is given as `now`. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define USEC_PER_SEC  ((int64_t)1000000)
#define USEC_PER_MSEC ((int64_t)1000)

int64_t clock_mono(void); /* microseconds, never goes back; for deadlines */
int64_t clock_boot(void); /* the same, and goes on while the machine sleeps */
int64_t clock_wall(void); /* microseconds since 1970 UTC; for what people and rows see */

#define CLOCK_ISO_SIZE 28 /* "2026-11-23T16:40:00.123456Z" and NUL */

/* Writes RFC 3339 in UTC with microseconds; `out` holds CLOCK_ISO_SIZE bytes. Returns `out`. */
char *clock_iso(int64_t wall_us, char *out);

#endif
