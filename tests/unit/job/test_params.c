/* In: requests in every shape that forms have written. Out: the canonical object, or an error that
 * names the member. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "job/params.h"

static const struct params_limits limits = {.duration_default_s = 600, .duration_max_s = 14400};

/* What every request without further members becomes; rows tell the rest. */
#define DEFAULTS                                                                                   \
    "{\"topic\":\"T\",\"type\":\"full\",\"platform\":\"youtube\",\"mode\":\"live\","               \
    "\"targetDuration\":600,\"variants\":1}"

static json_t *json_of(const char *text)
{
    json_t *json = NULL;
    struct errmsg msg = {""};
    if (json_parse(text, strlen(text), PARAMS_SIZE_MAX, &json, &msg) != OK)
        fail_msg("%s: %s", text, msg.text);
    return json;
}

static void check_all(const char *raw, const json_t *overlay, const char *expected_text)
{
    struct params p;
    struct errmsg msg = {""};
    json_t *expected = json_of(expected_text), *defaults = json_of(DEFAULTS);
    json_object_update_missing(expected, defaults);
    if (params_normalise(raw, strlen(raw), overlay, &limits, &p, &msg) != OK)
        fail_msg("%s: %s", raw, msg.text);
    if (!json_equal(p.all, expected)) {
        char *got = json_text(p.all), *wanted = json_text(expected);
        print_error("raw    %s\ngot    %s\nwanted %s\n", raw, got, wanted);
        free(got);
        free(wanted);
        fail();
    }
    params_free(&p);
    json_decref(expected);
    json_decref(defaults);
}

struct row {
    const char *raw, *expected; /* members only: a topic and the braces are added */
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *raw =
            mem_printf("{\"topic\":\"T\"%s%s}", *rows[i].raw == '\0' ? "" : ",", rows[i].raw);
        char *expected = mem_printf("{%s}", rows[i].expected);
        check_all(raw, NULL, expected);
        free(raw);
        free(expected);
    }
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void a_topic_alone_gets_the_defaults(void **state)
{
    (void)state;
    struct params p;
    const char *raw = "{\"topic\":\" Bees \"}";
    assert_int_equal(params_normalise(raw, strlen(raw), NULL, &limits, &p, NULL), OK);
    assert_string_equal(p.topic, "Bees");
    assert_null(p.title);
    assert_string_equal(p.platform, "youtube");
    assert_null(p.model);
    assert_null(p.language);
    assert_int_equal(p.duration_s, 600);
    assert_int_equal(p.outline_only, 0);
    assert_int_equal(p.variants, 1);
    assert_int_equal(p.max_cost_udollar, 0);
    assert_int_equal(p.deadline_us, 0);
    params_free(&p);
    check_all(raw, NULL, "{\"topic\":\"Bees\"}");
}

static void the_whole_request_may_be_text_or_nested(void **state)
{
    (void)state;
    check_all("\"{\\\"topic\\\":\\\"T\\\",\\\"tone\\\":\\\"dry\\\"}\"", NULL, "{\"tone\":\"dry\"}");
    check_all("{\"generation_params\":{\"topic\":\"T\",\"tone\":\"dry\"},\"x\":1}", NULL,
              "{\"tone\":\"dry\",\"x\":1}");
    check_all("{\"topic\":\"T\",\"params\":\"{\\\"tone\\\":\\\"dry\\\"}\"}", NULL,
              "{\"tone\":\"dry\"}");
    check_all("{\"topic\":\"T\",\"tone\":\"dry\",\"params\":{\"topic\":\"U\",\"tone\":\"wet\"}}",
              NULL, "{\"tone\":\"dry\"}");
}

static void null_and_blank_members_are_absent(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"\"title\":null,\"tone\":\"  \",\"hook\":null,\"frame\":null,\"contentPoints\":null", ""},
        {"\"research\":null,\"sponsor\":null,\"voiceProfile\":null,\"targetAudience\":null", ""},
        {"\"type\":null,\"platform\":\"\",\"targetDuration\":null,\"variants\":\"\"", ""},
        {"\"frame\":{},\"contentPoints\":[],\"research\":{},\"sponsor\":\"\"", ""},
        {"\"contentPoints\":[null,{},\" \"],\"research\":{\"sources\":[null,{\"x\":1}]}", ""},
        {"\"maxCostUsd\":null,\"deadline\":\"\",\"exports\":[],\"mustAvoid\":\"\"", ""},
        {"\"sponsor\":{\"sponsor_name\":null,\"include_disclosure\":false}", ""},
    };
    CHECK_ROWS(rows);
}

static void unknown_members_are_kept(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"\"brand_colors\":[\"red\"],\"nothing\":null",
         "\"brand_colors\":[\"red\"],\"nothing\":null"},
        {"\"sponsor\":{\"name\":\"Acme\",\"tier\":3}",
         "\"sponsor\":{\"name\":\"Acme\",\"tier\":3}"},
        {"\"voiceProfile\":{\"pace\":\"slow\",\"id\":7}", "\"voice\":{\"pace\":\"slow\",\"id\":7}"},
        {"\"contentPoints\":[{\"title\":\"A\",\"id\":\"x\"}]",
         "\"contentPoints\":[{\"title\":\"A\",\"id\":\"x\"}]"},
    };
    CHECK_ROWS(rows);
}

static void content_points(void **state)
{
    (void)state;
    static const char a_b[] = "\"contentPoints\":[{\"title\":\"A\"},{\"title\":\"B\"}]";
    static const struct row rows[] = {
        {"\"contentPoints\":[{\"title\":\"A\"},{\"name\":\"B\"}]", a_b},
        {"\"contentPoints\":{\"points\":[{\"title\":\"A\"},{\"title\":\"B\"}]}", a_b},
        {"\"contentPoints\":{\"contentPoints\":{\"points\":[\"A\",\"B\"]}}", a_b},
        {"\"contentPoints\":\"[{\\\"title\\\":\\\"A\\\"},{\\\"title\\\":\\\"B\\\"}]\"", a_b},
        {"\"contentPoints\":\"{\\\"points\\\":[\\\"A\\\",\\\"B\\\"]}\"", a_b},
        {"\"contentPoints\":{\"points\":\"[\\\"A\\\",\\\"B\\\"]\"}", a_b},
        {"\"content_points\":[\"A\",\"B\"]", a_b},
        {"\"contentPoints\":[\"{\\\"title\\\":\\\"A\\\"}\",\"B\"]", a_b},
        {"\"contentPoints\":{\"0\":{\"title\":\"A\"},\"1\":{\"title\":\"B\"}}", a_b},
        {"\"contentPoints\":\"- A\\n- B\\n\"", a_b},
        {"\"contentPoints\":{\"title\":\"A\",\"duration\":\"90\",\"key_takeaway\":\"K\"}",
         "\"contentPoints\":[{\"title\":\"A\",\"duration\":90,\"keyTakeaway\":\"K\"}]"},
        {"\"contentPoints\":[{\"description\":\"D\"}]",
         "\"contentPoints\":[{\"title\":\"D\",\"description\":\"D\"}]"},
        {"\"contentPoints\":[{\"title\":\"A\",\"duration\":\"soon\"}]",
         "\"contentPoints\":[{\"title\":\"A\"}]"},
        {"\"contentPoints\":[{\"title\":7,\"duration\":89.6}]",
         "\"contentPoints\":[{\"title\":\"7\",\"duration\":90}]"},
    };
    CHECK_ROWS(rows);
}

static void hook_and_plain_texts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"\"hook\":\"Hi?\"", "\"hook\":\"Hi?\""},
        {"\"hook\":{\"hook\":\"Hi?\"}", "\"hook\":\"Hi?\""},
        {"\"hook\":{\"selected\":\"Hi?\",\"options\":[\"a\"]}", "\"hook\":\"Hi?\""},
        {"\"hook\":{\"selected\":{\"text\":\"Hi?\",\"type\":\"question\"}}", "\"hook\":\"Hi?\""},
        {"\"hook\":{\"hook\":null,\"options\":[\"a\"]}", ""},
        {"\"hook\":{\"selected\":null,\"options\":[\"a\"]}", ""},
        {"\"hook\":{\"hook\":{\"hook\":\"Hi?\"}}", "\"hook\":\"Hi?\""},
        {"\"hook\":\"{\\\"selected\\\":\\\"Hi?\\\"}\"", "\"hook\":\"Hi?\""},
        {"\"hook\":\"[pause] Hi?\"", "\"hook\":\"[pause] Hi?\""},
        {"\"hook\":\"{oh} Hi?\"", "\"hook\":\"{oh} Hi?\""},
        {"\"tone\":[\"warm\",null,\"dry\"]", "\"tone\":\"warm, dry\""},
        {"\"tone\":{\"primary\":\"warm\",\"second\":\"dry\"}",
         "\"tone\":\"primary: warm; second: dry\""},
        {"\"thumbnail\":{\"concept\":\"a bee\",\"colors\":[\"red\"]}", "\"thumbnail\":\"a bee\""},
        {"\"thumbnail\":\"a bee\",\"cta\":{\"text\":\"Subscribe\"}",
         "\"thumbnail\":\"a bee\",\"cta\":\"Subscribe\""},
        {"\"title\":2030,\"language\":\"de\",\"point_of_view\":\"first person\"",
         "\"title\":\"2030\",\"language\":\"de\",\"pointOfView\":\"first person\""},
        {"\"title\":true", ""},
    };
    CHECK_ROWS(rows);
}

static void frame(void **state)
{
    (void)state;
    static const char all[] = "\"frame\":{\"problem\":\"P\",\"solution\":\"S\","
                              "\"transformation\":\"X\"}";
    static const struct row rows[] = {
        {"\"frame\":{\"problem_statement\":\"P\",\"solution_approach\":\"S\","
         "\"transformation_outcome\":\"X\"}",
         all},
        {"\"frame\":{\"problem\":\"P\",\"solution\":\"S\",\"transformation\":\"X\"}", all},
        {"\"frame\":{\"frame\":{\"problem\":\"P\",\"solutionApproach\":\"S\","
         "\"transformation\":\"X\"}}",
         all},
        {"\"frame\":\"{\\\"problem\\\":\\\"P\\\",\\\"solution\\\":\\\"S\\\","
         "\\\"transformation\\\":\\\"X\\\"}\"",
         all},
        {"\"frame\":\"Hero's journey\"", "\"frame\":{\"text\":\"Hero's journey\"}"},
        {"\"frame\":{\"frame\":\"Hero's journey\"}", "\"frame\":{\"text\":\"Hero's journey\"}"},
    };
    CHECK_ROWS(rows);
}

static void voice(void **state)
{
    (void)state;
    static const char v[] = "\"voice\":{\"pace\":\"slow\",\"humor\":\"dry\",\"dos\":[\"a\",\"b\"]}";
    static const struct row rows[] = {
        {"\"voiceProfile\":{\"pace\":\"slow\",\"humor\":\"dry\",\"dos\":[\"a\",\"b\"]}", v},
        {"\"voiceProfile\":{\"basicProfile\":{\"pace\":\"slow\",\"humor\":\"dry\","
         "\"dos\":\"a\\nb\"}}",
         v},
        {"\"voiceProfile\":{\"basic\":{\"pace\":\"slow\",\"humor\":\"dry\",\"dos\":[\"a\",\"b\"]}}",
         v},
        {"\"voiceProfile\":{\"training_data\":{\"basic\":{\"pace\":\"slow\",\"humor\":\"dry\","
         "\"dos\":[\"a\",\"b\"]},\"samples\":[1]}}",
         v},
        {"\"voice_profile\":{\"voiceProfile\":{\"pace\":\"slow\",\"humor\":\"dry\","
         "\"dos\":[\"a\",\"b\"]}}",
         v},
        {"\"voiceProfile\":\"{\\\"basic\\\":{\\\"pace\\\":\\\"slow\\\",\\\"humor\\\":\\\"dry\\\","
         "\\\"dos\\\":[\\\"a\\\",\\\"b\\\"]}}\"",
         v},
        {"\"voiceProfile\":{\"pace\":\"slow\",\"basic\":{\"pace\":\"fast\",\"humor\":\"dry\"},"
         "\"dos\":\"- a\\n- b\"}",
         v},
        {"\"voiceProfile\":{\"signature_phrases\":[\"Let's go, folks\"],\"vocabulary\":"
         "[\"plain\",\"short\"]}",
         "\"voice\":{\"signaturePhrases\":[\"Let's go, folks\"],\"vocabulary\":\"plain, short\"}"},
        {"\"voiceProfile\":\"calm\"", "\"voice\":{\"summary\":\"calm\"}"},
    };
    CHECK_ROWS(rows);
}

static void audience(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"\"targetAudience\":\"Home bakers\"", "\"audience\":{\"summary\":\"Home bakers\"}"},
        {"\"targetAudience\":{\"demographics\":{\"age\":\"25-34\",\"places\":[\"EU\",\"US\"]},"
         "\"interests\":[\"bread\",\"jam\"],\"knowledge_level\":\"beginner\","
         "\"pain_points\":[\"flat loaves\"],\"goals\":\"rise\\nshine\"}",
         "\"audience\":{\"demographics\":\"age: 25-34; places: EU, US\",\"interests\":\"bread, "
         "jam\",\"knowledgeLevel\":\"beginner\",\"painPoints\":[\"flat loaves\"],"
         "\"goals\":[\"rise\",\"shine\"]}"},
        {"\"target_audience\":\"{\\\"goals\\\":[\\\"rise\\\"]}\"",
         "\"audience\":{\"goals\":[\"rise\"]}"},
        {"\"targetAudience\":{\"targetAudience\":{\"goals\":[\"rise\"]}}",
         "\"audience\":{\"goals\":[\"rise\"]}"},
        {"\"targetAudience\":[\"bakers\",\"cooks\"]",
         "\"audience\":{\"summary\":\"bakers, cooks\"}"},
    };
    CHECK_ROWS(rows);
}

static void an_audience_of_tens_of_kilobytes_is_taken(void **state)
{
    (void)state;
    struct buf raw = BUF_INIT(200000), expected = BUF_INIT(200000);
    buf_puts(&raw, "{\"topic\":\"T\",\"targetAudience\":\"");
    buf_puts(&expected, "{\"audience\":{\"summary\":\"");
    for (int i = 0; i < 90000; i++) {
        buf_puts(&raw, "x");
        buf_puts(&expected, "x");
    }
    buf_puts(&raw, "\"}");
    buf_puts(&expected, "\"}}");
    check_all(raw.data, NULL, expected.data);
    buf_free(&raw);
    buf_free(&expected);
}

static void a_list_of_more_than_a_thousand_is_refused(void **state)
{
    (void)state;
    for (int n = 1000; n <= 1001; n++) {
        struct buf raw = BUF_INIT(20000);
        struct params p;
        struct errmsg msg = {""};
        buf_puts(&raw, "{\"topic\":\"T\",\"contentPoints\":[\"a\"");
        for (int i = 1; i < n; i++)
            buf_puts(&raw, ",\"a\"");
        buf_puts(&raw, "]}");
        enum err e = params_normalise(raw.data, raw.len, NULL, &limits, &p, &msg);
        assert_int_equal(e, n == 1000 ? OK : ERR_INVALID);
        if (e == OK)
            params_free(&p);
        else
            assert_string_equal(msg.text, "contentPoints: 1001 elements; at most 1000 are taken");
        buf_free(&raw);
    }
}

/* Losing half of what a user wrote would be worse than saying so. */
static void a_text_past_its_maximum_is_refused(void **state)
{
    (void)state;
    struct buf raw = BUF_INIT(400000);
    struct params p;
    struct errmsg msg = {""};
    buf_puts(&raw, "{\"topic\":\"T\",\"targetAudience\":{\"demographics\":\"");
    for (int i = 0; i < (256 << 10) + 1; i++)
        buf_puts(&raw, "x");
    buf_puts(&raw, "\"}}");
    assert_int_equal(params_normalise(raw.data, raw.len, NULL, &limits, &p, &msg), ERR_INVALID);
    assert_string_equal(msg.text, "demographics: longer than 262144 bytes");
    buf_free(&raw);
}

static void research(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"\"research\":{\"summary\":\"S\",\"sources\":[{\"source_title\":\"A\",\"source_url\":"
         "\"u\","
         "\"source_content\":\"c\",\"is_verified\":true,\"is_starred\":false},"
         "{\"title\":\"B\",\"fact_check_status\":\"Verified\"},"
         "{\"title\":\"C\",\"is_verified\":false,\"fact_check_status\":\"verified\"},"
         "{\"title\":\"D\",\"is_verified\":false,\"fact_check_status\":\"pending\"},"
         "{\"title\":\"E\",\"is_verified\":null,\"is_starred\":\"true\"}],"
         "\"insights\":[\"i\",\"j\"]}",
         "\"research\":{\"summary\":\"S\",\"sources\":[{\"title\":\"A\",\"url\":\"u\","
         "\"content\":\"c\",\"verified\":true,\"starred\":false},"
         "{\"title\":\"B\",\"verified\":true},{\"title\":\"C\",\"verified\":true},"
         "{\"title\":\"D\",\"verified\":false},{\"title\":\"E\",\"starred\":true}],"
         "\"insights\":[\"i\",\"j\"]}"},
        {"\"research\":\"just words\"", "\"research\":{\"summary\":\"just words\"}"},
        {"\"research\":[{\"title\":\"A\"}]", "\"research\":{\"sources\":[{\"title\":\"A\"}]}"},
        {"\"research\":{\"research\":{\"insights\":\"i\"}}", "\"research\":{\"insights\":[\"i\"]}"},
        {"\"research\":{\"sources\":\"[{\\\"source_title\\\":\\\"A\\\"}]\"}",
         "\"research\":{\"sources\":[{\"title\":\"A\"}]}"},
        {"\"research\":{\"sources\":{\"sources\":[\"words\"]}}",
         "\"research\":{\"sources\":[{\"content\":\"words\"}]}"},
    };
    CHECK_ROWS(rows);
}

static void sponsor(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"\"sponsor\":{\"sponsor_name\":\"Acme\",\"sponsor_product\":\"Ovens\","
         "\"placement_preference\":\"middle\",\"sponsor_duration\":\"45\",\"talking_points\":"
         "[\"hot\"],\"cta\":\"Buy\",\"ftc_disclosure\":true}",
         "\"sponsor\":{\"name\":\"Acme\",\"product\":\"Ovens\",\"placement\":\"middle\","
         "\"duration\":45,\"talkingPoints\":[\"hot\"],\"cta\":\"Buy\",\"disclosure\":true}"},
        {"\"sponsor\":{\"sponsor_name\":\"Acme\",\"sponsor_cta\":\"Buy\",\"sponsor_key_points\":"
         "\"hot\\nsafe\",\"include_disclosure\":\"yes\"}",
         "\"sponsor\":{\"name\":\"Acme\",\"cta\":\"Buy\",\"talkingPoints\":[\"hot\",\"safe\"],"
         "\"disclosure\":true}"},
        {"\"sponsor\":{\"name\":\"Acme\",\"ftc_disclosure\":\"Paid by Acme.\"}",
         "\"sponsor\":{\"name\":\"Acme\",\"disclosure\":true,\"disclosureText\":\"Paid by "
         "Acme.\"}"},
        {"\"sponsor\":{\"sponsor\":{\"name\":\"Acme\",\"include_disclosure\":0}}",
         "\"sponsor\":{\"name\":\"Acme\",\"disclosure\":false}"},
        {"\"sponsor\":\"Acme\"", "\"sponsor\":{\"name\":\"Acme\"}"},
        {"\"sponsor\":false", ""},
        {"\"sponsor\":\"None\"", ""},
    };
    CHECK_ROWS(rows);
}

static void choices(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"\"platform\":\"TikTok\"", "\"platform\":\"tiktok\""},
        {"\"platform\":\" YouTube Shorts \"", "\"platform\":\"shorts\""},
        {"\"platform\":\"youtube_shorts\"", "\"platform\":\"shorts\""},
        {"\"platform\":\"YouTube\"", "\"platform\":\"youtube\""},
        {"\"platform\":\"Ad\"", "\"platform\":\"ad\""},
        {"\"platform\":\"explainer\"", "\"platform\":\"explainer\""},
        {"\"platform\":\"COURSE\"", "\"platform\":\"course\""},
        {"\"type\":\"Outline\"", "\"type\":\"outline\""},
        {"\"mode\":\"batch\"", "\"mode\":\"batch\""},
        {"\"exports\":[\"SRT\",\"markdown\"]", "\"exports\":[\"srt\",\"md\"]"},
        {"\"exports\":\"srt, web-vtt\"", "\"exports\":[\"srt\",\"vtt\"]"},
        {"\"mustInclude\":\"sour dough, oven\",\"must_avoid\":[\"game changer\"]",
         "\"mustInclude\":[\"sour dough\",\"oven\"],\"mustAvoid\":[\"game changer\"]"},
        {"\"mustAvoid\":\"one, two\\nthree\"", "\"mustAvoid\":[\"one, two\",\"three\"]"},
    };
    CHECK_ROWS(rows);
}

static void numbers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"\"targetDuration\":1200", "\"targetDuration\":1200"},
        {"\"targetDuration\":\"1200\"", "\"targetDuration\":1200"},
        {"\"target_duration\":\" 1200 \"", "\"targetDuration\":1200"},
        {"\"targetDuration\":90.5", "\"targetDuration\":91"},
        {"\"targetDuration\":\"20 min\"", "\"targetDuration\":1200"},
        {"\"targetDuration\":15", "\"targetDuration\":15"},
        {"\"targetDuration\":14400", "\"targetDuration\":14400"},
        {"\"variants\":\"5\"", "\"variants\":5"},
        {"\"variants\":3.0", "\"variants\":3"},
        {"\"maxCostUsd\":0.25", "\"maxCostUsd\":0.25"},
        {"\"max_cost_usd\":\"$2\"", "\"maxCostUsd\":2"},
        {"\"deadline\":\"2030-01-31T12:00:00Z\"", "\"deadline\":\"2030-01-31T12:00:00Z\""},
    };
    CHECK_ROWS(rows);
}

static void money_and_time_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        int64_t udollar, deadline_us;
    } rows[] = {
        {"\"maxCostUsd\":0.29", 290000, 0},
        {"\"maxCostUsd\":\"1.000001\"", 1000001, 0},
        {"\"maxCostUsd\":0.000001", 1, 0},
        /* 2000-03-01T00:00:00Z is 951868800 s after 1970 */
        {"\"deadline\":\"2000-03-01T00:00:00Z\"", 0, INT64_C(951868800000000)},
        {"\"deadline\":\"2000-03-01t01:30:00.25+01:30\"", 0, INT64_C(951868800250000)},
        {"\"deadline\":\"2000-02-29 19:00:00.0000019-0500\"", 0, INT64_C(951868800000001)},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct params p;
        char *raw = mem_printf("{\"topic\":\"T\",%s}", rows[i].raw);
        assert_int_equal(params_normalise(raw, strlen(raw), NULL, &limits, &p, NULL), OK);
        assert_int_equal(p.max_cost_udollar, rows[i].udollar);
        assert_int_equal(p.deadline_us, rows[i].deadline_us);
        params_free(&p);
        free(raw);
    }
}

static void bad_requests_name_the_member(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *message;
    } rows[] = {
        {"{}", "topic: is missing"},
        {"null", "topic: is missing"},
        {"{\"topic\":\" \"}", "topic: is missing"},
        {"{\"topic\":null,\"title\":\"x\"}", "topic: is missing"},
        {"{\"topic\":\"T\",\"targetDuration\":14}",
         "targetDuration: 14 seconds is out of range (15 to 14400)"},
        {"{\"topic\":\"T\",\"targetDuration\":14401}", "targetDuration: 14401 seconds is out of"},
        {"{\"topic\":\"T\",\"targetDuration\":0}", "targetDuration: 0 seconds"},
        {"{\"topic\":\"T\",\"targetDuration\":-5}", "targetDuration: -5 seconds"},
        {"{\"topic\":\"T\",\"targetDuration\":1e300}", "targetDuration: 1e+300 is out of range"},
        {"{\"topic\":\"T\",\"targetDuration\":\"long\"}", "targetDuration: a number of seconds"},
        {"{\"topic\":\"T\",\"targetDuration\":\"0x10\"}", "targetDuration: a number of seconds"},
        {"{\"topic\":\"T\",\"targetDuration\":\"1-2\"}", "targetDuration: a number of seconds"},
        {"{\"topic\":\"T\",\"targetDuration\":{}}", "targetDuration: a number of seconds"},
        {"{\"topic\":\"T\",\"targetDuration\":true}", "targetDuration: a number of seconds"},
        {"{\"topic\":\"T\",\"platform\":\"vimeo\"}",
         "platform: 'vimeo' is unknown; it is one of youtube, shorts, tiktok, ad, explainer, "
         "course"},
        {"{\"topic\":\"T\",\"type\":\"half\"}", "type: 'half' is unknown"},
        {"{\"topic\":\"T\",\"mode\":\"dead\"}", "mode: 'dead' is unknown"},
        {"{\"topic\":\"T\",\"exports\":[\"md\",\"docx\"]}", "exports: 'docx' is unknown"},
        {"{\"topic\":\"T\",\"variants\":0}", "variants: 0 is out of range (1 to 5)"},
        {"{\"topic\":\"T\",\"variants\":6}", "variants: 6 is out of range"},
        {"{\"topic\":\"T\",\"variants\":2.5}", "variants: a whole number is wanted"},
        {"{\"topic\":\"T\",\"maxCostUsd\":0}", "maxCostUsd: 0 is out of range"},
        {"{\"topic\":\"T\",\"maxCostUsd\":-1}", "maxCostUsd: -1 is out of range"},
        {"{\"topic\":\"T\",\"maxCostUsd\":1e-9}", "maxCostUsd: 1e-09 is out of range"},
        {"{\"topic\":\"T\",\"maxCostUsd\":\"cheap\"}", "maxCostUsd: a number of dollars"},
        {"{\"topic\":\"T\",\"deadline\":\"tomorrow\"}", "deadline: 'tomorrow' is no time"},
        {"{\"topic\":\"T\",\"deadline\":\"2030-02-30T00:00:00Z\"}", "deadline: "},
        {"{\"topic\":\"T\",\"deadline\":\"2030-01-01T00:00:00\"}", "deadline: "},
        {"{\"topic\":\"T\",\"deadline\":\"2030-01-01T00:00:00Zx\"}", "deadline: "},
        {"{\"topic\":\"T\"", "generation_params: line 1"},
        {"{\"topic\":\"T\",\"topic\":\"U\"}", "generation_params: line 1"},
        {"[1]", "generation_params: an object is wanted"},
        {"\"Bees\"", "generation_params: an object is wanted"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct params p = {.duration_s = 7};
        struct errmsg msg = {""};
        assert_int_equal(
            params_normalise(rows[i].raw, strlen(rows[i].raw), NULL, &limits, &p, &msg),
            ERR_INVALID);
        assert_int_equal(p.duration_s, 7);
        if (strncmp(msg.text, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("%s: %s", rows[i].raw, msg.text);
    }
    struct params p;
    struct errmsg msg = {""};
    assert_int_equal(params_normalise(NULL, 0, NULL, &limits, &p, &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "topic"));
    assert_int_equal(params_normalise("{}", PARAMS_SIZE_MAX + 1, NULL, &limits, &p, &msg),
                     ERR_TOO_BIG);
}

static void the_overlay_wins_member_by_member(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *overlay, *expected;
    } rows[] = {
        {"{\"topic\":\"A\",\"tone\":\"dry\"}", "{\"topic\":\"T\"}", "{\"tone\":\"dry\"}"},
        {"{\"topic\":\"T\",\"tone\":\"dry\"}", "{\"tone\":null}", "{\"tone\":\"dry\"}"},
        {"null", "{\"topic\":\"T\"}", "{}"},
        {"{\"topic\":\"T\",\"audience\":\"a\"}", "{\"target_audience\":\"b\"}",
         "{\"audience\":{\"summary\":\"b\"}}"},
        {"{\"topic\":\"T\",\"targetDuration\":\"long\"}", "{\"targetDuration\":60}",
         "{\"targetDuration\":60}"},
        {"{\"topic\":\"T\",\"own\":1,\"both\":1}", "{\"theirs\":2,\"both\":2}",
         "{\"own\":1,\"both\":2,\"theirs\":2}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *overlay = json_of(rows[i].overlay), *before = json_deep_copy(overlay);
        check_all(rows[i].raw, overlay, rows[i].expected);
        assert_true(json_equal(overlay, before));
        json_decref(overlay);
        json_decref(before);
    }
}

static void a_canonical_object_stays_as_it_is(void **state)
{
    (void)state;
    const char *canonical =
        "{\"topic\":\"T\",\"title\":\"X\",\"type\":\"outline\",\"platform\":\"ad\","
        "\"targetDuration\":60,\"audience\":{\"summary\":\"a\",\"goals\":[\"g\"]},"
        "\"voice\":{\"summary\":\"v\",\"dos\":[\"d\"]},\"hook\":\"h\",\"frame\":{\"text\":\"f\"},"
        "\"contentPoints\":[{\"title\":\"p\",\"duration\":30}],\"research\":{\"summary\":\"r\","
        "\"sources\":[{\"title\":\"s\",\"verified\":true,\"starred\":false}],\"insights\":[\"i\"]},"
        "\"sponsor\":{\"name\":\"n\",\"disclosure\":true,\"disclosureText\":\"t\"},"
        "\"mustInclude\":[\"a, b\"],\"variants\":2,\"exports\":[\"md\"],\"mode\":\"batch\","
        "\"maxCostUsd\":1.5}";
    check_all(canonical, NULL, canonical);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_alone_gets_the_defaults),
        cmocka_unit_test(the_whole_request_may_be_text_or_nested),
        cmocka_unit_test(null_and_blank_members_are_absent),
        cmocka_unit_test(unknown_members_are_kept),
        cmocka_unit_test(content_points),
        cmocka_unit_test(hook_and_plain_texts),
        cmocka_unit_test(frame),
        cmocka_unit_test(voice),
        cmocka_unit_test(audience),
        cmocka_unit_test(an_audience_of_tens_of_kilobytes_is_taken),
        cmocka_unit_test(a_list_of_more_than_a_thousand_is_refused),
        cmocka_unit_test(a_text_past_its_maximum_is_refused),
        cmocka_unit_test(research),
        cmocka_unit_test(sponsor),
        cmocka_unit_test(choices),
        cmocka_unit_test(numbers),
        cmocka_unit_test(money_and_time_are_exact),
        cmocka_unit_test(bad_requests_name_the_member),
        cmocka_unit_test(the_overlay_wins_member_by_member),
        cmocka_unit_test(a_canonical_object_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
