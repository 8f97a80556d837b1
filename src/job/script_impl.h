/* In: nothing. Out: what the files behind script.h share: the machine's state. */
#ifndef JOB_SCRIPT_IMPL_H
#define JOB_SCRIPT_IMPL_H

#include "base/buf.h"
#include "job/check.h"
#include "job/request.h"
#include "job/script.h"
#include "text/json.h"

#define SCRIPT_PART_MAX      ((size_t)1 << 20) /* bytes of one step's text; more is dropped */
#define SCRIPT_PROMPT_MAX    ((size_t)16 << 20)
#define SCRIPT_CONTINUES_MAX 8
#define SCRIPT_KEY_SIZE      48

enum stage {
    STAGE_OUTLINE,
    STAGE_REPAIR, /* of the outline */
    STAGE_CHUNK,
    STAGE_AGAIN, /* a chunk rewritten because the score was too low */
    STAGE_EXPAND,
    STAGE_DONE,
    STAGE_FAILED,
    STAGE_MAX
};

struct journal_entry { /* one finished call, for the metadata */
    char *key, *model;
    enum stop_reason stop;
    struct usage usage;
    int64_t cost_udollar, started_us, ended_us;
};

struct script {
    const struct pipeline *pipeline;
    const struct catalog *catalog;
    struct params params;
    struct plan plan;
    json_t *values; /* what every template sees: the request, its research trimmed */

    size_t step; /* index into pipeline->steps */
    enum stage stage;
    int chunk;        /* 1.. in STAGE_CHUNK and STAGE_AGAIN */
    int round;        /* 1.. in STAGE_EXPAND */
    int part;         /* 0 = the step's first call, then its continuations */
    bool asked_again; /* after an empty answer */
    bool rewritten;   /* STAGE_AGAIN is behind us */
    struct buf text_of_step;

    json_t *outline; /* NULL: none, or not usable */
    char *problem;   /* what was wrong with it ... */
    char *previous;  /* ... and the answer itself */
    char *chunks[PLAN_CHUNKS_MAX];
    char *text;             /* the stitched script */
    json_t *titles, *hooks; /* script_save() reads them out of it */
    struct report report;

    bool ready; /* `call` is what script_next() gave out */
    struct script_call call;
    char key[SCRIPT_KEY_SIZE];
    char *system, *user;

    struct journal_entry *journal;
    size_t n_journal;
    struct buf notes;
    char *error;
    bool permanent;
    char *metadata;
};

void script_note(struct script *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void script_fail(struct script *s, bool permanent, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* script.c: moves that the answers cause. */
void script_begin(struct script *s, enum stage stage); /* a step's first call */
void script_next_step(struct script *s);               /* to the next one that calls, or the end */
struct report script_check(const struct script *s, const char *text);
void script_set_text(struct script *s, char *text, struct report report); /* takes both */
void script_clear_call(struct script *s);

/* script_values.c: what all templates of a script see. Owned. */
json_t *script_values(const struct params *params, const struct pipeline *pipeline,
                      int64_t research_tokens);

/* script_request.c: what the current call asks for. The arrays are owned. */
bool script_is_chunk(const struct script *s); /* the call writes, or writes again, a chunk */
struct request script_request(const struct script *s);
json_t *script_asked_points(const struct script *s);
json_t *script_asked_phrases(const struct script *s);
const json_t *script_sponsor_here(const struct script *s); /* NULL: not in this call */
int script_asked_titles(const struct script *s, const struct request *r); /* 0 = none */
char *script_request_text(const struct script *s, const struct request *r, const json_t *points,
                          const json_t *phrases);

/* script_prompt.c: fills s->call for the current stage. False: it cannot be asked, script_fail()
 * was called. */
bool script_prompt(struct script *s);
/* The pipeline's step that the current stage belongs to, and its model. */
const struct pipeline_step *script_step(const struct script *s);
const struct model *script_model(const struct script *s);

/* How much of a step's text to keep before asking for the rest: full sentences, without a heading
 * that has nothing under it yet. */
size_t script_keep(const char *text, size_t n);

/* script_metadata.c: the last step: alternative titles and hooks move from the text to the
 * metadata. */
void script_save(struct script *s);

/* script_gaps.c: what an expansion is asked for. */
struct gaps {
    int words;            /* to add; 0 = only Description or Tags */
    int chunk;            /* the shortest one, 0 when the script has one chunk */
    int64_t from_s, to_s; /* where the additions belong */
    bool description, tags;
};
struct gaps script_gaps(const struct script *s);

#endif
