/* In: requests and a scripted model. Out: whether the machine asks for the right calls and makes
 * the right script of the answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "job/check.h"
#include "job/script.h"
#include "text/json.h"

/* ---- the shipped pipeline and catalogue ---- */

static struct pipeline *pipeline;
static struct catalog *catalog;

static char *read_file(const char *path, size_t *ret_n)
{
    struct buf b = BUF_INIT(1u << 20);
    char chunk[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_put(&b, chunk, n);
    assert_int_equal(fclose(f), 0);
    *ret_n = b.len;
    return buf_take(&b);
}

static int load(void **state)
{
    (void)state;
    static const char *const names[] = {"pipeline.yaml",     "system.md", "outline.md",
                                        "outline_repair.md", "chunk.md",  "expand.md",
                                        "continue.md"};
    struct pipeline_file files[7];
    char *texts[7], path[512];
    struct errmsg msg = {0};
    for (size_t i = 0; i < 7; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", PIPELINE_DIR, names[i]);
        texts[i] = read_file(path, &files[i].len);
        files[i].name = names[i];
        files[i].text = texts[i];
    }
    if (pipeline_parse(files, 7, &pipeline, &msg) != OK)
        fail_msg("%s", msg.text);
    size_t n;
    char *models = read_file(MODELS_FILE, &n);
    if (catalog_parse(models, n, "models.yaml", &catalog, &msg) != OK)
        fail_msg("%s", msg.text);
    free(models);
    for (size_t i = 0; i < 7; i++)
        free(texts[i]);
    return 0;
}

static int unload(void **state)
{
    (void)state;
    pipeline_free(pipeline);
    catalog_free(catalog);
    return 0;
}

static struct script *make(const char *request)
{
    static const struct params_limits limits = {600, 14400};
    struct params params = {0};
    struct script *s = NULL;
    struct errmsg msg = {0};
    if (params_normalise(request, strlen(request), NULL, &limits, &params, &msg) != OK ||
        script_new(pipeline, catalog, &params, &s, &msg) != OK)
        fail_msg("%s", msg.text);
    return s;
}

/* ---- a model that does what the request block says ---- */

struct ask {
    char kind[16];
    int chunk, chunks, from_s, to_s, words, tags;
    bool first, last;
    char *points[32];
    size_t n_points;
};

static struct ask read_request(const char *user)
{
    struct ask a = {0};
    const char *at = user, *block = NULL;
    while ((at = strstr(at, "\n<request ")) != NULL)
        block = ++at;
    assert_non_null(block);
    int from_m, from_s, to_m, to_s;
    char first[4], last[4];
    assert_int_equal(sscanf(block,
                            "<request kind=\"%15[a-z]\" chunk=\"%d\" chunks=\"%d\" from=\"%d:%d\" "
                            "to=\"%d:%d\" words=\"%d\" first=\"%3[a-z]\" last=\"%3[a-z]\" "
                            "tags=\"%d\">",
                            a.kind, &a.chunk, &a.chunks, &from_m, &from_s, &to_m, &to_s, &a.words,
                            first, last, &a.tags),
                     11);
    a.from_s = from_m * 60 + from_s;
    a.to_s = to_m * 60 + to_s;
    a.first = strcmp(first, "yes") == 0;
    a.last = strcmp(last, "yes") == 0;
    for (at = block; (at = strstr(at, "\n<point>")) != NULL && a.n_points < 32;) {
        at += strlen("\n<point>");
        const char *end = strstr(at, "</point>");
        a.points[a.n_points++] = mem_strndup(at, (size_t)(end - at));
    }
    assert_string_equal(user + strlen(user) - strlen("</request>\n"), "</request>\n");
    return a;
}

static void ask_free(struct ask *a)
{
    for (size_t i = 0; i < a->n_points; i++)
        free(a->points[i]);
}

static int counter; /* words that never repeat; reset per script */

static void put_words(struct buf *out, int n)
{
    for (int i = 1; i <= n; i++)
        buf_putf(out, "word%d%s", counter++, i == n ? ".\n\n" : i % 12 == 0 ? ". " : " ");
}

static char *write_chunk(const struct ask *a)
{
    struct buf out = BUF_INIT(1u << 20);
    int n = a->words == 0 ? 0 : (int)a->n_points + 2;
    for (int i = 0; i < n; i++) {
        int at = a->from_s + (a->to_s - a->from_s) * i / n + (strcmp(a->kind, "chunk") != 0);
        buf_putf(&out, "### [%02d:%02d] ", at / 60, at % 60);
        if (i > 0 && i <= (int)a->n_points)
            buf_puts(&out, a->points[i - 1]);
        else
            buf_putf(&out, "%s section %d", i > 0 && a->last ? "Conclusion" : "Opening", counter);
        buf_puts(&out, "\n\n[VISUAL: a picture]\n\n");
        put_words(&out, a->words / n + (i < a->words % n));
    }
    if (a->last)
        buf_puts(&out, "## Description\n\nWhat it is about.\n\n");
    if (a->tags > 0) {
        buf_puts(&out, "## Tags\n\n");
        for (int i = 0; i < a->tags + 2; i++)
            buf_putf(&out, "%stag %d", i > 0 ? ", " : "", i);
        buf_puts(&out, "\n");
    }
    return buf_take(&out);
}

static char *write_outline(const struct ask *a)
{
    json_t *chunks = json_array(), *outline;
    for (int c = 1; c <= a->chunks; c++) {
        json_t *sections = json_pack("[{s:s, s:s}]", "timestamp", "00:00", "title", "Lead-in");
        for (size_t i = 0; i < a->n_points; i++)
            if ((int)(i % (size_t)a->chunks) == c - 1)
                json_array_append_new(sections, json_pack("{s:s}", "title", a->points[i]));
        json_array_append_new(chunks, json_pack("{s:i, s:s, s:o}", "chunkNumber", c, "theme",
                                                "A theme", "sections", sections));
    }
    outline = json_pack("{s:s, s:o, s:[s]}", "title", "Outlined", "chunks", chunks, "keyTakeaways",
                        "Keep it simple");
    char *text = json_text(outline);
    json_decref(outline);
    return text;
}

static char *model_answer(const char *user)
{
    struct ask a = read_request(user);
    bool outline = strcmp(a.kind, "outline") == 0 || strcmp(a.kind, "repair") == 0;
    char *text = outline ? write_outline(&a) : write_chunk(&a);
    ask_free(&a);
    return text;
}

static void assert_starts(const char *text, const char *start)
{
    if (strncmp(text, start, strlen(start)) != 0)
        fail_msg("\"%.200s\" does not start with \"%s\"", text, start);
}

static void give(struct script *s, const char *text, enum stop_reason stop)
{
    struct script_answer answer = {.text = text,
                                   .len = strlen(text),
                                   .stop = stop,
                                   .model = "served-model",
                                   .usage = {.input = 100, .output = 50},
                                   .cost_udollar = 1500,
                                   .started_us = 1000000,
                                   .ended_us = 3500000};
    script_accept(s, &answer);
}

static struct script_call next_call(struct script *s)
{
    struct script_call call = {0};
    enum script_do what = script_next(s, &call);
    if (what != SCRIPT_CALL) {
        bool permanent;
        fail_msg("no call: %d %s", (int)what, script_error(s, &permanent));
    }
    return call;
}

/* Plays the obedient model to the end; `keys` gets "outline chunk_1 ...". */
static void play(struct script *s, char *keys, size_t size)
{
    struct script_call call;
    while (script_next(s, &call) == SCRIPT_CALL) {
        if (keys != NULL)
            (void)snprintf(keys + strlen(keys), size - strlen(keys), "%s%s", *keys ? " " : "",
                           call.key);
        char *text = model_answer(call.user);
        give(s, text, STOP_END_TURN);
        free(text);
    }
    bool permanent;
    if (script_next(s, &call) != SCRIPT_DONE)
        fail_msg("%s", script_error(s, &permanent));
}

#define POINTS                                                                                     \
    "\"contentPoints\":[{\"title\":\"Why a starter sours\"},{\"title\":\"Shaping without "         \
    "tears\"},"                                                                                    \
    "{\"title\":\"Oven <steam> & \\\"ears\\\"\"}]"

/* ---- happy paths ---- */

static void test_each_length_takes_its_calls_and_passes_the_check(void **state)
{
    (void)state;
    static const struct {
        int minutes;
        const char *keys;
    } cases[] = {
        {2, "chunk_1"},
        {10, "chunk_1"},
        {25, "outline chunk_1 chunk_2"},
        {60, "outline chunk_1 chunk_2 chunk_3 chunk_4"},
        {240, "outline chunk_1 chunk_2 chunk_3 chunk_4 chunk_5 chunk_6 chunk_7 chunk_8 chunk_9 "
              "chunk_10 chunk_11 chunk_12 chunk_13 chunk_14 chunk_15 chunk_16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char keys[512] = "", request[512];
        counter = 0;
        (void)snprintf(request, sizeof(request),
                       "{\"topic\":\"Sourdough\",\"targetDuration\":%d," POINTS "}",
                       cases[i].minutes * 60);
        struct script *s = make(request);
        play(s, keys, sizeof(keys));
        assert_string_equal(keys, cases[i].keys);
        assert_string_equal(script_notes(s), "");
        const char *text = script_text(s);
        int words = words_count(text, strlen(text));
        assert_true(words >= cases[i].minutes * 130);
        assert_true(words <= cases[i].minutes * 130 * 12 / 10);
        json_t *m = json_loads(script_metadata(s, 1, 0), 0, NULL);
        json_t *quality = json_object_get(m, "quality");
        assert_int_equal(json_array_size(json_object_get(quality, "findings")), 0);
        assert_int_equal(json_int(quality, "score", -1), 100);
        json_decref(m);
        script_free(s);
    }
}

static void test_metadata_names_everything(void **state)
{
    (void)state;
    counter = 0;
    struct script *s =
        make("{\"topic\":\"Sourdough\",\"title\":\"First loaf\",\"hook\":\"Flour lies.\","
             "\"targetDuration\":1500," POINTS "}");
    play(s, NULL, 0);
    json_t *m = json_loads(script_metadata(s, 2, 6000), 0, NULL);
    const char *text = script_text(s);
    assert_int_equal(json_int(m, "words", 0), words_count(text, strlen(text)));
    assert_int_equal(json_int(m, "length", 0), strlen(text)); /* ASCII */
    assert_int_equal(json_int(m, "characters", 0), strlen(text));
    assert_string_equal(json_str(m, "model"), "served-model");
    assert_int_equal(json_array_size(json_object_get(m, "models")), 1);
    assert_int_equal(json_int(m, "targetDuration", 0), 1500);
    assert_int_equal(json_int(m, "estimatedDuration", 0),
                     (json_int(m, "words", 0) * 60 + 65) / 130);
    assert_int_equal(json_int(m, "chunks", 0), 2);
    assert_string_equal(json_str(m, "hook"), "Flour lies.");
    assert_string_equal(json_str(m, "description"), "What it is about.");
    assert_int_equal(json_array_size(json_object_get(m, "tags")), 22);
    assert_string_equal(json_string_value(json_array_get(json_object_get(m, "titles"), 0)),
                        "First loaf");
    json_t *usage = json_object_get(m, "usage");
    assert_int_equal(json_int(usage, "input", 0), 300);
    assert_int_equal(json_int(usage, "output", 0), 150);
    assert_int_equal(json_int(usage, "cacheRead", -1), 0);
    assert_int_equal(json_int(usage, "cacheWrite", -1), 0);
    assert_float_equal((float)json_num(m, "costUsd", 0), 0.006f, 1e-6f); /* 0.0045 of it here */
    assert_string_equal(json_str(m, "pipelineVersion"), pipeline->version);
    assert_int_equal(json_int(m, "attempts", 0), 2);
    json_t *steps = json_object_get(m, "steps"), *step = json_array_get(steps, 1);
    assert_int_equal(json_array_size(steps), 3);
    assert_string_equal(json_str(step, "step"), "chunk_1");
    assert_string_equal(json_str(step, "startedAt"), "1970-01-01T00:00:01.000000Z");
    assert_float_equal((float)json_num(step, "seconds", 0), 2.5f, 1e-6f);
    json_decref(m);
    script_free(s);
}

/* ---- what a call says ---- */

static void test_chunks_are_told_what_they_need_and_no_more(void **state)
{
    (void)state;
    counter = 0;
    struct script *s =
        make("{\"topic\":\"Sourdough\",\"hook\":\"Flour lies.\",\"cta\":\"Bake it.\","
             "\"targetDuration\":2700,\"mustAvoid\":[\"game changer\"],"
             "\"sponsor\":{\"sponsor_name\":\"Millstone\",\"placement_preference\":\"mid-roll\"},"
             "\"targetAudience\":{\"knowledge_level\":\"beginner\"}," POINTS "}");
    struct script_call call = next_call(s);
    assert_string_equal(call.key, "outline");
    assert_int_equal(call.phase, PHASE_OUTLINE);
    assert_int_equal(call.max_tokens, 1024 + 3 * 400);
    assert_non_null(call.schema); /* the default model takes one */
    assert_false(call.resumable);
    assert_non_null(
        strstr(call.user, "<chunk n=\"2\" from=\"15:00\" to=\"30:00\" words=\"2145\">"));
    assert_non_null(strstr(call.user, "<point>Oven <steam> & \"ears\"</point>"));
    assert_non_null(strstr(call.system, "knowledge level: beginner"));
    char *text = model_answer(call.user);
    give(s, text, STOP_END_TURN);
    free(text);
    for (int i = 1; i <= 3; i++) {
        call = next_call(s);
        assert_int_equal(call.chunk, i);
        assert_int_equal(call.chunks, 3);
        assert_int_equal(call.phase, PHASE_CHUNK);
        assert_int_equal(call.expected_words, 2145); /* 45 * 130 / 3 and 10 % */
        assert_int_equal(call.max_tokens, 8192);
        assert_null(call.schema);
        assert_true(call.resumable);
        assert_int_equal(strstr(call.user, "<hook>Flour lies.</hook>") != NULL, i == 1);
        assert_int_equal(strstr(call.user, "<cta>Bake it.</cta>") != NULL, i == 3);
        assert_int_equal(strstr(call.user, "<sponsor seconds=\"45\">Millstone</sponsor>") != NULL,
                         i == 2);
        assert_non_null(strstr(call.user, "<avoid>game changer</avoid>"));
        struct ask a = read_request(call.user);
        assert_int_equal(a.n_points, 1); /* dealt out by the outline */
        assert_int_equal(a.first, i == 1);
        assert_int_equal(a.last, i == 3);
        assert_int_equal(a.from_s, (i - 1) * 900);
        assert_int_equal(a.to_s, i * 900);
        assert_int_equal(a.tags, i == 3 ? 20 : 0);
        if (i > 1) { /* the last words of the chunk before, and what it covered */
            char tail[32];
            (void)snprintf(tail, sizeof(tail), "word%d.\"\n", counter - 1);
            assert_non_null(strstr(call.user, tail));
            assert_non_null(strstr(call.user, "- Part 1 (A theme): Lead-in; Why a starter sours"));
        }
        text = write_chunk(&a);
        ask_free(&a);
        give(s, text, STOP_END_TURN);
        free(text);
    }
    assert_int_equal(script_next(s, &call), SCRIPT_DONE);
    script_free(s);
}

static void test_the_hash_covers_the_request(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "{\"topic\":\"Sourdough\"}",
        "{\"topic\":\"Rye\"}",
        "{\"topic\":\"Sourdough\",\"targetDuration\":660}",
        "{\"topic\":\"Sourdough\",\"tone\":\"dry\"}",
        "{\"topic\":\"Sourdough\",\"model\":\"claude-haiku-4-5\"}",
        "{\"topic\":\"Sourdough\",\"platform\":\"explainer\"}",
    };
    char hashes[6][HASH_HEX_SIZE];
    for (size_t i = 0; i < 6; i++) {
        struct script *s = make(requests[i]);
        struct script_call call = next_call(s), again = next_call(s);
        memcpy(hashes[i], call.input_hash, HASH_HEX_SIZE);
        assert_string_equal(again.input_hash, call.input_hash);
        assert_ptr_equal(again.user, call.user); /* the same until it is answered */
        assert_int_equal(strlen(hashes[i]), 64);
        script_free(s);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(hashes[i], hashes[k]);
    }
    struct script *s = make(requests[0]);
    assert_string_equal(next_call(s).input_hash, hashes[0]); /* and nothing else */
    script_free(s);
}

/* ---- stop reasons ---- */

#define SHORT "{\"topic\":\"Sourdough\",\"targetDuration\":120}"

static void test_a_cut_text_is_continued_and_joined(void **state)
{
    (void)state;
    static const enum stop_reason stops[] = {STOP_MAX_TOKENS, STOP_CUT, STOP_PAUSE_TURN,
                                             STOP_CONTEXT_EXCEEDED};
    for (size_t i = 0; i < 4; i++) {
        counter = 0;
        struct script *s = make(SHORT);
        struct script_call call = next_call(s);
        give(s, "### [00:00] Start\n\nThe first sentence is whole. The second is not wh", stops[i]);
        call = next_call(s);
        assert_string_equal(call.key, "chunk_1+1");
        assert_int_equal(call.expected_words, 286 - 5); /* 2 * 130 * 1.1, five are written */
        assert_non_null(
            strstr(call.user, "<after>### [00:00] Start  The first sentence is whole.</after>"));
        assert_non_null(strstr(call.user, "- [00:00] Start\n"));
        struct ask a = read_request(call.user);
        assert_string_equal(a.kind, "continue");
        assert_false(a.first);
        assert_true(a.last);
        struct buf rest = BUF_INIT(1u << 16);
        buf_puts(&rest, "The first sentence is whole. The second is whole now.\n\n");
        put_words(&rest, a.words);
        buf_puts(&rest, "## Description\n\nAll.\n\n## Tags\n\n");
        for (int t = 0; t < 20; t++)
            buf_putf(&rest, "t%d, ", t);
        ask_free(&a);
        give(s, buf_str(&rest), STOP_END_TURN);
        buf_free(&rest);
        assert_int_equal(script_next(s, &call), SCRIPT_DONE);
        assert_starts(script_text(s),
                      "### [00:00] Start\n\nThe first sentence is whole. The second is "
                      "whole now.\n\nword0 ");
        script_free(s);
    }
}

static void test_only_the_tags_are_asked_for_when_the_text_is_there(void **state)
{
    (void)state;
    counter = 0;
    struct script *s = make(SHORT);
    struct script_call call = next_call(s);
    struct buf text = BUF_INIT(1u << 16);
    buf_puts(&text, "### [00:00] Start\n\n");
    put_words(&text, 280);
    buf_puts(&text, "## Description\n\nAll of it.\n\n## Tags\n\nbread, sour");
    give(s, buf_str(&text), STOP_MAX_TOKENS);
    buf_free(&text);
    call = next_call(s);
    struct ask a = read_request(call.user);
    assert_int_equal(a.words, 0);
    assert_false(a.last);
    assert_int_equal(a.tags, 20);
    char *rest = write_chunk(&a);
    ask_free(&a);
    give(s, rest, STOP_END_TURN);
    free(rest);
    assert_int_equal(script_next(s, &call), SCRIPT_DONE);
    assert_non_null(strstr(script_text(s), "All of it.\n\n## Tags\n\ntag 0, tag 1"));
    assert_null(strstr(script_text(s), "bread, sour"));
    script_free(s);
}

static void test_continuing_ends_after_eight_times(void **state)
{
    (void)state;
    counter = 0;
    struct script *s = make(SHORT);
    struct script_call call;
    struct buf text = BUF_INIT(1u << 16);
    for (int i = 0; i <= 8; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), i == 0 ? "chunk_1" : "chunk_1+%d", i);
        call = next_call(s);
        assert_string_equal(call.key, key);
        buf_clear(&text);
        put_words(&text, 40);
        give(s, buf_str(&text), STOP_MAX_TOKENS);
    }
    buf_free(&text);
    call = next_call(s);
    assert_string_equal(call.key, "expand"); /* description and tags are missing */
    assert_non_null(strstr(script_notes(s), "still not finished after 8"));
    script_free(s);
}

static void test_a_refusal_fails_for_good(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "### [00:00] Start\n\nI would rather"};
    for (size_t i = 0; i < 2; i++) {
        struct script *s = make(SHORT);
        struct script_call call = next_call(s);
        struct script_answer answer = {
            .text = texts[i], .len = strlen(texts[i]), .stop = STOP_REFUSAL};
        bool permanent = false;
        assert_false(script_keeps(s, &answer));
        script_accept(s, &answer);
        assert_int_equal(script_next(s, &call), SCRIPT_FAILED);
        assert_non_null(strstr(script_error(s, &permanent), "refused to write chunk_1"));
        assert_true(permanent);
        script_free(s);
    }
}

static void test_an_empty_answer_is_asked_for_once_more(void **state)
{
    (void)state;
    struct script *s = make(SHORT);
    struct script_call call = next_call(s);
    struct script_answer empty = {.text = " \n", .len = 2, .stop = STOP_END_TURN};
    char hash[HASH_HEX_SIZE];
    bool permanent = true;
    memcpy(hash, call.input_hash, sizeof(hash));
    assert_false(script_keeps(s, &empty));
    script_accept(s, &empty);
    call = next_call(s);
    assert_string_equal(call.key, "chunk_1"); /* the very same call */
    assert_string_equal(call.input_hash, hash);
    assert_false(script_keeps(s, &empty));
    script_accept(s, &empty);
    assert_int_equal(script_next(s, &call), SCRIPT_FAILED);
    assert_non_null(strstr(script_error(s, &permanent), "without any text"));
    assert_false(permanent);
    script_free(s);
}

static void test_an_empty_continuation_means_finished(void **state)
{
    (void)state;
    struct script *s = make(SHORT);
    struct script_call call = next_call(s);
    struct script_answer empty = {.text = "", .len = 0, .stop = STOP_END_TURN};
    give(s, "### [00:00] Start\n\nOne whole sentence. And", STOP_MAX_TOKENS);
    call = next_call(s);
    assert_true(script_keeps(s, &empty));
    script_accept(s, &empty);
    call = next_call(s);
    assert_string_equal(call.key, "expand");
    script_free(s);
}

static void test_salvage_keeps_full_sentences_of_prose_only(void **state)
{
    (void)state;
    struct script_call prose = {.resumable = true}, json = {.resumable = false};
    const char *text = "### [00:00] Start\n\nWhole. Not wh";
    assert_int_equal(script_salvage(&prose, text, strlen(text)), strlen(text) - 7);
    assert_int_equal(script_salvage(&prose, "### [00:00] Start\n\nNot", 22), 0);
    assert_int_equal(script_salvage(&json, text, strlen(text)), 0);
}

/* ---- the outline ---- */

#define LONG "{\"topic\":\"Sourdough\",\"targetDuration\":1500," POINTS "}"

static void test_a_bad_outline_is_repaired_once(void **state)
{
    (void)state;
    counter = 0;
    struct script *s = make(LONG);
    struct script_call call = next_call(s);
    give(s, "{\"title\":\"x\",\"chunks\":[]}", STOP_END_TURN);
    call = next_call(s);
    assert_string_equal(call.key, "outline+repair");
    assert_non_null(strstr(call.user, "there are 0 chunks, 2 are asked for"));
    assert_non_null(strstr(call.user, "<request kind=\"repair\""));
    char *text = model_answer(call.user);
    give(s, text, STOP_END_TURN);
    free(text);
    call = next_call(s);
    assert_string_equal(call.key, "chunk_1");
    assert_non_null(strstr(call.user, "Theme: A theme"));
    assert_non_null(strstr(script_notes(s), "the outline is repaired"));
    script_free(s);
}

static void test_without_a_usable_outline_it_goes_on(void **state)
{
    (void)state;
    static const enum stop_reason stops[] = {STOP_END_TURN, STOP_REFUSAL, STOP_MAX_TOKENS};
    for (size_t i = 0; i < 3; i++) {
        counter = 0;
        struct script *s = make(LONG);
        char keys[256] = "";
        struct script_call call = next_call(s);
        give(s, "Sorry, here is no JSON.", STOP_END_TURN);
        call = next_call(s);
        give(s, i == 2 ? "{\"chunks\":[" : "", stops[i]);
        play(s, keys, sizeof(keys));
        assert_string_equal(keys, "chunk_1 chunk_2");
        assert_non_null(strstr(script_notes(s), "going on without an outline"));
        assert_non_null(strstr(script_text(s), "Shaping without tears"));
        script_free(s);
        (void)call;
    }
}

static void test_an_outline_only_job_ends_with_the_outline(void **state)
{
    (void)state;
    struct script *s =
        make("{\"topic\":\"Sourdough\",\"type\":\"outline\",\"targetDuration\":600," POINTS "}");
    char keys[64] = "";
    play(s, keys, sizeof(keys));
    assert_string_equal(keys, "outline");
    assert_starts(script_text(s), "# Outlined\n\n## 1. A theme\n\n### [00:00] Lead-in\n");
    assert_non_null(strstr(script_text(s), "\n- Keep it simple\n"));
    json_t *m = json_loads(script_metadata(s, 1, 0), 0, NULL);
    assert_non_null(json_obj(m, "outline"));
    json_decref(m);
    script_free(s);
}

/* ---- quality ---- */

static void test_a_short_script_is_expanded_and_never_shrinks(void **state)
{
    (void)state;
    counter = 0;
    struct script *s = make("{\"topic\":\"Sourdough\",\"targetDuration\":300," POINTS "}");
    struct script_call call = next_call(s);
    struct buf text = BUF_INIT(1u << 16);
    buf_puts(&text, "### [00:00] Start\n\n");
    put_words(&text, 150);
    buf_puts(&text, "### [02:00] Shaping without tears\n\n");
    put_words(&text, 100);
    buf_puts(&text, "### [04:00] Conclusion\n\n");
    put_words(&text, 50);
    buf_puts(&text, "## Description\n\nAll.\n\n## Tags\n\nbread, flour\n");
    give(s, buf_str(&text), STOP_END_TURN);
    buf_free(&text);
    call = next_call(s);
    assert_string_equal(call.key, "expand");
    assert_int_equal(call.phase, PHASE_EXPANDING);
    assert_int_equal(call.expected_words, 350); /* 650 less 300 */
    struct ask a = read_request(call.user);
    assert_int_equal(a.n_points, 2); /* the two that are not covered */
    assert_string_equal(a.points[0], "Why a starter sours");
    assert_int_equal(a.from_s, 0);
    assert_int_equal(a.to_s, 240); /* the conclusion begins there */
    assert_non_null(strstr(call.user, "<missing>too_short: 300 of 650 words (46 %)</missing>"));
    assert_non_null(
        strstr(call.user, "<missing>tags_few: 2 tags, at least 20 are wanted</missing>"));
    char *more = write_chunk(&a);
    ask_free(&a);
    give(s, more, STOP_END_TURN);
    free(more);
    assert_int_equal(script_next(s, &call), SCRIPT_DONE);
    const char *t = script_text(s);
    assert_int_equal(words_count(t, strlen(t)), 650);
    const char *added = strstr(t, "] Why a starter sours"),
               *end = strstr(t, "### [04:00] Conclusion");
    assert_true(added != NULL && end != NULL && added < end);
    assert_non_null(strstr(t, "bread, flour, tag 0"));
    json_t *m = json_loads(script_metadata(s, 1, 0), 0, NULL);
    assert_int_equal(json_int(json_object_get(m, "quality"), "score", 0), 100);
    json_decref(m);
    script_free(s);
}

static void test_an_expansion_that_brings_nothing_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum stop_reason stop;
    } cases[] = {{"", STOP_END_TURN}, {"No.", STOP_REFUSAL}, {"Here is more:", STOP_END_TURN}};
    for (size_t i = 0; i < 3; i++) {
        struct script *s = make(SHORT);
        struct script_call call = next_call(s);
        give(s, "### [00:00] Start\n\nOne sentence only.", STOP_END_TURN);
        call = next_call(s);
        give(s, cases[i].text, cases[i].stop);
        assert_int_equal(script_next(s, &call), SCRIPT_DONE);
        assert_string_equal(script_text(s), "### [00:00] Start\n\nOne sentence only.\n");
        script_free(s);
    }
}

static void test_a_rejected_script_fails_for_good(void **state)
{
    (void)state;
    struct pipeline strict = *pipeline;
    strict.on_fail = ON_FAIL_FAIL;
    strict.min_score = 80;
    struct pipeline *kept = pipeline;
    pipeline = &strict;
    struct script *s = make(SHORT);
    struct script_call call = next_call(s);
    bool permanent = false;
    give(s, "### [00:00] Start\n\nOne sentence only.", STOP_END_TURN);
    call = next_call(s);
    give(s, "", STOP_END_TURN);
    assert_int_equal(script_next(s, &call), SCRIPT_FAILED);
    assert_non_null(strstr(script_error(s, &permanent), "at least 80 is wanted"));
    assert_true(permanent);
    script_free(s);
    pipeline = kept;
}

static void test_a_bad_chunk_is_written_again_and_the_better_one_stays(void **state)
{
    (void)state;
    struct pipeline strict = *pipeline;
    strict.on_fail = ON_FAIL_RETRY_STEP;
    strict.min_score = 80;
    struct pipeline *kept = pipeline;
    pipeline = &strict;
    for (int better = 0; better < 2; better++) {
        counter = 0;
        struct script *s = make(SHORT);
        struct script_call call = next_call(s);
        struct buf text = BUF_INIT(1u << 16);
        buf_puts(&text, "### [00:00] Start\n\n[insert name] TODO lorem ");
        put_words(&text, 270);
        buf_puts(&text, "## Description\n\nAll.\n\n## Tags\n\na, b, c, d, e, f, g, h, i, j, k, l, "
                        "m, n, o, p, q, r, s, t\n");
        give(s, buf_str(&text), STOP_END_TURN);
        call = next_call(s);
        assert_string_equal(call.key, "chunk_1.again");
        assert_non_null(strstr(call.user, "must not have: line 3: \"[insert name] TODO"));
        char *second = better ? model_answer(call.user) : mem_strdup("Worse.");
        give(s, second, STOP_END_TURN);
        free(second);
        assert_int_equal(script_next(s, &call), SCRIPT_DONE);
        assert_int_equal(strstr(script_text(s), "TODO") != NULL, !better);
        buf_free(&text);
        script_free(s);
    }
    pipeline = kept;
}

static void test_variants_move_from_the_text_to_the_metadata(void **state)
{
    (void)state;
    counter = 0;
    struct script *s = make("{\"topic\":\"Sourdough\",\"targetDuration\":120,\"variants\":2}");
    struct script_call call = next_call(s);
    assert_non_null(strstr(call.user, "<titles>2</titles>"));
    char *text = model_answer(call.user);
    char *with = mem_printf("%s\n## Titles\n\n- Bread that talks | Listen to this crust.\n"
                            "2. \"Ten loaves\" | 10 loaves failed.\n",
                            text);
    give(s, with, STOP_END_TURN);
    free(text);
    free(with);
    assert_int_equal(script_next(s, &call), SCRIPT_DONE);
    assert_null(strstr(script_text(s), "Titles"));
    json_t *m = json_loads(script_metadata(s, 1, 0), 0, NULL), *list = json_object_get(m, "titles");
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_array_get(list, 0)), "Bread that talks");
    assert_string_equal(json_string_value(json_array_get(list, 1)), "Ten loaves");
    list = json_object_get(m, "hooks");
    assert_string_equal(json_string_value(json_array_get(list, 1)), "10 loaves failed.");
    json_decref(m);
    script_free(s);
}

/* ---- resuming ---- */

struct saved {
    char key[48], hash[HASH_HEX_SIZE], *text;
    enum stop_reason stop;
};

/* Plays a 25-minute job whose every chunk is cut once, and keeps its checkpoints. */
static size_t play_with_cuts(struct script *s, struct saved *saved)
{
    struct script_call call;
    size_t n = 0;
    while (script_next(s, &call) == SCRIPT_CALL) {
        struct saved *c = &saved[n++];
        bool cut = call.resumable && strchr(call.key, '+') == NULL;
        (void)snprintf(c->key, sizeof(c->key), "%s", call.key);
        memcpy(c->hash, call.input_hash, HASH_HEX_SIZE);
        c->text = model_answer(call.user);
        c->stop = cut ? STOP_CUT : STOP_END_TURN;
        if (cut)
            c->text[script_salvage(&call, c->text, strlen(c->text) / 2)] = '\0';
        give(s, c->text, c->stop);
    }
    return n;
}

static void test_replayed_checkpoints_give_the_same_text(void **state)
{
    (void)state;
    counter = 0;
    struct saved saved[16];
    struct script *first = make(LONG), *second = make(LONG);
    size_t n = play_with_cuts(first, saved), i = 0;
    struct script_call call;
    assert_int_equal(n, 5); /* outline, and two chunks in two parts */
    while (script_next(second, &call) == SCRIPT_CALL) {
        assert_string_equal(call.key, saved[i].key);
        assert_string_equal(call.input_hash, saved[i].hash);
        give(second, saved[i].text, saved[i].stop);
        i++;
    }
    assert_int_equal(i, n);
    assert_string_equal(script_text(second), script_text(first));
    const char *metadata = script_metadata(first, 1, 0);
    assert_string_equal(script_metadata(second, 1, 0), metadata);
    for (i = 0; i < n; i++)
        free(saved[i].text);
    script_free(first);
    script_free(second);
}

/* ---- requests that cannot be run ---- */

static void check_refused(const char *request, const char *message)
{
    static const struct params_limits limits = {600, 14400};
    struct params params = {0};
    struct script *s = NULL;
    struct errmsg msg = {0};
    assert_int_equal(params_normalise(request, strlen(request), NULL, &limits, &params, &msg), OK);
    assert_int_equal(script_new(pipeline, catalog, &params, &s, &msg), ERR_INVALID);
    assert_null(s);
    assert_null(params.all);
    if (strstr(msg.text, message) == NULL)
        fail_msg("%s", msg.text);
}

static void test_an_unknown_model_is_refused_by_name(void **state)
{
    (void)state;
    check_refused("{\"topic\":\"x\",\"model\":\"gpt-9\"}", "model: \"gpt-9\" is not a model");
}

static void test_a_request_past_the_window_fails_and_says_so(void **state)
{
    (void)state;
    struct buf request = BUF_INIT(PARAMS_SIZE_MAX);
    buf_puts(
        &request,
        "{\"topic\":\"x\",\"model\":\"claude-haiku-4-5\",\"contentPoints\":[{\"title\":\"y\"}");
    for (int i = 0; i < 7; i++) { /* 40,000 words each, in a window of 200,000 tokens */
        buf_putf(&request, ",{\"title\":\"p%d\",\"description\":\"", i);
        for (int w = 0; w < 40000; w++)
            buf_puts(&request, "bread ");
        buf_puts(&request, "\"}");
    }
    buf_puts(&request, "]}");
    struct script *s = make(buf_str(&request));
    buf_free(&request);
    struct script_call call;
    bool permanent = false;
    assert_int_equal(script_next(s, &call), SCRIPT_FAILED);
    assert_non_null(strstr(script_error(s, &permanent), "the request is too long"));
    assert_true(permanent);
    script_free(s);
}

static void test_stop_reasons_go_there_and_back(void **state)
{
    (void)state;
    for (int r = 0; r < STOP_REASON_MAX; r++)
        assert_int_equal(stop_reason_parse(stop_reason_name((enum stop_reason)r)), r);
    assert_int_equal(stop_reason_parse("tool_use"), STOP_OTHER);
    assert_int_equal(stop_reason_parse(NULL), STOP_OTHER);
    assert_int_equal(stop_reason_parse("model_context_window_exceeded"), STOP_CONTEXT_EXCEEDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_length_takes_its_calls_and_passes_the_check),
        cmocka_unit_test(test_metadata_names_everything),
        cmocka_unit_test(test_chunks_are_told_what_they_need_and_no_more),
        cmocka_unit_test(test_the_hash_covers_the_request),
        cmocka_unit_test(test_a_cut_text_is_continued_and_joined),
        cmocka_unit_test(test_only_the_tags_are_asked_for_when_the_text_is_there),
        cmocka_unit_test(test_continuing_ends_after_eight_times),
        cmocka_unit_test(test_a_refusal_fails_for_good),
        cmocka_unit_test(test_an_empty_answer_is_asked_for_once_more),
        cmocka_unit_test(test_an_empty_continuation_means_finished),
        cmocka_unit_test(test_salvage_keeps_full_sentences_of_prose_only),
        cmocka_unit_test(test_a_bad_outline_is_repaired_once),
        cmocka_unit_test(test_without_a_usable_outline_it_goes_on),
        cmocka_unit_test(test_an_outline_only_job_ends_with_the_outline),
        cmocka_unit_test(test_a_short_script_is_expanded_and_never_shrinks),
        cmocka_unit_test(test_an_expansion_that_brings_nothing_changes_nothing),
        cmocka_unit_test(test_a_rejected_script_fails_for_good),
        cmocka_unit_test(test_a_bad_chunk_is_written_again_and_the_better_one_stays),
        cmocka_unit_test(test_variants_move_from_the_text_to_the_metadata),
        cmocka_unit_test(test_replayed_checkpoints_give_the_same_text),
        cmocka_unit_test(test_an_unknown_model_is_refused_by_name),
        cmocka_unit_test(test_a_request_past_the_window_fails_and_says_so),
        cmocka_unit_test(test_stop_reasons_go_there_and_back),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
