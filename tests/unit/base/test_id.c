/* In: id.c. Out: the bits of RFC 9562, order, and a strict reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/id.h"

static void new_ids_carry_the_time_the_version_and_the_variant(void **state)
{
    (void)state;
    /* RFC 9562, appendix A.6: 2022-02-22T19:22:22Z is 0x017F22E279B0 milliseconds. */
    struct uuid id = uuid_new(INT64_C(1645557742000000));
    char text[UUID_TEXT_SIZE];
    (void)uuid_text(&id, text);
    assert_int_equal(strlen(text), 36);
    assert_int_equal(strncmp(text, "017f22e2-79b0-7", 15), 0);
    assert_non_null(strchr("89ab", text[19]));
}

static void ids_of_one_millisecond_and_of_a_clock_set_back_stay_in_order(void **state)
{
    (void)state;
    struct uuid last = uuid_new(INT64_C(1700000000000000));
    for (int i = 0; i < 20000; i++) {
        struct uuid next = uuid_new(INT64_C(1700000000000000) - (i % 3) * 5000000);
        assert_true(memcmp(last.bytes, next.bytes, sizeof(last.bytes)) < 0);
        last = next;
    }
}

static void text_is_read_back_in_either_case(void **state)
{
    (void)state;
    static const char text[] = "00112233-4455-6677-8899-aabbccddeeff";
    static const char upper[] = "00112233-4455-6677-8899-AABBCCDDEEFF";
    struct uuid a, b;
    char out[UUID_TEXT_SIZE];
    assert_int_equal(uuid_parse(text, 36, &a), OK);
    assert_int_equal(uuid_parse(upper, 36, &b), OK);
    assert_true(uuid_equal(&a, &b));
    assert_int_equal(a.bytes[0], 0x00);
    assert_int_equal(a.bytes[15], 0xff);
    assert_string_equal(uuid_text(&b, out), text);
    assert_false(uuid_is_nil(&a));
    assert_int_equal(uuid_parse("00000000-0000-0000-0000-000000000000", 36, &a), OK);
    assert_true(uuid_is_nil(&a));
}

static void anything_else_is_refused_and_leaves_the_output_alone(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeefff",
        "{0112233-4455-6677-8899-aabbccddeef}",
        "00112233-4455-6677-8899-aabbccddeefg",
        "001122334455-6677-8899-aabbccddeeff-",
        "00112233 4455 6677 8899 aabbccddeeff",
        " 0112233-4455-6677-8899-aabbccddeeff",
        "0011223--4455-6677-8899-aabbccddeeff",
    };
    struct uuid id = {{7}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(uuid_parse(bad[i], strlen(bad[i]), &id), ERR_INVALID);
    assert_int_equal(uuid_parse(NULL, 36, &id), ERR_INVALID);
    assert_int_equal(id.bytes[0], 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_ids_carry_the_time_the_version_and_the_variant),
        cmocka_unit_test(ids_of_one_millisecond_and_of_a_clock_set_back_stay_in_order),
        cmocka_unit_test(text_is_read_back_in_either_case),
        cmocka_unit_test(anything_else_is_refused_and_leaves_the_output_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
