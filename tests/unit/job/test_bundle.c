/* In: a pipeline's files. Out: one text to store them as, and the same pipeline back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "job/bundle.h"

#define YAML                                                                                       \
    "name: small\ncontinuation: p.md\nsteps:\n  - {name: w, action: write, prompt: p.md}\n"        \
    "  - {name: s, action: save}\n"

static struct pipeline_file file(const char *name, const char *text)
{
    return (struct pipeline_file){.name = name, .text = text, .len = strlen(text)};
}

static void what_is_stored_is_the_same_pipeline(void **state)
{
    (void)state;
    struct pipeline_file files[] = {file("pipeline.yaml", YAML),
                                    file("p.md", "\"T\u00e9\" {{topic}}\n")};
    struct pipeline *before = NULL, *after = NULL;
    char *text = NULL;
    assert_int_equal(pipeline_parse(files, 2, &before, NULL), OK);
    assert_int_equal(bundle_write(files, 2, &text, NULL), OK);
    assert_int_equal(bundle_parse(text, strlen(text), &after, NULL), OK);
    assert_string_equal(after->hash, before->hash);
    assert_int_equal(strlen(after->hash), 64);
    assert_memory_equal(after->hash, after->version, strlen(after->version));
    assert_string_equal(after->name, "small");
    assert_int_equal(after->deployment, -1);
    pipeline_free(before);
    pipeline_free(after);
    free(text);
}

static enum err parse(const char *text, struct errmsg *msg)
{
    struct pipeline *p = NULL;
    enum err e = bundle_parse(text, strlen(text), &p, msg);
    pipeline_free(p);
    return e;
}

static void a_form_of_the_future_is_refused_as_newer(void **state)
{
    (void)state;
    struct errmsg msg = {""};
    assert_int_equal(parse("{\"format\":2,\"files\":{}}", &msg), ERR_NEWER);
    assert_non_null(strstr(msg.text, "newer program"));
}

static void what_is_no_bundle_is_refused(void **state)
{
    (void)state;
    struct errmsg msg = {""};
    assert_int_equal(parse("", &msg), ERR_INVALID);
    assert_int_equal(parse("[]", &msg), ERR_INVALID);
    assert_int_equal(parse("{\"files\":{}}", &msg), ERR_INVALID);
    assert_int_equal(parse("{\"format\":1,\"files\":[]}", &msg), ERR_INVALID);
    assert_int_equal(parse("{\"format\":1,\"files\":{\"p.md\":1}}", &msg), ERR_INVALID);
    assert_int_equal(parse("{\"format\":1,\"files\":{\"p.md\":\"x\"}}", &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "pipeline.yaml"));
}

/* A member that only a later program knows: file and line, and what it is. */
static void an_unknown_feature_is_named(void **state)
{
    (void)state;
    struct errmsg msg = {""};
    assert_int_equal(
        parse("{\"format\":1,\"files\":{\"pipeline.yaml\":\"name: a\\nwarp: 9\\n\"}}", &msg),
        ERR_INVALID);
    assert_non_null(strstr(msg.text, "pipeline.yaml:2:"));
    assert_non_null(strstr(msg.text, "warp"));
}

static enum err check(const char *name, const char *text, size_t n, struct errmsg *msg)
{
    struct pipeline_file one = {.name = name, .text = text, .len = n};
    return bundle_check(&one, 1, msg);
}

static void names_stay_in_the_folder_and_files_are_text(void **state)
{
    (void)state;
    struct errmsg msg = {""};
    assert_int_equal(check("a b.md", "x", 1, &msg), OK);
    assert_int_equal(check("../p.md", "x", 1, &msg), ERR_INVALID);
    assert_int_equal(check("a/b.md", "x", 1, &msg), ERR_INVALID);
    assert_int_equal(check(".hidden", "x", 1, &msg), ERR_INVALID);
    assert_int_equal(check("", "x", 1, &msg), ERR_INVALID);
    assert_int_equal(check("a\nb", "x", 1, &msg), ERR_INVALID);
    assert_int_equal(check("p.md", "a\nb\n\0c", 6, &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "p.md:3:"));
    assert_int_equal(check("p.md", "a\n\xff", 3, &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "p.md:2:"));
}

static void there_are_limits(void **state)
{
    (void)state;
    struct errmsg msg = {""};
    char *large = mem_alloc(BUNDLE_SIZE_MAX + 1);
    memset(large, 'x', BUNDLE_SIZE_MAX + 1);
    assert_int_equal(check("p.md", large, BUNDLE_SIZE_MAX, &msg), OK);
    assert_int_equal(check("p.md", large, BUNDLE_SIZE_MAX + 1, &msg), ERR_TOO_BIG);
    free(large);
    struct pipeline_file many[BUNDLE_FILES_MAX + 1];
    for (size_t i = 0; i <= BUNDLE_FILES_MAX; i++)
        many[i] = file("p.md", "x");
    assert_int_equal(bundle_check(many, BUNDLE_FILES_MAX, &msg), OK);
    assert_int_equal(bundle_check(many, BUNDLE_FILES_MAX + 1, &msg), ERR_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_stored_is_the_same_pipeline),
        cmocka_unit_test(a_form_of_the_future_is_refused_as_newer),
        cmocka_unit_test(what_is_no_bundle_is_refused),
        cmocka_unit_test(an_unknown_feature_is_named),
        cmocka_unit_test(names_stay_in_the_folder_and_files_are_text),
        cmocka_unit_test(there_are_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
