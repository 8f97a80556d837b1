/* In: completed jobs, a forecast. Out: what scripts took lately, as a forecast's input; the
 * forecast as JSON. The same for the API and the command. */
#ifndef API_FORECAST_JSON_H
#define API_FORECAST_JSON_H

#include "base/buf.h"
#include "job/forecast.h"
#include "job/price.h"
#include "store/store.h"

#define FORECAST_JSON_MAX  ((size_t)64 * 1024)
#define FORECAST_LOOK_BACK 200 /* completed jobs, the newest; ... */
#define FORECAST_STEPS_OF  50  /* ... and of so many of them the steps */

/* The jobs whose steps are to be asked for next. */
struct forecast_look {
    struct store_follow items[FORECAST_STEPS_OF];
    size_t n;
};
/* `r`: store_list() of completed jobs. */
void forecast_learn(struct forecast_input *in, const struct store_result *r,
                    struct forecast_look *ret_look);
/* `r`: store_follow() of them: what their outlines, chunks ... took. */
void forecast_learn_steps(struct forecast_input *in, const struct store_result *r);
/* Where no cost was measured: what the usual model would cost for such a script. */
void forecast_put_price(struct forecast_input *in, const struct catalog *catalog, int64_t wall_us);
void forecast_put_json(struct buf *out, const struct forecast_input *in, const struct forecast *f);

#endif
