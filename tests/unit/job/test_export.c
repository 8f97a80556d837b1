/* In: a script. Out: its other forms, written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "job/export.h"

static const char script[] = "# Salt\n"
                             "\n"
                             "### Hook (00:00)\n"
                             "**Salt** is *old*. [close-up of a crystal]\n"
                             "\n"
                             "---\n"
                             "### The road (01:30)\n"
                             "It costs 2 * 3 coins.\n"
                             "## Description\n"
                             "A \"short\" film.\n"
                             "## Tags\n"
                             "salt, sea, trade\n";

static void text_has_no_marks_but_all_the_words(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    export_text(script, strlen(script), &out);
    assert_string_equal(buf_str(&out), "Salt\n"
                                       "\n"
                                       "Hook (00:00)\n"
                                       "Salt is old. [close-up of a crystal]\n"
                                       "\n"
                                       "The road (01:30)\n"
                                       "It costs 2 * 3 coins.\n"
                                       "Description\n"
                                       "A \"short\" film.\n"
                                       "Tags\n"
                                       "salt, sea, trade\n");
    buf_free(&out);
}

/* Spoken words: "Salt is old." and "It costs 2 * 3 coins." without the bare mark. */
static void json_has_sections_with_times_and_the_rest_by_name(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    export_json(script, strlen(script), &out);
    assert_string_equal(
        buf_str(&out),
        "{\"sections\":[{\"level\":1,\"title\":\"Salt\",\"at_seconds\":null,\"text\":\"\"},"
        "{\"level\":3,\"title\":\"Hook\",\"at_seconds\":0,\"text\":\"**Salt** is *old*. "
        "[close-up of a crystal]\\n\\n---\"},"
        "{\"level\":3,\"title\":\"The road\",\"at_seconds\":90,\"text\":\"It costs 2 * 3 "
        "coins.\"}],"
        "\"description\":\"A \\\"short\\\" film.\",\"tags\":[\"salt\",\"sea\",\"trade\"],"
        "\"words\":8}");
    buf_free(&out);
}

static void a_script_without_headings_is_one_section(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    export_json("Just words.", 11, &out);
    assert_string_equal(buf_str(&out),
                        "{\"sections\":[{\"level\":0,\"title\":null,\"at_seconds\":null,"
                        "\"text\":\"Just words.\"}],\"description\":null,\"tags\":[],\"words\":2}");
    buf_clear(&out);
    export_json("", 0, &out);
    assert_string_equal(buf_str(&out),
                        "{\"sections\":[],\"description\":null,\"tags\":[],\"words\":0}");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_has_no_marks_but_all_the_words),
        cmocka_unit_test(json_has_sections_with_times_and_the_rest_by_name),
        cmocka_unit_test(a_script_without_headings_is_one_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
