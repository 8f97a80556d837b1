/* In: ids of events, ours and others. Out: whether they are read as what they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "api/event_id.h"

static void an_id_is_read_back(void **state)
{
    struct event_id id = {.run = 3,
                          .steps = 12,
                          .chain = UINT64_MAX,
                          .step = "chunk_2.again+1",
                          .offset = 4711,
                          .text = 0x0123456789abcdef,
                          .row = UINT32_MAX,
                          .done = true},
                    back = {0};
    char text[EVENT_ID_SIZE];
    (void)state;
    assert_string_equal(event_id_text(&id, text),
                        "3:12:ffffffffffffffff:chunk_2.again+1:4711:123456789abcdef:ffffffff:1");
    assert_int_equal(event_id_parse(text, &back), OK);
    assert_int_equal(back.run, 3);
    assert_int_equal(back.steps, 12);
    assert_true(back.chain == id.chain && back.text == id.text && back.row == id.row);
    assert_string_equal(back.step, id.step);
    assert_int_equal(back.offset, 4711);
    assert_true(back.done);
}

static void an_id_without_text_has_no_step(void **state)
{
    struct event_id id;
    (void)state;
    assert_int_equal(event_id_parse("1:0:cbf29ce484222325::0:cbf29ce484222325:0:0", &id), OK);
    assert_string_equal(id.step, "");
    assert_int_equal(id.offset, 0);
    assert_true(id.chain == EVENT_HASH_NONE);
    assert_false(id.done);
}

static void what_is_no_id_is_refused_and_changes_nothing(void **state)
{
    static const char *const wrong[] = {
        "",
        "17",
        "1:2:3:4",
        "1:2:3:s:5:6:7",
        "1:2:3:s:5:6:7:8",  /* done is 0 or 1 */
        "1:2:3:s:5:6:7:1:", /* more behind it */
        "1:2:3:s:5:6:7:1:9",
        "-1:2:3:s:5:6:7:1",
        " 1:2:3:s:5:6:7:1",
        "1:2:g:s:5:6:7:1",
        "1:2:3:s:5:6:100000000:1",         /* the row's has 32 bits */
        "1:2:10000000000000000:s:5:6:7:1", /* 65 bits */
        "2147483648:2:3:s:5:6:7:1",
        "1:2:3:s s:5:6:7:1",
        "1:2:3:s\n:5:6:7:1",
        "1::3:s:5:6:7:1",
        "1:2:3:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:5:6:7:1", /* 48 bytes of step */
    };
    struct event_id id = {.run = 42};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(event_id_parse(wrong[i], &id), ERR_INVALID);
    assert_int_equal(id.run, 42);
}

static void the_hash_goes_on_where_it_was(void **state)
{
    (void)state;
    /* FNV-1a, 64 bits: of "a" af63dc4c8601ec8c, of "foobar" 85944171f73967e8. */
    assert_true(event_hash(EVENT_HASH_NONE, "a", 1) == 0xaf63dc4c8601ec8cULL);
    uint64_t half = event_hash(EVENT_HASH_NONE, "foo", 3);
    assert_true(event_hash(half, "bar", 3) == 0x85944171f73967e8ULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_read_back),
        cmocka_unit_test(an_id_without_text_has_no_step),
        cmocka_unit_test(what_is_no_id_is_refused_and_changes_nothing),
        cmocka_unit_test(the_hash_goes_on_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
