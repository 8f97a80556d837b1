/* In: a pipeline and a request. Out: the next call, and in the end the script. The machine's walk
 * from step to step; script_prompt.c words its calls, script_accept.c takes the answers. */
#include "job/script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/script_impl.h"

#define NOTES_MAX ((size_t)64 << 10)

/* ---- notes and failure ---- */

static char *format(const char *fmt, va_list ap)
{
    char line[1024];
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    return mem_strdup(line);
}

void script_note(struct script *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *line = format(fmt, ap);
    va_end(ap);
    if (s->notes.len + strlen(line) + 2 < NOTES_MAX)
        buf_putf(&s->notes, "%s%s", s->notes.len > 0 ? "\n" : "", line);
    free(line);
}

void script_fail(struct script *s, bool permanent, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    free(s->error);
    s->error = format(fmt, ap);
    va_end(ap);
    s->permanent = permanent;
    s->stage = STAGE_FAILED;
}

/* ---- a new script ---- */

static bool has_action(const struct pipeline *p, enum pipeline_action action)
{
    for (size_t i = 0; i < p->n_steps; i++)
        if (p->steps[i].action == action)
            return true;
    return false;
}

static enum err check_request(const struct pipeline *pipeline, const struct catalog *catalog,
                              const struct params *params, struct errmsg *msg)
{
    if (params->topic == NULL || *params->topic == '\0')
        return err_set(msg, ERR_INVALID, "topic: is missing; say what the video is about");
    if (params->duration_s < PLAN_DURATION_MIN_S || params->duration_s > PLAN_DURATION_MAX_S)
        return err_set(msg, ERR_INVALID, "targetDuration: must be %d to %d seconds",
                       PLAN_DURATION_MIN_S, PLAN_DURATION_MAX_S);
    if (params->outline_only && !has_action(pipeline, ACTION_OUTLINE))
        return err_set(msg, ERR_INVALID, "type: the pipeline \"%s\" has no outline step",
                       pipeline->name);
    enum err e = catalog_check_model(catalog, "model", params->model, msg);
    for (size_t i = 0; i < pipeline->n_steps && e == OK; i++)
        e = catalog_check_model(catalog, pipeline->steps[i].name, pipeline->steps[i].model, msg);
    return e;
}

static void enter_step(struct script *s);

enum err script_new(const struct pipeline *pipeline, const struct catalog *catalog,
                    struct params *params, struct script **ret_script, struct errmsg *msg)
{
    enum err e = check_request(pipeline, catalog, params, msg);
    if (e != OK) {
        params_free(params);
        return e;
    }
    struct script *s = mem_alloc(sizeof(*s));
    s->pipeline = pipeline;
    s->catalog = catalog;
    s->params = *params;
    *params = (struct params){0};
    s->plan = plan_make(s->params.duration_s, pipeline->wpm);
    s->text_of_step = BUF_INIT(SCRIPT_PART_MAX);
    s->notes = BUF_INIT(NOTES_MAX);
    int64_t window = script_model(s)->context_tokens;
    s->values = script_values(&s->params, pipeline,
                              window / 3 < pipeline->research_tokens ? window / 3
                                                                     : pipeline->research_tokens);
    enter_step(s);
    *ret_script = s;
    return OK;
}

void script_clear_call(struct script *s)
{
    free(s->system);
    free(s->user);
    s->system = s->user = NULL;
    s->call = (struct script_call){0};
    s->ready = false;
}

void script_free(struct script *s)
{
    if (s == NULL)
        return;
    script_clear_call(s);
    params_free(&s->params);
    json_decref(s->values);
    json_decref(s->outline);
    json_decref(s->titles);
    json_decref(s->hooks);
    buf_free(&s->text_of_step);
    buf_free(&s->notes);
    free(s->problem);
    free(s->previous);
    for (size_t i = 0; i < PLAN_CHUNKS_MAX; i++)
        free(s->chunks[i]);
    for (size_t i = 0; i < s->n_journal; i++) {
        free(s->journal[i].key);
        free(s->journal[i].model);
    }
    free(s->journal);
    report_free(&s->report);
    free(s->text);
    free(s->error);
    free(s->metadata);
    free(s);
}

const struct plan *script_plan(const struct script *s)
{
    return &s->plan;
}

/* ---- from step to step ---- */

void script_begin(struct script *s, enum stage stage)
{
    s->stage = stage;
    s->part = 0;
    s->asked_again = false;
    buf_clear(&s->text_of_step);
}

void script_set_text(struct script *s, char *text, struct report report)
{
    free(s->text);
    report_free(&s->report);
    s->text = text;
    s->report = report;
}

struct report script_check(const struct script *s, const char *text)
{
    struct report r;
    check_script(text, strlen(text), &s->plan, &s->params, s->pipeline, &r);
    return r;
}

/* The chunk with the most findings; the first of equals. */
static int worst_chunk(const struct script *s)
{
    int found[PLAN_CHUNKS_MAX + 1] = {0}, worst = 1;
    for (size_t i = 0; i < s->report.n; i++)
        if (s->report.items[i].chunk <= s->plan.chunks)
            found[s->report.items[i].chunk]++;
    for (int i = 2; i <= s->plan.chunks; i++)
        if (found[i] > found[worst])
            worst = i;
    return worst;
}

/* True when the step asks for a model call. */
static bool start_step(struct script *s, enum pipeline_action action)
{
    switch (action) {
    case ACTION_OUTLINE:
        if (!s->plan.outline && !s->params.outline_only)
            return false;
        script_begin(s, STAGE_OUTLINE);
        return true;
    case ACTION_WRITE:
        s->chunk = 1;
        script_begin(s, STAGE_CHUNK);
        return true;
    case ACTION_CHECK:
        if (s->pipeline->on_fail != ON_FAIL_RETRY_STEP || s->rewritten ||
            s->report.score >= s->pipeline->min_score)
            return false;
        s->rewritten = true;
        s->chunk = worst_chunk(s);
        script_note(s, "score %d is below %d: chunk %d is written again", s->report.score,
                    s->pipeline->min_score, s->chunk);
        script_begin(s, STAGE_AGAIN);
        return true;
    case ACTION_EXPAND:
        if (!report_has_gap(&s->report))
            return false;
        s->round = 1;
        script_begin(s, STAGE_EXPAND);
        return true;
    case ACTION_SAVE:
    case ACTION_MAX:
        break;
    }
    return false;
}

/* Goes on to the next step that asks for a call, or to the end. */
static void enter_step(struct script *s)
{
    for (; s->step < s->pipeline->n_steps; s->step++)
        if (start_step(s, s->pipeline->steps[s->step].action))
            return;
    if (s->pipeline->on_fail == ON_FAIL_FAIL && s->report.score < s->pipeline->min_score) {
        script_fail(s, true,
                    "quality: the script scores %d, at least %d is wanted; first finding: %s",
                    s->report.score, s->pipeline->min_score,
                    s->report.n > 0 ? s->report.items[0].detail : "none");
        return;
    }
    script_save(s);
    s->stage = STAGE_DONE;
}

void script_next_step(struct script *s)
{
    s->step++;
    enter_step(s);
}

/* ---- what the engine sees ---- */

enum script_do script_next(struct script *s, struct script_call *ret_call)
{
    if (s->stage < STAGE_DONE && !s->ready)
        s->ready = script_prompt(s);
    if (s->stage == STAGE_DONE)
        return SCRIPT_DONE;
    if (s->stage == STAGE_FAILED)
        return SCRIPT_FAILED;
    *ret_call = s->call;
    return SCRIPT_CALL;
}

const char *script_text(const struct script *s)
{
    return s->text == NULL ? "" : s->text;
}

const char *script_error(const struct script *s, bool *ret_permanent)
{
    *ret_permanent = s->permanent;
    return s->error == NULL ? "" : s->error;
}

const char *script_notes(const struct script *s)
{
    return buf_str(&s->notes);
}
