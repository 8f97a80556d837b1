/* In: engine events or stored rows. Out: one entry per job. */
#include "app/board.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "text/json.h"

struct entry { /* an entry never moves: views and the hash point to it */
    struct board_job job;
    UT_hash_handle hh;
};

struct board {
    struct entry *by_id;
    struct entry **order;
    size_t n, cap;
};

const char *board_state_name(enum board_state s)
{
    static const char *const names[BOARD_STATE_MAX] = {"waiting", "running", "completed", "failed",
                                                       "cancelled"};
    return names[s];
}

struct board *board_new(void)
{
    return mem_alloc(sizeof(struct board));
}

static void entry_free(struct entry *e)
{
    free(e->job.message);
    free(e->job.file);
    free(e);
}

void board_free(struct board *b)
{
    if (b == NULL)
        return;
    HASH_CLEAR(hh, b->by_id);
    for (size_t i = 0; i < b->n; i++)
        entry_free(b->order[i]);
    free(b->order);
    free(b);
}

struct board_job *board_job(struct board *b, const struct uuid *id)
{
    struct entry *e = NULL;
    HASH_FIND(hh, b->by_id, id->bytes, sizeof id->bytes, e);
    if (e != NULL)
        return &e->job;
    e = mem_alloc(sizeof *e);
    e->job.id = *id;
    HASH_ADD(hh, b->by_id, job.id.bytes, sizeof e->job.id.bytes, e);
    if (b->n == b->cap) {
        b->cap = b->cap > 0 ? 2 * b->cap : 16;
        b->order = mem_resize(b->order, b->cap * sizeof(struct entry *));
    }
    b->order[b->n++] = e;
    return &e->job;
}

void board_remove(struct board *b, const struct uuid *id)
{
    struct entry *e = NULL;
    HASH_FIND(hh, b->by_id, id->bytes, sizeof id->bytes, e);
    if (e == NULL)
        return;
    HASH_DEL(b->by_id, e);
    size_t at = 0;
    while (b->order[at] != e)
        at++;
    memmove(&b->order[at], &b->order[at + 1], (b->n - at - 1) * sizeof(struct entry *));
    b->n--;
    entry_free(e);
}

size_t board_count(const struct board *b)
{
    return b->n;
}

struct board_job *board_at(const struct board *b, size_t i)
{
    return &b->order[i]->job;
}

size_t board_count_state(const struct board *b, enum board_state s)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += b->order[i]->job.state == s;
    return n;
}

static void set_text(char *out, size_t size, const char *text)
{
    size_t n = strnlen(text, size - 1);
    /* A character is not cut in two. */
    while (n > 0 && text[n] != '\0' && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    memcpy(out, text, n);
    out[n] = '\0';
}

void board_topic(struct board_job *job, const char *params)
{
    json_t *json = NULL;
    if (params == NULL ||
        json_parse_wide(params, strlen(params), (size_t)8 << 20, &json, NULL) != OK)
        return;
    const char *topic = json_str(json, "topic");
    if (topic == NULL)
        topic = json_str(json, "title");
    if (topic != NULL)
        set_text(job->topic, sizeof job->topic, topic);
    json_decref(json);
}

static bool set_state(struct board_job *job, enum board_state state, int64_t now_us)
{
    bool changed = job->state != state;
    if (changed)
        job->since_us = now_us;
    job->state = state;
    if (state != BOARD_RUNNING)
        job->tokens_per_second = 0;
    return changed;
}

static bool set_step(struct board_job *job, const char *step)
{
    if (step == NULL || strcmp(job->step, step) == 0)
        return false;
    set_text(job->step, sizeof job->step, step);
    return true;
}

static void set_message(struct board_job *job, const char *message)
{
    free(job->message);
    job->message = mem_strdup(message);
}

bool board_event(struct board *b, const struct engine_event *ev, int64_t now_us)
{
    static const enum board_state next[ENGINE_EVENT_MAX] = {
        [ENGINE_JOB_CLAIMED] = BOARD_RUNNING,  [ENGINE_JOB_PROGRESS] = BOARD_RUNNING,
        [ENGINE_JOB_STEP] = BOARD_RUNNING,     [ENGINE_JOB_COMPLETED] = BOARD_DONE,
        [ENGINE_JOB_RETRY] = BOARD_WAITING,    [ENGINE_JOB_FAILED] = BOARD_FAILED,
        [ENGINE_JOB_RELEASED] = BOARD_WAITING, [ENGINE_JOB_LOST] = BOARD_CANCELLED,
    };
    if (ev->kind >= ENGINE_IDLE)
        return false;
    struct board_job *job = board_job(b, &ev->job);
    bool changed = set_state(job, next[ev->kind], now_us);
    changed = set_step(job, ev->step) || changed;
    job->user_id = ev->user_id;
    job->progress = ev->kind == ENGINE_JOB_COMPLETED ? 100 : ev->progress;
    if (ev->words > 0)
        job->words = ev->words;
    if (job->state == BOARD_RUNNING)
        job->tokens_per_second = ev->tokens_per_second;
    job->output_tokens = ev->tokens_out;
    job->input_tokens = usage_prompt(&ev->usage);
    job->cost_udollar = ev->cost_udollar;
    job->waited_us = ev->waited_us;
    job->worked_us = ev->worked_us;
    if (job->state != BOARD_RUNNING && ev->message != NULL)
        set_message(job, ev->message);
    return changed;
}

static enum board_state state_of(enum job_status s)
{
    static const enum board_state states[JOB_STATUS_MAX] = {
        [JOB_PENDING] = BOARD_WAITING,     [JOB_PROCESSING] = BOARD_RUNNING,
        [JOB_COMPLETED] = BOARD_DONE,      [JOB_FAILED] = BOARD_FAILED,
        [JOB_CANCELLED] = BOARD_CANCELLED,
    };
    return states[s];
}

bool board_row(struct board *b, const struct store_job *row, int64_t now_us, int64_t wall_us)
{
    struct board_job *job = board_job(b, &row->id);
    bool changed = set_state(job, state_of(row->status), now_us);
    changed = set_step(job, row->current_step) || changed;
    job->user_id = row->user_id;
    job->progress = row->progress;
    job->cost_udollar = row->cost_udollar;
    job->input_tokens = row->input_tokens;
    job->output_tokens = row->output_tokens;
    int64_t started = row->started_us > 0 ? row->started_us : wall_us;
    int64_t ended = row->completed_us > 0 ? row->completed_us : wall_us;
    job->waited_us = started - row->created_us;
    job->worked_us = row->started_us > 0 ? ended - started : 0;
    if (row->error_message != NULL)
        set_message(job, row->error_message);
    if (job->topic[0] == '\0')
        board_topic(job, row->params);
    if (row->metadata != NULL) {
        json_t *json = NULL;
        if (json_parse(row->metadata, strlen(row->metadata), (size_t)8 << 20, &json, NULL) == OK)
            job->words = (int)json_int(json, "words", job->words);
        json_decref(json);
    }
    return changed;
}
