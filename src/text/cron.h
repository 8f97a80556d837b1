/* In: a schedule as cron writes it. Out: the times at which it fires. Pure, but for the time zones
 * that the system knows. The one home of GLib.
 *
 *   minute hour day month weekday   numbers, names (jan, mon), lists, ranges, steps (a-b/n, *\/n);
 *                                   7 is Sunday too; `$` alone as the day: the last of the month
 *   @yearly @annually @monthly @weekly @daily @midnight @hourly @reboot
 *   N seconds                       1 to 59
 *   CRON_TZ=Area/City before it     whose wall clock is meant; UTC without it
 *
 * Day and weekday: one of them is enough, unless one begins with `*`: then both must be right.
 *
 * When clocks change: a schedule whose hour begins with `*` follows the time that passes, so it
 * fires in both hours of a repeated one and not in one that is left out. Every other schedule fires
 * at the first of two equal times only, and what it would fire in a gap it fires once, at its end.
 */
#ifndef TEXT_CRON_H
#define TEXT_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CRON_TEXT_MAX 200 /* bytes */

struct cron;

/* ERR_INVALID: msg names the place and what may stand there; also when it can never fire, as on 30
 * February. */
enum err cron_parse(const char *text, struct cron **ret_cron, struct errmsg *msg) MUST_CHECK;
void cron_free(struct cron *c); /* takes NULL */
/* The first firing after that wall time, in microseconds; 0 = never again (@reboot). Of `N seconds`
 * that is N seconds later. From 1970 to 2200. */
int64_t cron_next(const struct cron *c, int64_t after_us);
bool cron_is_reboot(const struct cron *c);
int64_t cron_interval_us(const struct cron *c); /* of `N seconds`; else 0 */

#endif
