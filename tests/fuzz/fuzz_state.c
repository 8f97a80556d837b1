/* In: bytes as events on one job, five a piece. Out: an abort when the state machine breaks one of
 * its rules (tests/unit/job/state_world.c). */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "state_world.h"

#define MOVE_BYTES 5
#define TICK_US    100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    struct world w;
    world_init(&w, data[0] % 8);
    for (size_t i = 1; i + MOVE_BYTES <= n; i += MOVE_BYTES) {
        const struct world_move move = {
            .event = (enum job_event)(data[i] % EVENT_MAX),
            .attempt = data[i + 1],
            .pass_us = (int64_t)data[i + 2] * TICK_US,
            .delay_us = (int64_t)data[i + 3] * TICK_US,
            .fence_step = 1 + data[i + 4],
            .in_call = data[i + 1] >= 128,
        };
        const char *broken = world_play(&w, &move);
        if (broken != NULL) {
            (void)fprintf(stderr, "%s, byte %zu: %s\n", job_event_name(move.event), i, broken);
            abort();
        }
    }
    return 0;
}
