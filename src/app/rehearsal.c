/* In: a pipeline, a request, a step's name. Out: the model call of that step, without calling
 * anything. */
#include "app/rehearsal.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "provider/messages_request.h"
#include "provider/sim/sim_answer.h"

#define CALLS_MAX 200 /* of one request, far past what any makes */
#define NAMES_MAX ((size_t)64 * 1024)

enum play { PLAY_WELL, PLAY_SHORT, PLAY_MAX }; /* short: chunks that call for an expansion */

struct walk {
    const struct pipeline *pipeline;
    const struct catalog *catalog;
    const char *step;
    enum play play;
    struct rehearsal *r;
};

enum err rehearsal_body(const struct catalog *catalog, const struct script_call *call,
                        struct buf *ret_body, struct errmsg *msg)
{
    struct provider_request request = {.model = catalog_model(catalog, call->model),
                                       .system = call->system,
                                       .user = call->user,
                                       .schema = call->schema,
                                       .max_tokens = call->max_tokens};
    if (request.model == NULL)
        return err_set(msg, ERR_INVALID, "there is no model '%.100s' among those that may be used",
                       call->model);
    return messages_request_write(&request, ret_body, msg);
}

/* ---- names ---- */

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

static bool is_wanted(const struct walk *w, const struct script_call *call)
{
    static const char *const keys[ACTION_MAX] = {
        [ACTION_OUTLINE] = "outline", [ACTION_WRITE] = "chunk", [ACTION_EXPAND] = "expand"};
    if (strcmp(call->key, w->step) == 0)
        return true;
    for (size_t i = 0; i < w->pipeline->n_steps; i++) {
        const struct pipeline_step *step = &w->pipeline->steps[i];
        if (strcmp(step->name, w->step) == 0 && keys[step->action] != NULL)
            return begins(call->key, keys[step->action]);
    }
    return false;
}

static void note_name(struct buf *names, const char *key)
{
    size_t n = strlen(key);
    for (const char *at = strstr(buf_str(names), key); at != NULL; at = strstr(at + 1, key)) {
        if ((at == names->data || at[-1] == ' ') && (at[n] == ',' || at[n] == '\0'))
            return;
    }
    if (names->len + n + 2 < names->max)
        buf_putf(names, "%s%s", names->len > 0 ? ", " : "", key);
}

/* ---- answers ---- */

/* The first half, up to the end of a line. */
static size_t half(const char *text, size_t n)
{
    for (size_t i = n / 2; i > 0; i--) {
        if (text[i - 1] == '\n')
            return i;
    }
    return n / 2;
}

/* A step that only comes when the one before it fell short: "chunk_1+1" after a cut "chunk_1",
 * "outline+repair" after an outline that cannot be used. */
static const char *missing_part(const struct walk *w, const char *key)
{
    return begins(w->step, key) && w->step[strlen(key)] == '+' ? w->step + strlen(key) + 1 : NULL;
}

static void accept(const struct walk *w, const struct script_call *call, const char *text, size_t n)
{
    const char *part = missing_part(w, call->key);
    struct script_answer answer = {.text = text, .len = n, .stop = STOP_END_TURN};
    answer.model = call->model;
    if (part != NULL && strcmp(part, "repair") == 0) {
        answer.text = "An outline in prose.";
        answer.len = strlen(answer.text);
    } else if (part != NULL) {
        answer.stop = STOP_MAX_TOKENS;
        answer.len = half(text, n);
    } else if (w->play == PLAY_SHORT && begins(call->key, "chunk")) {
        answer.len = half(text, n);
    }
    char *kept = mem_strndup(answer.text, answer.len);
    answer.text = kept;
    script_accept(w->r->script, &answer);
    free(kept);
}

static enum err answer_call(const struct walk *w, const struct script_call *call,
                            struct errmsg *msg)
{
    struct buf body = BUF_INIT(0);
    struct sim_message message;
    struct sim_refusal refusal;
    enum err e = rehearsal_body(w->catalog, call, &body, msg);
    if (e != OK)
        return e;
    struct sim_headers headers = {.api_key = "rehearsal",
                                  .version = catalog_model(w->catalog, call->model)->api_version};
    if (!sim_request_read(w->catalog, &headers, buf_str(&body), body.len, false, &message,
                          &refusal)) {
        buf_free(&body);
        return err_set(msg, ERR_INVALID, "the provider would refuse %s: %s", call->key,
                       refusal.message);
    }
    struct sim_answer answer;
    sim_answer_make(&message, 1, &answer);
    const struct sim_part *part = &answer.parts[answer.n - 1];
    accept(w, call, part->text, part->len);
    sim_answer_free(&answer);
    sim_message_free(&message);
    buf_free(&body);
    return OK;
}

/* ---- from step to step ---- */

static enum err walk(const struct walk *w, struct errmsg *msg)
{
    struct rehearsal *r = w->r;
    for (r->earlier = 0; r->earlier < CALLS_MAX; r->earlier++) {
        if (script_next(r->script, &r->call) != SCRIPT_CALL)
            break;
        note_name(&r->names, r->call.key);
        if (is_wanted(w, &r->call))
            return OK;
        enum err e = answer_call(w, &r->call, msg);
        if (e != OK)
            return e;
    }
    return ERR_NOT_FOUND;
}

/* A second parse for the second play: the script takes its parameters. */
static enum err start(struct walk *w, const struct params *params, struct errmsg *msg)
{
    struct params copy = {0};
    const struct params_limits limits = params_limits_of(0); /* kept already */
    char *text = json_text(params->all);
    enum err e = params_normalise(text, strlen(text), NULL, &limits, &copy, msg);
    free(text);
    script_free(w->r->script);
    w->r->script = NULL;
    if (e == OK)
        e = script_new(w->pipeline, w->catalog, &copy, &w->r->script, msg);
    return e;
}

enum err rehearsal_run(const struct pipeline *pipeline, const struct catalog *catalog,
                       struct params *params, const char *step, struct rehearsal *ret_rehearsal,
                       struct errmsg *msg)
{
    struct rehearsal *r = ret_rehearsal;
    struct walk w = {.pipeline = pipeline, .catalog = catalog, .step = step, .r = r};
    *r = (struct rehearsal){.names = BUF_INIT(NAMES_MAX)};
    enum err e = ERR_NOT_FOUND;
    for (int play = PLAY_WELL; play < PLAY_MAX && e == ERR_NOT_FOUND; play++) {
        w.play = (enum play)play;
        e = start(&w, params, msg);
        if (e == OK)
            e = walk(&w, msg);
    }
    params_free(params);
    if (e == ERR_NOT_FOUND)
        return err_set(msg, e, "this request has no step '%.60s'; it has: %.380s", step,
                       buf_str(&r->names));
    return e;
}

void rehearsal_free(struct rehearsal *r)
{
    script_free(r->script);
    r->script = NULL;
    buf_free(&r->names);
}
