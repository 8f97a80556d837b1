/* In: a pipeline's files (pipeline.yaml and prompts). Out: the pipeline as data. Pure: the caller
 * brings the files. */
#ifndef JOB_PIPELINE_H
#define JOB_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "job/price.h"
#include "text/template.h"
#include "text/yaml.h"

struct pipeline_file {
    const char *name; /* "pipeline.yaml", "outline.md" */
    const char *text;
    size_t len;
};

#define PIPELINE_STEPS_MAX 16

enum pipeline_action { /* what a step does; the code behind each is in job/script.c */
                       ACTION_OUTLINE, /* one model call, JSON */
                       ACTION_WRITE,   /* one model call per chunk */
                       ACTION_CHECK,   /* code: findings */
                       ACTION_EXPAND,  /* one model call when the check found gaps */
                       ACTION_SAVE,    /* code: stitch and metadata */
                       ACTION_MAX
};

struct pipeline_step {
    char *name;
    enum pipeline_action action;
    struct template *system, *prompt, *repair; /* NULL where the action has none */
    char *model;    /* id or alias; NULL = the request's, else the catalogue's default */
    int model_line; /* where pipeline.yaml names it */
    int64_t max_tokens, max_tokens_per_chunk, max_tokens_cap; /* base + per_chunk * n, <= cap */
};

enum on_fail { ON_FAIL_DELIVER, ON_FAIL_RETRY_STEP, ON_FAIL_FAIL, ON_FAIL_MAX };

struct pipeline {
    char *name, *version; /* version: the first 12 digits of hash */
    char *hash;           /* SHA-256 over all files, in hexadecimal */
    int deployment; /* its number in the store; 0 = built in, -1 = none; the caller's to set */
    int wpm;
    struct pipeline_step *steps;
    size_t n_steps;
    struct template *continuation; /* the user turn that quotes a cut text */
    enum on_fail on_fail;
    int min_score;                 /* 0..100; below it on_fail applies */
    struct yaml_strings forbidden; /* phrases a script must not hold */
    int64_t research_tokens;       /* what research may take of a prompt */
};

/* ERR_INVALID with "file:line: ...". Owned. */
enum err pipeline_parse(const struct pipeline_file *files, size_t n, struct pipeline **ret_pipeline,
                        struct errmsg *msg) MUST_CHECK;
/* Models that the steps name and the catalogue does not have: ERR_INVALID with "file:line: ...". */
enum err pipeline_check_models(const struct pipeline *p, const struct catalog *catalog,
                               struct errmsg *msg) MUST_CHECK;
void pipeline_free(struct pipeline *p);

#endif
