/* In: a pipeline's templates. Out: names that they lack, and names that nothing gives. */
#include "job/prompt_names.h"

#include <string.h>

/* docs/pipelines.md tells what each holds. "a." stands for all members of a. */
static const char *const given[] = {
    /* the request's members */
    "topic", "title", "tone", "hook", "thumbnail", "cta", "language", "pointOfView", "model",
    "type", "platform", "mode", "targetDuration", "variants", "audience", "audience.", "voice",
    "voice.", "frame", "frame.", "contentPoints", "research", "research.", "sponsor", "sponsor.",
    "mustInclude", "mustAvoid", "exports", "deadline", "idempotencyKey", "maxCostUsd",
    /* made of them */
    "audience_text", "voice_text", "frame_text", "sponsor_text", "platform_is.", "research_summary",
    "research_insights", "sources", "all_points", "avoid", "include", "points", "words_per_minute",
    /* of the call */
    "plan", "plan.words", "plan.minutes", "plan.length", "plan.chunks", "plan.single", "plan.chunk",
    "plan.from", "plan.to", "plan.chunkWords", "plan.first", "plan.last", "plan.tags",
    "plan.titles", "plan.sponsor", "request", "outline", "so_far", "so_far.covered", "so_far.tail",
    "findings", "problem", "previous", "gaps", "headings", "script", "wants_description",
    "wants_tags", "prompt", "written",
    /* of the elements of lists */
    "about", "takeaway", "seconds", "name", "url", "text", "verified", "starred", "content",
    "description", "keyTakeaway", "duration"};

static bool is_given(const char *name)
{
    const char *dot = strchr(name, '.');
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        if (strcmp(given[i], name) == 0)
            return true;
        size_t n = strlen(given[i]);
        if (dot != NULL && given[i][n - 1] == '.' && strncmp(given[i], name, n) == 0)
            return true;
    }
    return false;
}

/* ---- what is missing ---- */

static void note_request(void *ctx, const char *name, int line)
{
    bool *found = ctx;
    (void)line;
    *found = *found || strcmp(name, "request") == 0;
}

static enum err check_prompt(const struct template *t, struct errmsg *msg)
{
    bool found = t == NULL;
    if (t != NULL)
        template_names(t, note_request, &found);
    if (found)
        return OK;
    return err_set(msg, ERR_INVALID,
                   "%s: {{request}} is missing: it says what is asked for; place it at the very "
                   "end",
                   template_file(t));
}

enum err prompt_names_check(const struct pipeline *p, struct errmsg *msg)
{
    enum err e = check_prompt(p->continuation, msg);
    for (size_t i = 0; i < p->n_steps && e == OK; i++) {
        e = check_prompt(p->steps[i].prompt, msg);
        if (e == OK)
            e = check_prompt(p->steps[i].repair, msg);
    }
    return e;
}

/* ---- what nothing gives ---- */

struct search {
    const struct template *t;
    void (*fn)(void *ctx, const char *file, int line, const char *name);
    void *ctx;
};

static void look_at(void *ctx, const char *name, int line)
{
    const struct search *s = ctx;
    if (!is_given(name))
        s->fn(s->ctx, template_file(s->t), line, name);
}

/* Steps may share a file, most often that of the system: it is read once. */
static bool is_read(const struct template *const *seen, size_t n, const struct template *t)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(template_file(seen[i]), template_file(t)) == 0)
            return true;
    }
    return false;
}

void prompt_names_unknown(const struct pipeline *p,
                          void (*fn)(void *ctx, const char *file, int line, const char *name),
                          void *ctx)
{
    const struct template *seen[1 + 3 * PIPELINE_STEPS_MAX];
    size_t n = 0;
    for (size_t i = 0; i <= p->n_steps; i++) {
        const struct pipeline_step *step = i < p->n_steps ? &p->steps[i] : NULL;
        const struct template *const of_step[] = {step != NULL ? step->system : p->continuation,
                                                  step != NULL ? step->prompt : NULL,
                                                  step != NULL ? step->repair : NULL};
        for (size_t k = 0; k < sizeof of_step / sizeof of_step[0]; k++) {
            if (of_step[k] == NULL || is_read(seen, n, of_step[k]))
                continue;
            struct search s = {of_step[k], fn, ctx};
            template_names(of_step[k], look_at, &s);
            seen[n++] = of_step[k];
        }
    }
}
