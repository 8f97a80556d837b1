/* In: a pipeline, a request, and the texts the model wrote so far. Out: what to do next, and in
 * the end the script. The whole of a job's steps as a pure machine: the engine only carries out
 * what script_next() asks for. */
#ifndef JOB_SCRIPT_H
#define JOB_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "job/params.h"
#include "job/pipeline.h"
#include "job/plan.h"
#include "job/price.h"

struct script;

/* Borrows pipeline and catalog, takes params (empties *params, also on failure). ERR_INVALID when
 * the request cannot be run, with a message that names the member. */
enum err script_new(const struct pipeline *pipeline, const struct catalog *catalog,
                    struct params *params, struct script **ret_script,
                    struct errmsg *msg) MUST_CHECK;
void script_free(struct script *s);
const struct plan *script_plan(const struct script *s);

struct script_call { /* one model call; everything borrowed until script_accept() */
    const char *key; /* the checkpoint's: "outline", "chunk_2", "chunk_2+1" (continued),
                        "outline+repair", "chunk_2.again" (below min_score), "expand",
                        "expand_2" */
    enum phase phase;
    int chunk, chunks; /* for the row; 0 outside chunks */
    const char *model; /* id */
    const char *system, *user;
    int64_t max_tokens;
    const char *schema; /* JSON schema for the answer, or NULL */
    int expected_words; /* of its answer */
    int written_words;  /* of the same chunk, by the calls that it continues */
    bool resumable;     /* prose: the text of a cut call can be continued */
    char input_hash[HASH_HEX_SIZE];
};

enum script_do { SCRIPT_CALL, SCRIPT_DONE, SCRIPT_FAILED, SCRIPT_DO_MAX };

/* What comes next. SCRIPT_CALL fills *ret_call; the same until script_accept(). */
enum script_do script_next(struct script *s, struct script_call *ret_call);

enum stop_reason {
    STOP_END_TURN,
    STOP_MAX_TOKENS,
    STOP_SEQUENCE,
    STOP_REFUSAL,
    STOP_PAUSE_TURN,
    STOP_CONTEXT_EXCEEDED,
    STOP_OTHER,
    STOP_CUT, /* ours: the stream broke off; text is what was saved, cut by script_salvage() */
    STOP_REASON_MAX
};
const char *stop_reason_name(enum stop_reason r);
enum stop_reason stop_reason_parse(const char *s); /* unknown = STOP_OTHER */

struct script_answer {
    const char *text;
    size_t len;
    enum stop_reason stop;
    const char *model; /* that served */
    struct usage usage;
    int64_t cost_udollar;
    int64_t started_us, ended_us; /* wall */
};
/* How much of a cut call's text is worth keeping: up to its last full sentence; 0 = nothing, ask
 * again from the start. What is kept becomes a checkpoint of its own, accepted with STOP_CUT; the
 * next script_next() then asks for the rest under the next key, and the parts are joined. */
size_t script_salvage(const struct script_call *call, const char *partial, size_t n);

/* Whether this answer to the current call is to become a checkpoint; ask before script_accept().
 * False for one that the machine asks for again or fails on (empty, refused): saved, it would be
 * read back by every later attempt. Its call is closed in the ledger all the same. */
bool script_keeps(const struct script *s, const struct script_answer *answer);

/* The answer to the call that script_next() asked for, from the model or from a checkpoint.
 * STOP_CUT and STOP_MAX_TOKENS of a resumable call are continued (at most 8 times). */
void script_accept(struct script *s, const struct script_answer *answer);

/* After SCRIPT_DONE; borrowed. metadata is JSON text. spent_udollar: by all calls of the run, those
 * that were cut, refused or of no use too; the machine itself saw only what it was given. */
const char *script_text(const struct script *s);
const char *script_metadata(struct script *s, int attempts, int64_t spent_udollar);
/* After SCRIPT_FAILED: for people. Permanent ones are not worth another attempt. */
const char *script_error(const struct script *s, bool *ret_permanent);
/* What was logged on the way (an outline that could not be used ...), "" when nothing. */
const char *script_notes(const struct script *s);

#endif
