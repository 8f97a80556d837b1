/* In: pipeline.yaml and prompt files. Out: steps with parsed prompts, limits, a version. */
#include "job/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "job/plan.h"

#define MAIN_FILE          "pipeline.yaml"
#define FILE_SIZE_MAX      ((size_t)256 << 10)
#define VERSION_DIGITS     12
#define MAX_TOKENS_DEFAULT 8192
#define TOKENS_MAX         1000000 /* far past what any model writes at once */
#define SCORE_MAX          100
#define WPM_MIN            50
#define WPM_MAX            400
#define RESEARCH_DEFAULT   20000

struct reader {
    const struct pipeline_file *files;
    size_t n_files;
    struct errmsg *msg;
    struct pipeline *p;
};

/* What the actions need. A row more here is all that a new action costs this file. */
static const struct action_rule {
    const char *name;
    bool calls_model; /* takes prompt, system, model and token limits */
    bool repairs;     /* takes repair */
    bool required;    /* a pipeline has exactly one such step; otherwise at most one */
} actions[] = {
    [ACTION_OUTLINE] = {"outline", true, true, false},
    [ACTION_WRITE] = {"write", true, false, true},
    [ACTION_CHECK] = {"check", false, false, false},
    [ACTION_EXPAND] = {"expand", true, false, false},
    [ACTION_SAVE] = {"save", false, false, true},
};
static const char *const action_names[] = {"outline", "write", "check", "expand", "save", NULL};
static const char *const on_fail_names[] = {"deliver", "retry_step", "fail", NULL};

/* ---- pipeline.yaml as it is written ---- */

struct head {
    char *name, *continuation;
    int64_t wpm, research_tokens;
    const struct yaml *quality, *steps;
};

static const struct yaml_field head_fields[] = {
    {.name = "name",
     .type = YAML_F_STRING,
     .offset = offsetof(struct head, name),
     .required = true},
    {.name = "words_per_minute",
     .type = YAML_F_INT,
     .offset = offsetof(struct head, wpm),
     .min = WPM_MIN,
     .max = WPM_MAX},
    {.name = "research_tokens",
     .type = YAML_F_INT,
     .offset = offsetof(struct head, research_tokens),
     .min = 0,
     .max = TOKENS_MAX},
    {.name = "continuation",
     .type = YAML_F_STRING,
     .offset = offsetof(struct head, continuation),
     .required = true},
    {.name = "quality", .type = YAML_F_NODE, .offset = offsetof(struct head, quality)},
    {.name = "steps",
     .type = YAML_F_NODE,
     .offset = offsetof(struct head, steps),
     .required = true},
    {.name = NULL}};

struct quality {
    int on_fail;
    int64_t min_score;
    struct yaml_strings forbidden;
};

static const struct yaml_field quality_fields[] = {
    {.name = "on_fail",
     .type = YAML_F_ENUM,
     .offset = offsetof(struct quality, on_fail),
     .names = on_fail_names},
    {.name = "min_score",
     .type = YAML_F_INT,
     .offset = offsetof(struct quality, min_score),
     .min = 0,
     .max = SCORE_MAX},
    {.name = "forbidden", .type = YAML_F_STRINGS, .offset = offsetof(struct quality, forbidden)},
    {.name = NULL}};

struct step {
    char *name, *system, *prompt, *repair, *model;
    int action;
    int64_t max_tokens, max_tokens_per_chunk, max_tokens_cap;
};

static const struct yaml_field step_fields[] = {
    {.name = "name",
     .type = YAML_F_STRING,
     .offset = offsetof(struct step, name),
     .required = true},
    {.name = "action",
     .type = YAML_F_ENUM,
     .offset = offsetof(struct step, action),
     .required = true,
     .names = action_names},
    {.name = "system", .type = YAML_F_STRING, .offset = offsetof(struct step, system)},
    {.name = "prompt", .type = YAML_F_STRING, .offset = offsetof(struct step, prompt)},
    {.name = "repair", .type = YAML_F_STRING, .offset = offsetof(struct step, repair)},
    {.name = "model", .type = YAML_F_STRING, .offset = offsetof(struct step, model)},
    {.name = "max_tokens",
     .type = YAML_F_INT,
     .offset = offsetof(struct step, max_tokens),
     .min = 1,
     .max = TOKENS_MAX},
    {.name = "max_tokens_per_chunk",
     .type = YAML_F_INT,
     .offset = offsetof(struct step, max_tokens_per_chunk),
     .min = 0,
     .max = TOKENS_MAX},
    {.name = "max_tokens_cap",
     .type = YAML_F_INT,
     .offset = offsetof(struct step, max_tokens_cap),
     .min = 1,
     .max = TOKENS_MAX},
    {.name = NULL}};

/* ---- from there to the pipeline ---- */

static const struct pipeline_file *find_file(const struct reader *r, const char *name)
{
    for (size_t i = 0; i < r->n_files; i++) {
        if (strcmp(r->files[i].name, name) == 0)
            return &r->files[i];
    }
    return NULL;
}

static enum err refuse(const struct reader *r, int line, const char *what, const char *name)
{
    return err_set(r->msg, ERR_INVALID, "%s:%d: %s '%.100s'", MAIN_FILE, line, what, name);
}

/* `name` as given for `member` of `map`; NULL leaves *ret as it is. */
static enum err load_prompt(const struct reader *r, const struct yaml *map, const char *member,
                            const char *name, struct template **ret)
{
    if (name == NULL)
        return OK;
    const struct pipeline_file *file = find_file(r, name);
    if (file == NULL)
        return refuse(r, yaml_get(map, member)->line, "there is no prompt file", name);
    return template_parse(file->text, file->len, file->name, ret, r->msg);
}

static enum err load_prompts(const struct reader *r, const struct yaml *map, const struct step *s,
                             struct pipeline_step *step)
{
    enum err e = load_prompt(r, map, "system", s->system, &step->system);
    if (e == OK)
        e = load_prompt(r, map, "prompt", s->prompt, &step->prompt);
    return e != OK ? e : load_prompt(r, map, "repair", s->repair, &step->repair);
}

/* A member that the step's action has no use for is a mistake worth telling. */
static enum err check_members(const struct reader *r, const struct yaml *map,
                              const struct action_rule *rule)
{
    for (const struct yaml *c = map->child; c != NULL; c = c->next) {
        bool always = strcmp(c->key, "name") == 0 || strcmp(c->key, "action") == 0;
        bool taken = strcmp(c->key, "repair") == 0 ? rule->repairs : rule->calls_model;
        if (!always && !taken)
            return err_set(r->msg, ERR_INVALID, "%s:%d: a step with action '%s' takes no '%s'",
                           MAIN_FILE, c->line, rule->name, c->key);
    }
    if (rule->calls_model && yaml_get(map, "prompt") == NULL)
        return refuse(r, map->line, "'prompt' is missing in a step with action", rule->name);
    return OK;
}

/* Commands and messages name a step: each has a name of its own. */
static enum err check_name(const struct reader *r, const struct yaml *map, const char *name)
{
    int line = yaml_get(map, "name")->line;
    if (name[0] == '\0')
        return err_set(r->msg, ERR_INVALID, "%s:%d: 'name' is empty", MAIN_FILE, line);
    for (size_t i = 0; i < r->p->n_steps; i++) {
        if (strcmp(r->p->steps[i].name, name) == 0)
            return refuse(r, line, "there is a step of that name already:", name);
    }
    return OK;
}

/* Steps run in the order of enum pipeline_action, each action at most once. */
static enum err check_order(const struct reader *r, const struct yaml *map, int action)
{
    if (r->p->n_steps == 0)
        return OK;
    enum pipeline_action before = r->p->steps[r->p->n_steps - 1].action;
    if (action > (int)before)
        return OK;
    return err_set(r->msg, ERR_INVALID, "%s:%d: action '%s' cannot come behind '%s'", MAIN_FILE,
                   map->line, actions[action].name, actions[before].name);
}

static void step_free(struct step *s)
{
    free(s->name);
    free(s->system);
    free(s->prompt);
    free(s->repair);
    free(s->model);
}

static enum err read_step(struct reader *r, const struct yaml *map)
{
    struct step s = {.max_tokens = MAX_TOKENS_DEFAULT, .max_tokens_cap = INT64_MAX};
    enum err e = yaml_bind(map, MAIN_FILE, step_fields, &s, r->msg);
    if (e == OK)
        e = check_members(r, map, &actions[s.action]);
    if (e == OK)
        e = check_order(r, map, s.action);
    if (e == OK)
        e = check_name(r, map, s.name);
    if (e == OK) {
        struct pipeline_step *step = &r->p->steps[r->p->n_steps++];
        *step =
            (struct pipeline_step){.name = s.name,
                                   .action = (enum pipeline_action)s.action,
                                   .model = s.model,
                                   .model_line = s.model != NULL ? yaml_get(map, "model")->line : 0,
                                   .max_tokens = s.max_tokens,
                                   .max_tokens_per_chunk = s.max_tokens_per_chunk,
                                   .max_tokens_cap = s.max_tokens_cap};
        s.name = s.model = NULL;
        e = load_prompts(r, map, &s, step);
    }
    step_free(&s);
    return e;
}

static enum err read_steps(struct reader *r, const struct yaml *list)
{
    size_t n = 0;
    bool seen[ACTION_MAX] = {false};
    if (list->kind != YAML_LIST)
        return refuse(r, list->line, "a list is wanted for", "steps");
    for (const struct yaml *c = list->child; c != NULL; c = c->next)
        n++;
    if (n > PIPELINE_STEPS_MAX)
        return err_set(r->msg, ERR_INVALID, "%s:%d: %zu steps; at most %d", MAIN_FILE, list->line,
                       n, PIPELINE_STEPS_MAX);
    r->p->steps = mem_array(n + 1, sizeof(*r->p->steps));
    for (const struct yaml *c = list->child; c != NULL; c = c->next) {
        enum err e = read_step(r, c);
        if (e != OK)
            return e;
        seen[r->p->steps[r->p->n_steps - 1].action] = true;
    }
    for (int i = 0; i < ACTION_MAX; i++) {
        if (actions[i].required && !seen[i])
            return refuse(r, list->line, "there is no step with action", actions[i].name);
    }
    return OK;
}

static enum err read_quality(struct reader *r, const struct yaml *map)
{
    struct quality quality = {.on_fail = ON_FAIL_DELIVER};
    if (map == NULL)
        return OK;
    enum err e = yaml_bind(map, MAIN_FILE, quality_fields, &quality, r->msg);
    if (e != OK)
        return e;
    r->p->on_fail = (enum on_fail)quality.on_fail;
    r->p->min_score = (int)quality.min_score;
    r->p->forbidden = quality.forbidden;
    return OK;
}

static enum err read_head(struct reader *r, const struct yaml *root)
{
    struct head head = {.wpm = PLAN_WPM_DEFAULT, .research_tokens = RESEARCH_DEFAULT};
    enum err e = yaml_bind(root, MAIN_FILE, head_fields, &head, r->msg);
    if (e != OK)
        return e;
    r->p->name = head.name;
    r->p->wpm = (int)head.wpm;
    r->p->research_tokens = head.research_tokens;
    e = check_name(r, root, head.name);
    if (e == OK)
        e = load_prompt(r, root, "continuation", head.continuation, &r->p->continuation);
    free(head.continuation);
    if (e == OK)
        e = read_quality(r, head.quality);
    return e != OK ? e : read_steps(r, head.steps);
}

static int by_name(const void *a, const void *b)
{
    const struct pipeline_file *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* Of names and contents, whatever the order in which the files came. */
static char *hash_of(const struct pipeline_file *files, size_t n)
{
    const struct pipeline_file **sorted = mem_array(n, sizeof(const struct pipeline_file *));
    for (size_t i = 0; i < n; i++)
        sorted[i] = &files[i];
    qsort(sorted, n, sizeof(const struct pipeline_file *), by_name);
    struct hash *hash = hash_new();
    for (size_t i = 0; i < n; i++) {
        char *length = mem_printf("%zu", sorted[i]->len);
        hash_add_field(hash, sorted[i]->name);
        hash_add_field(hash, length);
        hash_add(hash, sorted[i]->text, sorted[i]->len);
        free(length);
    }
    char hex[HASH_HEX_SIZE];
    hash_finish(hash, hex);
    free(sorted);
    return mem_strdup(hex);
}

static enum err check_files(const struct reader *r)
{
    for (size_t i = 0; i < r->n_files; i++) {
        if (r->files[i].len > FILE_SIZE_MAX)
            return err_set(r->msg, ERR_TOO_BIG, "%s: larger than %zu bytes", r->files[i].name,
                           FILE_SIZE_MAX);
    }
    if (find_file(r, MAIN_FILE) == NULL)
        return err_set(r->msg, ERR_INVALID, "%s: there is no such file in the pipeline", MAIN_FILE);
    return OK;
}

enum err pipeline_parse(const struct pipeline_file *files, size_t n, struct pipeline **ret_pipeline,
                        struct errmsg *msg)
{
    struct reader r = {.files = files, .n_files = n, .msg = msg};
    struct yaml *root = NULL;
    enum err e = check_files(&r);
    if (e != OK)
        return e;
    const struct pipeline_file *main_file = find_file(&r, MAIN_FILE);
    e = yaml_parse(main_file->text, main_file->len, MAIN_FILE, &root, msg);
    if (e != OK)
        return e;
    r.p = mem_alloc(sizeof(*r.p));
    e = read_head(&r, root);
    yaml_free(root);
    if (e != OK) {
        pipeline_free(r.p);
        return e;
    }
    r.p->hash = hash_of(files, n);
    r.p->version = mem_strndup(r.p->hash, VERSION_DIGITS);
    r.p->deployment = -1;
    *ret_pipeline = r.p;
    return OK;
}

enum err pipeline_check_models(const struct pipeline *p, const struct catalog *catalog,
                               struct errmsg *msg)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        const struct pipeline_step *step = &p->steps[i];
        if (step->model != NULL && catalog_model(catalog, step->model) == NULL)
            return err_set(msg, ERR_INVALID,
                           "%s:%d: there is no model '%.100s' among those that may be used",
                           MAIN_FILE, step->model_line, step->model);
    }
    return OK;
}

void pipeline_free(struct pipeline *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n_steps; i++) {
        free(p->steps[i].name);
        free(p->steps[i].model);
        template_free(p->steps[i].system);
        template_free(p->steps[i].prompt);
        template_free(p->steps[i].repair);
    }
    free(p->steps);
    template_free(p->continuation);
    yaml_strings_free(&p->forbidden);
    free(p->name);
    free(p->version);
    free(p->hash);
    free(p);
}
