/* In: a pipeline's files as texts. Out: the pipeline, or an error with file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "job/pipeline.h"

#define TEXT_MAX 4096

static struct pipeline_file file(const char *name, const char *text)
{
    return (struct pipeline_file){.name = name, .text = text, .len = strlen(text)};
}

static enum err parse(const char *yaml, const char *prompt, struct pipeline **ret,
                      struct errmsg *msg)
{
    struct pipeline_file files[] = {file("pipeline.yaml", yaml), file("p.md", prompt)};
    return pipeline_parse(files, 2, ret, msg);
}

#define SMALL                                                                                      \
    "name: small\n"                                                                                \
    "continuation: p.md\n"                                                                         \
    "steps:\n"                                                                                     \
    "  - {name: w, action: write, prompt: p.md}\n"                                                 \
    "  - {name: s, action: save}\n"

static char *fill(const struct template *t)
{
    struct buf out = BUF_INIT(TEXT_MAX);
    assert_int_equal(template_fill(t, NULL, &out), OK);
    return buf_take(&out);
}

static void reads_all_members(void **state)
{
    (void)state;
    const struct pipeline_file files[] = {
        file("pipeline.yaml", "name: all\n"
                              "words_per_minute: 150\n"
                              "research_tokens: 7000\n"
                              "continuation: go_on.md\n"
                              "quality: {on_fail: retry_step, min_score: 70, forbidden: [a b, c]}\n"
                              "steps:\n"
                              "  - name: o\n"
                              "    action: outline\n"
                              "    system: sys.md\n"
                              "    prompt: out.md\n"
                              "    repair: rep.md\n"
                              "    model: fast\n"
                              "    max_tokens: 1024\n"
                              "    max_tokens_per_chunk: 400\n"
                              "    max_tokens_cap: 8000\n"
                              "  - {name: w, action: write, prompt: out.md}\n"
                              "  - {name: c, action: check}\n"
                              "  - {name: e, action: expand, prompt: rep.md, max_tokens: 50}\n"
                              "  - {name: s, action: save}\n"),
        file("sys.md", "SYS"),
        file("out.md", "OUT"),
        file("rep.md", "REP"),
        file("go_on.md", "GO"),
    };
    struct pipeline *p = NULL;
    assert_int_equal(pipeline_parse(files, 5, &p, NULL), OK);
    assert_string_equal(p->name, "all");
    assert_int_equal(p->wpm, 150);
    assert_int_equal(p->research_tokens, 7000);
    assert_int_equal(p->on_fail, ON_FAIL_RETRY_STEP);
    assert_int_equal(p->min_score, 70);
    assert_int_equal(p->forbidden.n, 2);
    assert_string_equal(p->forbidden.items[0], "a b");
    assert_int_equal(p->n_steps, 5);
    const struct pipeline_step *o = &p->steps[0], *w = &p->steps[1];
    assert_string_equal(o->name, "o");
    assert_int_equal(o->action, ACTION_OUTLINE);
    assert_string_equal(o->model, "fast");
    assert_int_equal(o->max_tokens, 1024);
    assert_int_equal(o->max_tokens_per_chunk, 400);
    assert_int_equal(o->max_tokens_cap, 8000);
    const struct template *const templates[] = {o->system, o->prompt, o->repair, p->continuation};
    static const char *const texts[] = {"SYS", "OUT", "REP", "GO"};
    for (size_t i = 0; i < 4; i++) {
        char *text = fill(templates[i]);
        assert_string_equal(text, texts[i]);
        free(text);
    }
    assert_int_equal(w->action, ACTION_WRITE);
    assert_null(w->system);
    assert_null(w->repair);
    assert_null(w->model);
    assert_int_equal(w->max_tokens, 8192);
    assert_int_equal(w->max_tokens_per_chunk, 0);
    assert_null(p->steps[2].prompt);
    assert_int_equal(p->steps[3].max_tokens, 50);
    pipeline_free(p);
}

static void absent_members_have_defaults(void **state)
{
    (void)state;
    struct pipeline *p = NULL;
    assert_int_equal(parse(SMALL, "{{anything}}", &p, NULL), OK);
    assert_int_equal(p->wpm, 130);
    assert_int_equal(p->on_fail, ON_FAIL_DELIVER);
    assert_int_equal(p->min_score, 0);
    assert_int_equal(p->forbidden.n, 0);
    pipeline_free(p);
}

static void the_version_follows_names_and_contents_alone(void **state)
{
    (void)state;
    struct pipeline *p[5] = {NULL};
    struct pipeline_file files[] = {file("pipeline.yaml", SMALL), file("p.md", "one")};
    struct pipeline_file turned[] = {files[1], files[0]};
    struct pipeline_file more[] = {files[0], files[1], file("q.md", "")};
    assert_int_equal(pipeline_parse(files, 2, &p[0], NULL), OK);
    assert_int_equal(pipeline_parse(turned, 2, &p[1], NULL), OK);
    assert_int_equal(pipeline_parse(more, 3, &p[2], NULL), OK);
    assert_int_equal(parse(SMALL, "two", &p[3], NULL), OK);
    assert_int_equal(parse(SMALL "# note\n", "one", &p[4], NULL), OK);
    assert_int_equal(strlen(p[0]->version), 12);
    assert_int_equal(strspn(p[0]->version, "0123456789abcdef"), 12);
    assert_string_equal(p[0]->version, p[1]->version);
    for (size_t i = 2; i < 5; i++)
        assert_string_not_equal(p[0]->version, p[i]->version);
    for (size_t i = 0; i < 5; i++)
        pipeline_free(p[i]);
}

static void refuses_mistakes_with_file_and_line(void **state)
{
    (void)state;
    static const char head[] = "name: x\ncontinuation: p.md\n";
    static const struct {
        const char *yaml, *message;
    } rows[] = {
        {"nmae: x\n", "pipeline.yaml:3: unknown member 'nmae'"},
        {"steps:\n- {name: w, action: wirte, prompt: p.md}\n",
         "pipeline.yaml:4: 'action' wants one of outline, write, check, expand, save, not 'wirte'"},
        {"steps:\n- name: w\n  action: write\n  promt: p.md\n",
         "pipeline.yaml:6: unknown member 'promt'"},
        {"steps:\n- name: w\n  action: write\n  prompt: q.md\n",
         "pipeline.yaml:6: there is no prompt file 'q.md'"},
        {"steps:\n- {name: w, action: write}\n",
         "pipeline.yaml:4: 'prompt' is missing in a step with action 'write'"},
        {"steps:\n- {action: save}\n", "pipeline.yaml:4: 'name' is missing"},
        {"steps:\n- {name: s, action: save,\n   prompt: p.md}\n",
         "pipeline.yaml:5: a step with action 'save' takes no 'prompt'"},
        {"steps:\n- {name: w, action: write, prompt: p.md, repair: p.md}\n",
         "pipeline.yaml:4: a step with action 'write' takes no 'repair'"},
        {"steps:\n- {name: s, action: save}\n- {name: w, action: write, prompt: p.md}\n",
         "pipeline.yaml:5: action 'write' cannot come behind 'save'"},
        {"steps:\n- {name: s, action: save}\n- {name: t, action: save}\n",
         "pipeline.yaml:5: action 'save' cannot come behind 'save'"},
        {"steps:\n- {name: s, action: save}\n",
         "pipeline.yaml:3: there is no step with action 'write'"},
        {"steps: []\n", "pipeline.yaml:3: there is no step with action 'write'"},
        {"steps: none\n", "pipeline.yaml:3: a list is wanted for 'steps'"},
        {"", "pipeline.yaml:1: 'steps' is missing"},
        {"steps: []\nquality: {min_score: 101}\n",
         "pipeline.yaml:4: 'min_score' must be between 0 and 100, not '101'"},
        {"steps: []\nwords_per_minute: 0\n", "pipeline.yaml:4: 'words_per_minute' must be between"},
        {"steps: [\n", "pipeline.yaml:4: "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pipeline *p = NULL;
        struct errmsg msg = {""};
        char *yaml = mem_printf("%s%s", head, rows[i].yaml);
        assert_int_equal(parse(yaml, "x", &p, &msg), ERR_INVALID);
        assert_null(p);
        if (strncmp(msg.text, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("row %zu: %s", i, msg.text);
        free(yaml);
    }
}

static void a_bad_prompt_is_named_with_its_line(void **state)
{
    (void)state;
    struct pipeline *p = NULL;
    struct errmsg msg = {""};
    assert_int_equal(parse(SMALL, "one\n{{#two}}\n", &p, &msg), ERR_INVALID);
    assert_string_equal(msg.text, "p.md:2: this section is never closed: two");
}

static void the_main_file_must_be_there_and_files_small(void **state)
{
    (void)state;
    struct pipeline *p = NULL;
    struct errmsg msg = {""};
    struct pipeline_file prompt = file("p.md", "x");
    assert_int_equal(pipeline_parse(&prompt, 1, &p, &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "pipeline.yaml"));
    struct pipeline_file big[] = {file("pipeline.yaml", SMALL), {.name = "p.md"}};
    big[1].len = ((size_t)256 << 10) + 1;
    big[1].text = mem_alloc(big[1].len);
    assert_int_equal(pipeline_parse(big, 2, &p, &msg), ERR_TOO_BIG);
    assert_non_null(strstr(msg.text, "p.md"));
    free((char *)(uintptr_t)big[1].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_all_members),
        cmocka_unit_test(absent_members_have_defaults),
        cmocka_unit_test(the_version_follows_names_and_contents_alone),
        cmocka_unit_test(refuses_mistakes_with_file_and_line),
        cmocka_unit_test(a_bad_prompt_is_named_with_its_line),
        cmocka_unit_test(the_main_file_must_be_there_and_files_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
