/* In: the model's answer to the current call. Out: where the machine stands after it: continued,
 * asked again, repaired, failed, or a step further. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/join.h"
#include "job/outline.h"
#include "job/script_impl.h"
#include "job/section.h"
#include "job/stitch.h"

#define PREVIOUS_MAX ((size_t)32 << 10) /* of an unusable outline, for the repair */

/* ---- what an answer means ---- */

enum verdict {
    VERDICT_FINISHED,
    VERDICT_CONTINUE,
    VERDICT_SKIP,      /* an optional step brought nothing: go on without it */
    VERDICT_ASK_AGAIN, /* empty, for the first time */
    VERDICT_EMPTY,
    VERDICT_CUT, /* and for the second */
    VERDICT_REFUSED,
};

static bool is_blank(const char *text, size_t n)
{
    size_t i = 0;
    while (i < n && strchr(" \t\r\n", text[i]) != NULL && text[i] != '\0')
        i++;
    return i == n;
}

static bool wants_more(enum stop_reason stop)
{
    return stop == STOP_MAX_TOKENS || stop == STOP_CUT || stop == STOP_PAUSE_TURN ||
           stop == STOP_CONTEXT_EXCEEDED;
}

static enum verdict judge(const struct script *s, const struct script_answer *a)
{
    bool optional = s->stage == STAGE_REPAIR || s->stage == STAGE_AGAIN || s->stage == STAGE_EXPAND;
    bool json = s->stage == STAGE_OUTLINE || s->stage == STAGE_REPAIR;
    if (a->stop == STOP_REFUSAL)
        return optional ? VERDICT_SKIP : VERDICT_REFUSED;
    bool more = wants_more(a->stop) && !json && s->part < SCRIPT_CONTINUES_MAX;
    if (a->stop == STOP_CUT && !more && !json)
        return VERDICT_CUT;
    if (!is_blank(a->text, a->len) || s->text_of_step.len > 0)
        return more ? VERDICT_CONTINUE : VERDICT_FINISHED;
    if (optional)
        return VERDICT_SKIP;
    return s->asked_again ? VERDICT_EMPTY : VERDICT_ASK_AGAIN;
}

bool script_keeps(const struct script *s, const struct script_answer *answer)
{
    enum verdict v = judge(s, answer);
    return v != VERDICT_ASK_AGAIN && v != VERDICT_EMPTY && v != VERDICT_REFUSED && v != VERDICT_CUT;
}

/* ---- the ends of steps ---- */

static void finish_outline(struct script *s, const struct script_answer *a)
{
    struct errmsg msg = {0};
    const json_t *points = json_arr(s->values, "all_points");
    enum err e = outline_parse(a->text, a->len, &s->plan, points, &s->outline, &msg);
    const struct pipeline_step *step = script_step(s);
    if (e != OK && s->stage == STAGE_OUTLINE && step->repair != NULL) {
        s->problem = mem_strdup(msg.text);
        s->previous = mem_strndup(a->text, a->len < PREVIOUS_MAX ? a->len : PREVIOUS_MAX);
        script_note(s, "the outline is repaired: %s", msg.text);
        script_begin(s, STAGE_REPAIR);
        return;
    }
    if (e != OK)
        script_note(s, "going on without an outline: %s", msg.text);
    if (!s->params.outline_only) {
        script_next_step(s);
    } else if (e != OK) {
        script_fail(s, true, "the model's outline cannot be used: %s", msg.text);
    } else {
        struct buf out = BUF_INIT(2 * OUTLINE_SIZE_MAX);
        outline_markdown(s->outline, &out);
        s->text = buf_take(&out);
        script_save(s);
        s->stage = STAGE_DONE;
    }
}

static void stitch(struct script *s)
{
    char *text = stitch_chunks((const char *const *)s->chunks, (size_t)s->plan.chunks);
    script_set_text(s, text, script_check(s, text));
}

static void finish_chunk(struct script *s)
{
    s->chunks[s->chunk - 1] = buf_take(&s->text_of_step);
    if (s->chunk < s->plan.chunks) {
        s->chunk++;
        script_begin(s, STAGE_CHUNK);
        return;
    }
    stitch(s);
    script_next_step(s);
}

/* The rewritten chunk stays only when the script is better for it. */
static void finish_again(struct script *s)
{
    char *before = s->chunks[s->chunk - 1];
    s->chunks[s->chunk - 1] = buf_take(&s->text_of_step);
    char *text = stitch_chunks((const char *const *)s->chunks, (size_t)s->plan.chunks);
    struct report r = script_check(s, text);
    if (r.score > s->report.score) {
        script_set_text(s, text, r);
        free(before);
    } else {
        script_note(s, "chunk %d written again scores %d: the first form stays", s->chunk, r.score);
        free(s->chunks[s->chunk - 1]);
        s->chunks[s->chunk - 1] = before;
        free(text);
        report_free(&r);
    }
    script_next_step(s);
}

/* One round for a script of one chunk; longer ones may take one per chunk while it helps. */
static void finish_expand(struct script *s)
{
    char *text =
        stitch_additions(s->text, strlen(s->text), buf_str(&s->text_of_step), s->text_of_step.len);
    struct report r = script_check(s, text);
    bool better = r.words >= s->report.words && r.score >= s->report.score;
    bool grew = r.words > s->report.words;
    if (better) {
        script_set_text(s, text, r);
    } else {
        script_note(s, "the additions made the script worse (score %d, was %d): left out", r.score,
                    s->report.score);
        free(text);
        report_free(&r);
    }
    if (better && grew && s->round < s->plan.chunks && report_has_gap(&s->report)) {
        s->round++;
        script_begin(s, STAGE_EXPAND);
        return;
    }
    script_next_step(s);
}

static void skip(struct script *s, const struct script_answer *a)
{
    script_note(s, "%s brought nothing (%s): going on without it", s->key,
                stop_reason_name(a->stop));
    if (s->stage != STAGE_REPAIR) {
        script_next_step(s);
        return;
    }
    struct script_answer nothing = {.text = "", .stop = a->stop};
    finish_outline(s, &nothing);
}

/* ---- accepting ---- */

static void keep_record(struct script *s, const struct script_answer *a)
{
    if ((s->n_journal & (s->n_journal - 1)) == 0)
        s->journal = mem_resize(s->journal,
                                (s->n_journal == 0 ? 1 : s->n_journal * 2) * sizeof(*s->journal));
    s->journal[s->n_journal++] =
        (struct journal_entry){.key = mem_strdup(s->key),
                               .model = mem_strdup(a->model != NULL ? a->model : s->call.model),
                               .stop = a->stop,
                               .usage = a->usage,
                               .cost_udollar = a->cost_udollar,
                               .started_us = a->started_us,
                               .ended_us = a->ended_us};
}

size_t script_keep(const char *text, size_t n)
{
    size_t kept = join_full_sentences(text, n);
    struct sections sections;
    sections_scan(text, kept, &sections);
    if (sections.n > 0) {
        const struct section *last = &sections.items[sections.n - 1];
        if (is_blank(text + last->body, last->end - last->body))
            kept = last->start;
    }
    sections_free(&sections);
    while (kept > 0 && strchr(" \t\r\n", text[kept - 1]) != NULL)
        kept--;
    return kept;
}

size_t script_salvage(const struct script_call *call, const char *partial, size_t n)
{
    return call->resumable ? script_keep(partial, n) : 0;
}

static void add_text(struct script *s, const struct script_answer *a)
{
    size_t room = SCRIPT_PART_MAX - s->text_of_step.len, n = a->len;
    if (n + 2 > room) {
        n = room > 2 ? join_full_sentences(a->text, room - 2) : 0;
        script_note(s, "%s: more than %zu bytes of text, the rest is left out", s->key,
                    SCRIPT_PART_MAX);
    }
    char *text = mem_dup(a->text, n);
    for (size_t i = 0; i < n; i++)
        text[i] = text[i] == '\0' ? ' ' : text[i]; /* scripts are strings */
    if (join_append(&s->text_of_step, text, n) != OK)
        script_note(s, "%s: its text does not fit", s->key);
    free(text);
}

/* Cut inside a sentence, heading or word: that is dropped, and the rest asked for. A text without
 * a single full sentence is kept up to its last blank. */
static void cut_text(struct buf *text)
{
    size_t kept = script_keep(buf_str(text), text->len);
    if (kept == 0)
        for (kept = text->len; kept > 0 && strchr(" \n", text->data[kept - 1]) == NULL;)
            kept--;
    text->len = kept;
    if (text->data != NULL)
        text->data[kept] = '\0';
}

static void accept_prose(struct script *s, const struct script_answer *a, enum verdict verdict)
{
    add_text(s, a);
    if (verdict == VERDICT_CONTINUE) {
        cut_text(&s->text_of_step);
        s->part++;
        return;
    }
    if (wants_more(a->stop))
        script_note(s, "%s: still not finished after %d continuations, taken as it is", s->key,
                    SCRIPT_CONTINUES_MAX);
    if (s->stage == STAGE_CHUNK)
        finish_chunk(s);
    else if (s->stage == STAGE_AGAIN)
        finish_again(s);
    else
        finish_expand(s);
}

void script_accept(struct script *s, const struct script_answer *answer)
{
    if (!s->ready)
        return;
    enum verdict verdict = judge(s, answer);
    keep_record(s, answer);
    switch (verdict) {
    case VERDICT_REFUSED:
        script_fail(s, true,
                    "the model refused to write %s; change the topic or the request, then retry",
                    s->key);
        break;
    case VERDICT_EMPTY:
        script_fail(s, false, "the model answered %s twice without any text (stop reason %s)",
                    s->key, stop_reason_name(answer->stop));
        break;
    case VERDICT_CUT:
        script_fail(s, false, "the connection broke %d times while %s was written", s->part + 1,
                    s->key);
        break;
    case VERDICT_ASK_AGAIN:
        script_note(s, "%s came back empty (%s): asked again", s->key,
                    stop_reason_name(answer->stop));
        s->asked_again = true;
        break;
    case VERDICT_SKIP:
        skip(s, answer);
        break;
    case VERDICT_CONTINUE:
    case VERDICT_FINISHED:
        if (s->stage == STAGE_OUTLINE || s->stage == STAGE_REPAIR)
            finish_outline(s, answer);
        else
            accept_prose(s, answer, verdict);
        break;
    }
    script_clear_call(s);
}
