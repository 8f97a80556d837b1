/* In: what is known of a script's steps, how many tokens the whole takes. Out: its model calls.
 * Private to the forecast. */
#ifndef JOB_FORECAST_STEPS_H
#define JOB_FORECAST_STEPS_H

#include "job/forecast.h"

/* Fills the steps and calls of `f`, and given_us where the steps' times were given. The tokens are
 * those of a whole script; steps of which they were seen have their part of them, others by their
 * time. */
void forecast_put_calls(const struct forecast_input *in, double input_tokens, double output_tokens,
                        struct forecast *f);

#endif
