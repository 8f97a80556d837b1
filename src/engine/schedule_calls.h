/* In: an engine and who calls for it. Out: what a struct schedule_config wants, so that each firing
 * is a call of the function. */
#ifndef ENGINE_SCHEDULE_CALLS_H
#define ENGINE_SCHEDULE_CALLS_H

#include "engine/schedule.h"
#include "store/store_schedules.h"

struct engine;
struct invoker;

struct schedule_calls { /* the ctx of both; borrows */
    struct engine *engine;
    struct invoker *invoker;
};
bool schedule_calls_worker(void *ctx, struct uuid *ret_worker);
void schedule_calls_make(void *ctx, const struct store_run *run, struct schedule_call *call);

#endif
