/* In: what happens in an answer. Out: its bytes on the wire: the stream's events, or the whole
 * message. Pure. */
#ifndef PROVIDER_SIM_SIM_EVENTS_H
#define PROVIDER_SIM_SIM_EVENTS_H

#include "base/buf.h"
#include "provider/sim/sim_answer.h"

void events_put_message_start(struct buf *out, const char *id, const char *model,
                              int64_t input_tokens);
void events_put_block_start(struct buf *out, size_t index, bool thinking);
void events_put_delta(struct buf *out, size_t index, bool thinking, const char *text, size_t n);
void events_put_block_stop(struct buf *out, size_t index, bool thinking);
/* `stop_reason` and `stop_sequence` may be NULL. */
void events_put_message_delta(struct buf *out, const char *stop_reason, const char *stop_sequence,
                              int64_t input_tokens, int64_t output_tokens);
void events_put_message_stop(struct buf *out);
void events_put_ping(struct buf *out);
/* `body`: the error as JSON. */
void events_put_error(struct buf *out, const char *body);

/* The answer in one piece. */
void events_put_message(struct buf *out, const char *id, const char *model,
                        const struct sim_answer *a, int64_t input_tokens);

#endif
