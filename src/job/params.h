/* In: the users' generation_params in any shape that their forms wrote. Out: one canonical object,
 * or an error that names the member. Pure. */
#ifndef JOB_PARAMS_H
#define JOB_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "text/json.h"

/* The canonical object, in the order of docs/request.md (which lists the shapes it is made from;
 * params_shapes.c is the table itself). Absent members are absent, never null or empty; those
 * marked ! are always there.
 *
 *   topic! title tone hook thumbnail cta language pointOfView model   text
 *   type! full, outline          platform! youtube, shorts, tiktok, ad, explainer, course
 *   mode! live, batch            targetDuration! seconds      variants! 1..5
 *   audience   {summary demographics interests knowledgeLevel: text; painPoints[] goals[]}
 *   voice      {summary pace energy tone style personality vocabulary humor: text; hooks[] dos[]
 *              donts[] signaturePhrases[]}
 *   frame      {problem solution transformation text: text}
 *   contentPoints[{title! description keyTakeaway: text; duration: seconds}]
 *   research   {summary: text; sources[{title url content: text; verified starred: bool}];
 *              insights[]}
 *   sponsor    {name product placement cta disclosureText: text; duration: seconds;
 *              talkingPoints[]; disclosure: bool}     with a name or a product
 *   mustInclude[] mustAvoid[] exports[]                                texts
 *   deadline idempotencyKey: text         maxCostUsd: number
 *
 * Members with other names are the user's own, at every level: any JSON, null too. */
#define PARAMS_SIZE_MAX ((size_t)8 << 20)

struct params_limits {
    int64_t duration_default_s, duration_max_s; /* 600, 14400 */
};
/* With the longest video that the operator allows; 0: as above. */
struct params_limits params_limits_of(int64_t longest_s);

struct params {  /* the typed members; strings are borrowed from `all` */
    json_t *all; /* owned: canonical members, and unknown ones untouched */
    const char *topic, *title, *platform, *model, *language;
    int64_t duration_s;
    int outline_only;         /* type: outline */
    int variants;             /* 1..5 */
    int64_t max_cost_udollar; /* 0 = none */
    int64_t deadline_us;      /* wall; 0 = none */
};

/* `raw` is the row's JSON text (NULL = null). `overlay` (may be NULL) is the input hook's result;
 * its members win. ERR_INVALID / ERR_TOO_BIG with a message for people that names the member. */
enum err params_normalise(const char *raw, size_t n, const json_t *overlay,
                          const struct params_limits *limits, struct params *ret_params,
                          struct errmsg *msg) MUST_CHECK;
void params_free(struct params *p);

/* Why `mode: batch` is refused by whoever would have to act on it. */
extern const char params_no_batch[];

#endif
