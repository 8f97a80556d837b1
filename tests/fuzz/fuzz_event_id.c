/* In: bytes as a Last-Event-ID. Out: a crash if reading them is not safe, or an id that is not read
 * back as it was written. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/event_id.h"
#include "api/told.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_told(const char *text)
{
    struct told told = {0}, back = {0};
    char again[TOLD_ID_SIZE];
    struct told_point from;
    int64_t now = 1700000000000000;
    if (told_parse(&told, text, now, &from) == OK) {
        assert(from.us > 0 && from.us <= now);
        assert(strlen(told_id(&told, &from, again)) < TOLD_ID_SIZE - 1);
        assert(told_parse(&back, again, now, &from) == OK && back.n == told.n);
    }
    told_free(&told);
    told_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size), again[EVENT_ID_SIZE];
    struct event_id id, back;
    if (event_id_parse(text, &id) == OK) {
        event_id_text(&id, again);
        assert(strlen(again) < EVENT_ID_SIZE - 1);
        assert(event_id_parse(again, &back) == OK);
        assert(back.run == id.run && back.steps == id.steps && back.chain == id.chain);
        assert(strcmp(back.step, id.step) == 0 && back.offset == id.offset);
        assert(back.text == id.text && back.row == id.row && back.done == id.done);
    }
    read_told(text);
    free(text);
    return 0;
}
