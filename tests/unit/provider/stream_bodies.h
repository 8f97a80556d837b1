/* In: texts and counts. Out: the events of a streamed answer as string literals, for tests. */
#ifndef TESTS_STREAM_BODIES_H
#define TESTS_STREAM_BODIES_H

#define EVENT(type, data) "event: " type "\ndata: " data "\n\n"
#define START                                                                                      \
    EVENT("message_start",                                                                         \
          "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\","        \
          "\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":[],\"stop_reason\":null,"     \
          "\"usage\":{\"input_tokens\":25,\"cache_read_input_tokens\":100,"                        \
          "\"cache_creation_input_tokens\":7,\"output_tokens\":8}}}")
#define BLOCK(i, kind)                                                                             \
    EVENT("content_block_start", "{\"type\":\"content_block_start\",\"index\":" i                  \
                                 ",\"content_block\":{\"type\":\"" kind "\",\"text\":\"\"}}")
#define TEXT(i, t)                                                                                 \
    EVENT("content_block_delta", "{\"type\":\"content_block_delta\",\"index\":" i                  \
                                 ",\"delta\":{\"type\":\"text_delta\",\"text\":\"" t "\"}}")
#define THINK(i, t)                                                                                \
    EVENT("content_block_delta",                                                                   \
          "{\"type\":\"content_block_delta\",\"index\":" i                                         \
          ",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"" t "\"}}")
#define BLOCK_STOP(i)                                                                              \
    EVENT("content_block_stop", "{\"type\":\"content_block_stop\",\"index\":" i "}")
#define DELTA(stop, usage)                                                                         \
    EVENT("message_delta",                                                                         \
          "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":" stop "},\"usage\":" usage "}")
#define STOP     EVENT("message_stop", "{\"type\":\"message_stop\"}")
#define PING     EVENT("ping", "{\"type\":\"ping\"}")
#define END_TURN DELTA("\"end_turn\"", "{\"output_tokens\":15}")

#endif
