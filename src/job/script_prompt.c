/* In: where a script stands. Out: the next model call: prompts from the pipeline's templates, the
 * request block, limits, and the hash of it all. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/check.h"
#include "job/join.h"
#include "job/outline.h"
#include "job/script_impl.h"
#include "job/section.h"

#define TAIL_WORDS         50  /* of the chunk before, quoted to the next one */
#define WRITTEN_WORDS      250 /* of a cut text, quoted to its continuation */
#define OUTLINE_WORDS_EACH 220 /* what an outline takes per chunk, for progress */

/* ---- what the stage asks for ---- */

const struct pipeline_step *script_step(const struct script *s)
{
    static const enum pipeline_action actions[STAGE_MAX] = {
        [STAGE_OUTLINE] = ACTION_OUTLINE, [STAGE_REPAIR] = ACTION_OUTLINE,
        [STAGE_CHUNK] = ACTION_WRITE,     [STAGE_AGAIN] = ACTION_WRITE,
        [STAGE_EXPAND] = ACTION_EXPAND,   [STAGE_DONE] = ACTION_WRITE,
        [STAGE_FAILED] = ACTION_WRITE,
    };
    for (size_t i = 0; i < s->pipeline->n_steps; i++)
        if (s->pipeline->steps[i].action == actions[s->stage])
            return &s->pipeline->steps[i];
    return &s->pipeline->steps[0];
}

const struct model *script_model(const struct script *s)
{
    const struct pipeline_step *step = script_step(s);
    const char *name = step->model != NULL ? step->model : s->params.model;
    const struct model *model = name != NULL ? catalog_model(s->catalog, name) : NULL;
    return model != NULL ? model : catalog_default(s->catalog);
}

/* ---- the values of a call ---- */

static void set_text_value(json_t *values, const char *name, const char *text, size_t n)
{
    json_object_set_new(values, name, json_stringn(text, n));
}

static void set_plan(const struct script *s, json_t *values, const struct request *r)
{
    char from[REQUEST_TIME_SIZE], to[REQUEST_TIME_SIZE], total[REQUEST_TIME_SIZE];
    json_t *plan = json_pack(
        "{s:i, s:i, s:i, s:i, s:s, s:s, s:s, s:I, s:b, s:b, s:b, s:i, s:i, s:b}", "words",
        s->plan.words, "chunkWords", r->words, "chunks", s->plan.chunks, "chunk", r->chunk, "from",
        request_time(r->from_s, from), "to", request_time(r->to_s, to), "length",
        request_time(s->plan.duration_s, total), "minutes", (s->plan.duration_s + 30) / 60, "first",
        r->first, "last", r->last, "single", s->plan.chunks == 1, "tags", r->tags, "titles",
        script_asked_titles(s, r), "sponsor", script_sponsor_here(s) != NULL);
    json_object_set_new(values, "plan", plan);
}

/* "- [02:30] Shaping", one line per section. */
static void put_headings(const char *text, size_t n, struct buf *out)
{
    struct sections sections;
    char at[REQUEST_TIME_SIZE];
    sections_scan(text, n, &sections);
    for (size_t i = 0; i < sections.n && sections.items[i].kind == SECTION_SPOKEN; i++) {
        const struct section *c = &sections.items[i];
        if (c->title_len > 0 && c->at_s >= 0)
            buf_putf(out, "- [%s] %.*s\n", request_time(c->at_s, at), (int)c->title_len, c->title);
        else if (c->title_len > 0)
            buf_putf(out, "- %.*s\n", (int)c->title_len, c->title);
    }
    sections_free(&sections);
}

/* What earlier chunks covered, by the outline or else by their headings, and their last words. */
static void set_so_far(const struct script *s, json_t *values)
{
    if (!script_is_chunk(s) || s->chunk == 1)
        return;
    struct buf covered = BUF_INIT(SCRIPT_PROMPT_MAX);
    if (s->outline != NULL)
        outline_before(s->outline, s->chunk, &covered);
    for (int i = 0; s->outline == NULL && i < s->chunk - 1; i++)
        put_headings(s->chunks[i], strlen(s->chunks[i]), &covered);
    const char *before = s->chunks[s->chunk - 2];
    size_t n = strlen(before), start = join_tail(before, n, TAIL_WORDS);
    while (n > start && strchr(" \t\r\n", before[n - 1]) != NULL)
        n--;
    json_t *so_far = json_object();
    set_text_value(so_far, "covered", buf_str(&covered), covered.len);
    set_text_value(so_far, "tail", before + start, n - start);
    json_object_set_new(values, "so_far", so_far);
    buf_free(&covered);
}

static void set_outline(const struct script *s, json_t *values)
{
    if (s->outline == NULL || !script_is_chunk(s))
        return;
    struct buf out = BUF_INIT(SCRIPT_PROMPT_MAX);
    outline_chunk(s->outline, s->chunk, &out);
    set_text_value(values, "outline", buf_str(&out), out.len);
    buf_free(&out);
}

/* The part of the script that an expansion belongs to: between two times, or all that is spoken. */
static void set_script(const struct script *s, json_t *values)
{
    struct gaps g = script_gaps(s);
    int64_t from_s = 0, to_s = s->plan.duration_s;
    struct sections sections;
    struct buf headings = BUF_INIT(SCRIPT_PROMPT_MAX);
    size_t n = strlen(s->text), start = 0, end;
    sections_scan(s->text, n, &sections);
    end = sections.spoken_end;
    if (g.chunk > 0)
        plan_chunk_span(&s->plan, g.chunk, &from_s, &to_s);
    for (size_t i = sections.n; i-- > 0;) {
        const struct section *c = &sections.items[i];
        if (g.chunk > 0 && c->kind == SECTION_SPOKEN && c->at_s >= to_s)
            end = c->start;
        if (g.chunk > 1 && c->kind == SECTION_SPOKEN && c->at_s >= from_s)
            start = c->start;
    }
    put_headings(s->text, n, &headings);
    set_text_value(values, "headings", buf_str(&headings), headings.len);
    set_text_value(values, "script", s->text + start, end > start ? end - start : 0);
    json_object_set_new(values, "wants_description", json_boolean(g.description));
    json_object_set_new(values, "wants_tags", json_boolean(g.tags));
    buf_free(&headings);
    sections_free(&sections);
}

static void set_findings(const struct script *s, json_t *values)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->report.n; i++) {
        const struct finding *f = &s->report.items[i];
        bool here = s->stage == STAGE_AGAIN ? f->chunk == 0 || f->chunk == s->chunk : f->gap;
        if (here)
            json_array_append_new(list, json_string(f->detail));
    }
    json_object_set_new(values, s->stage == STAGE_AGAIN ? "findings" : "gaps", list);
}

/* Everything a template of this stage may look up, but for the request block. Owned. */
static json_t *call_values(const struct script *s, const struct request *r, json_t *points,
                           json_t *phrases)
{
    json_t *v = json_copy(s->values);
    set_plan(s, v, r);
    set_so_far(s, v);
    set_outline(s, v);
    json_object_set(v, "points", points);
    json_object_set(v, "include", phrases);
    if (s->stage == STAGE_AGAIN || s->stage == STAGE_EXPAND)
        set_findings(s, v);
    if (s->stage == STAGE_EXPAND)
        set_script(s, v);
    if (s->stage == STAGE_REPAIR) {
        set_text_value(v, "problem", s->problem, strlen(s->problem));
        json_t *previous = json_string(s->previous);
        json_object_set_new(v, "previous", previous != NULL ? previous : json_string(""));
    }
    return v;
}

/* ---- filling ---- */

static void set_key(struct script *s)
{
    char *base;
    switch (s->stage) {
    case STAGE_CHUNK:
        base = mem_printf("chunk_%d", s->chunk);
        break;
    case STAGE_AGAIN:
        base = mem_printf("chunk_%d.again", s->chunk);
        break;
    case STAGE_EXPAND:
        base = s->round == 1 ? mem_strdup("expand") : mem_printf("expand_%d", s->round);
        break;
    default:
        base = mem_strdup(s->stage == STAGE_REPAIR ? "outline+repair" : "outline");
        break;
    }
    if (s->part == 0)
        (void)snprintf(s->key, sizeof(s->key), "%s", base);
    else
        (void)snprintf(s->key, sizeof(s->key), "%s+%d", base, s->part);
    free(base);
}

static enum err fill(const struct template *t, json_t *values, char **ret_text)
{
    struct buf out = BUF_INIT(SCRIPT_PROMPT_MAX);
    enum err e = t == NULL ? OK : template_fill(t, values, &out);
    if (e == OK)
        *ret_text = buf_take(&out);
    else
        buf_free(&out);
    return e;
}

/* The step's own prompt, and for the rest of a cut text that prompt without its request block
 * inside the continuation's. */
static enum err fill_user(const struct script *s, json_t *values, const char *request,
                          char **ret_user)
{
    const struct pipeline_step *step = script_step(s);
    const struct template *t = s->stage == STAGE_REPAIR ? step->repair : step->prompt;
    if (s->part == 0 || s->text_of_step.len == 0) {
        json_object_set_new(values, "request", json_string(request));
        return fill(t, values, ret_user);
    }
    char *prompt = NULL;
    enum err e = fill(t, values, &prompt);
    if (e != OK)
        return e;
    const char *text = buf_str(&s->text_of_step);
    size_t n = s->text_of_step.len, start = join_tail(text, n, WRITTEN_WORDS);
    struct buf headings = BUF_INIT(SCRIPT_PROMPT_MAX);
    put_headings(text, n, &headings);
    json_object_set_new(values, "prompt", json_string(prompt));
    set_text_value(values, "written", text + start, n - start);
    set_text_value(values, "headings", buf_str(&headings), headings.len);
    json_object_set_new(values, "request", json_string(request));
    buf_free(&headings);
    free(prompt);
    return fill(s->pipeline->continuation, values, ret_user);
}

static void hash_call(struct script_call *c)
{
    struct hash *h = hash_new();
    char number[24];
    (void)snprintf(number, sizeof(number), "%" PRId64, c->max_tokens);
    hash_add_field(h, c->model);
    hash_add_field(h, c->system);
    hash_add_field(h, c->user);
    hash_add_field(h, number);
    hash_add_field(h, c->schema);
    hash_finish(h, c->input_hash);
}

static int64_t max_tokens(const struct script *s)
{
    const struct pipeline_step *step = script_step(s);
    const struct model *model = script_model(s);
    int64_t n = step->max_tokens + step->max_tokens_per_chunk * s->plan.chunks;
    if (step->max_tokens_cap > 0 && n > step->max_tokens_cap)
        n = step->max_tokens_cap;
    return model->max_output_tokens > 0 && n > model->max_output_tokens ? model->max_output_tokens
                                                                        : n;
}

static void set_call(struct script *s, const struct request *r)
{
    const struct model *model = script_model(s);
    bool json = s->stage == STAGE_OUTLINE || s->stage == STAGE_REPAIR;
    s->call = (struct script_call){
        .key = s->key,
        .phase = json                 ? PHASE_OUTLINE
                 : script_is_chunk(s) ? PHASE_CHUNK
                                      : PHASE_EXPANDING,
        .chunk = script_is_chunk(s) ? s->chunk : 0,
        .chunks = script_is_chunk(s) ? s->plan.chunks : 0,
        .model = model->id,
        .system = s->system,
        .user = s->user,
        .max_tokens = max_tokens(s),
        .schema = json && model->schema ? outline_schema() : NULL,
        .expected_words = json ? OUTLINE_WORDS_EACH * s->plan.chunks : r->words,
        .written_words = words_count(buf_str(&s->text_of_step), s->text_of_step.len),
        .resumable = !json,
    };
    hash_call(&s->call);
}

static enum err build(struct script *s)
{
    struct request r = script_request(s);
    json_t *points = script_asked_points(s), *phrases = script_asked_phrases(s);
    json_t *values = call_values(s, &r, points, phrases);
    char *request = script_request_text(s, &r, points, phrases);
    free(s->system);
    free(s->user);
    s->system = s->user = NULL;
    enum err e = fill_user(s, values, request, &s->user);
    if (e == OK)
        e = fill(script_step(s)->system, values, &s->system);
    if (e == OK)
        set_call(s, &r);
    free(request);
    json_decref(values);
    json_decref(points);
    json_decref(phrases);
    return e;
}

/* Tokens by which the call passes the model's window; 0 when it fits. */
static int64_t excess(const struct script *s)
{
    int64_t window = script_model(s)->context_tokens;
    int64_t n = tokens_estimate(s->user, strlen(s->user)) + s->call.max_tokens;
    if (s->system != NULL)
        n += tokens_estimate(s->system, strlen(s->system));
    return window > 0 && n > window ? n - window : 0;
}

static void drop_research(struct script *s)
{
    static const char *const members[] = {"research", "research_summary", "research_insights",
                                          "sources"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        json_object_del(s->values, members[i]);
}

bool script_prompt(struct script *s)
{
    set_key(s);
    enum err e = build(s);
    if (e == OK && excess(s) > 0 && json_object_get(s->values, "research") != NULL) {
        script_note(s, "%s: too long for the model's window, the research is left out", s->key);
        drop_research(s);
        e = build(s);
    }
    if (e == OK && excess(s) == 0)
        return true;
    script_fail(s, true,
                "the request is too long for %s by about %" PRId64 " tokens; shorten its texts "
                "(targetAudience, contentPoints ...) or choose a model with a larger window",
                script_model(s)->id, e == OK ? excess(s) : (int64_t)0);
    return false;
}
