/* In: what the store tells of one job, look by look. Out: the job as it is, kept once for all that
 * watch it. */
#include "api/watch.h"

#include <stdlib.h>
#include <string.h>

#include "api/job_json.h"
#include "base/mem.h"

#define ROW_MAX   ((size_t)64 * 1024)
#define ABOUT_MAX ((size_t)16 * 1024)

struct watch *watch_new(const struct uuid *job)
{
    struct watch *w = mem_alloc(sizeof *w);
    w->job = *job;
    return w;
}

static void free_part(struct watch_part *p)
{
    free(p->hash);
    free(p->about);
    buf_free(&p->text);
}

static void clear_parts(struct watch *w)
{
    for (size_t i = 0; i < w->n; i++)
        free_part(&w->parts[i]);
    free(w->parts);
    w->parts = NULL;
    w->n = w->done = 0;
    w->place = 0;
    w->call = (struct uuid){0};
}

void watch_free(struct watch *w)
{
    if (w == NULL)
        return;
    clear_parts(w);
    free(w->row);
    free(w->error);
    free(w);
}

bool watch_is_over(const struct watch *w)
{
    return w->loaded && (w->gone || w->status == JOB_COMPLETED || w->status == JOB_FAILED ||
                         w->status == JOB_CANCELLED);
}

static struct watch_part *running(struct watch *w)
{
    return w->n > w->done ? &w->parts[w->n - 1] : NULL;
}

void watch_ask(const struct watch *w, struct store_follow *ret_ask)
{
    *ret_ask = (struct store_follow){.job = w->job};
    if (!w->loaded)
        return;
    ret_ask->run = w->run;
    if (w->done > 0 && w->place > 0) {
        ret_ask->place = w->place;
        ret_ask->step_hash = w->parts[w->done - 1].hash;
    }
    if (w->n > w->done) {
        ret_ask->call = w->call;
        ret_ask->offset = w->parts[w->n - 1].text.len;
    }
}

/* ---- what is void ---- */

/* The text of the last part begins anew, or goes away. */
static void call_back_text(struct watch *w)
{
    for (struct cursor *c = w->cursors; c != NULL; c = c->next) {
        if (c->part != w->n - 1 || c->offset == 0)
            continue;
        memcpy(c->cut, w->parts[w->n - 1].step, sizeof c->cut);
        c->offset = 0;
        c->text = EVENT_HASH_NONE;
    }
}

static void call_back_all(struct watch *w)
{
    for (struct cursor *c = w->cursors; c != NULL; c = c->next) {
        c->forget = c->forget || c->part > 0 || c->offset > 0 || c->cut[0] != '\0';
        c->cut[0] = '\0';
        c->part = c->offset = 0;
        c->text = EVENT_HASH_NONE;
    }
    clear_parts(w);
}

static void drop_running(struct watch *w)
{
    if (running(w) == NULL)
        return;
    call_back_text(w);
    free_part(&w->parts[--w->n]);
}

/* ---- parts ---- */

static bool add_text(struct watch_part *p, const char *text, size_t n)
{
    size_t room = p->text.max - p->text.len;
    buf_put(&p->text, text, n < room ? n : room);
    return n > 0;
}

static void set_text(struct watch *w, struct watch_part *p, const char *text, size_t n)
{
    size_t known = p->text.len;
    if (known > n || (known > 0 && memcmp(p->text.data, text, known) != 0)) {
        call_back_text(w);
        buf_clear(&p->text);
        known = 0;
    }
    (void)add_text(p, text + known, n - known);
}

static struct watch_part *add_part(struct watch *w, const char *step, const char *hash)
{
    w->parts = mem_resize(w->parts, (w->n + 1) * sizeof *w->parts);
    struct watch_part *p = &w->parts[w->n++];
    *p = (struct watch_part){.text = BUF_INIT(WATCH_KEPT_MAX)};
    size_t len = strnlen(step, sizeof p->step - 1);
    memcpy(p->step, step, len);
    p->hash = mem_strdup(hash);
    return p;
}

static bool is_part(const struct watch_part *p, const char *step, const char *hash)
{
    return strncmp(p->step, step, sizeof p->step - 1) == 0 && strcmp(p->hash, hash) == 0;
}

static const struct watch_part *find_done(const struct watch *w, const char *step)
{
    for (size_t i = 0; i < w->done; i++) {
        if (strncmp(w->parts[i].step, step, sizeof w->parts[i].step - 1) == 0)
            return &w->parts[i];
    }
    return NULL;
}

static char *describe(const struct store_step *step)
{
    struct buf out = BUF_INIT(ABOUT_MAX);
    job_json_put_step(&out, step);
    return buf_take(&out);
}

static void take_step(struct watch *w, const struct store_step *step)
{
    struct watch_part *p = running(w);
    if (p != NULL && !is_part(p, step->key, step->input_hash)) {
        drop_running(w);
        p = NULL;
    }
    if (p == NULL)
        p = add_part(w, step->key, step->input_hash);
    set_text(w, p, step->output, strlen(step->output));
    uint64_t chain = w->done > 0 ? w->parts[w->done - 1].chain : EVENT_HASH_NONE;
    chain = event_hash(chain, p->step, strlen(p->step) + 1);
    chain = event_hash(chain, p->hash, strlen(p->hash) + 1);
    p->chain = event_hash(chain, step->output, strlen(step->output) + 1);
    p->about = describe(step);
    p->ended_us = step->ended_us;
    p->done = true;
    w->done = w->n;
    w->place = step->place;
}

static bool take_steps(struct watch *w, const struct store_followed *f)
{
    bool again = f->whole || (w->loaded && f->job.run != w->run);
    for (size_t i = 0; i < f->n_steps && !again; i++)
        again = find_done(w, f->steps[i].key) != NULL;
    if (again) {
        bool whole = f->whole || f->job.run != w->run;
        call_back_all(w);
        if (!whole)
            return true; /* one in the middle was made anew: the next look brings all */
    }
    for (size_t i = 0; i < f->n_steps; i++)
        take_step(w, &f->steps[i]);
    return again || f->n_steps > 0;
}

static bool take_text(struct watch *w, const struct store_followed *f)
{
    struct watch_part *p = running(w);
    const struct watch_part *old = f->text_step != NULL ? find_done(w, f->text_step) : NULL;
    if (f->text_step == NULL || (old != NULL && strcmp(old->hash, f->text_hash) == 0)) {
        drop_running(w); /* its call brought nothing that is kept */
        return p != NULL;
    }
    if (p != NULL && !is_part(p, f->text_step, f->text_hash)) {
        drop_running(w);
        p = NULL;
    }
    if (p == NULL)
        p = add_part(w, f->text_step, f->text_hash);
    bool same = uuid_equal(&w->call, &f->text_call);
    w->call = f->text_call;
    if (f->text_offset == 0 && (!same || p->text.len > 0 || f->text_len > 0)) {
        size_t before = p->text.len;
        set_text(w, p, f->text, f->text_len);
        return !same || p->text.len != before;
    }
    if (f->text_offset == p->text.len)
        return add_text(p, f->text, f->text_len);
    w->call = (struct uuid){0}; /* does not fit: the next look brings all of it */
    return false;
}

/* ---- the row ---- */

static bool take_row(struct watch *w, const struct store_job *j)
{
    struct buf out = BUF_INIT(ROW_MAX);
    buf_putf(&out, "\"status\":\"%s\",\"progress\":%d", job_status_name(j->status), j->progress);
    job_json_put_note(&out, "current_step", j->current_step);
    buf_putf(&out, ",\"current_chunk\":%d,\"total_chunks\":%d,\"retry_count\":%d", j->current_chunk,
             j->total_chunks, j->retry_count);
    uint32_t hash = (uint32_t)event_hash(EVENT_HASH_NONE, buf_str(&out), out.len);
    bool news = w->row == NULL || hash != w->row_hash || j->status != w->status;
    free(w->row);
    free(w->error);
    w->row = buf_take(&out);
    w->row_hash = hash;
    w->error = mem_strdup(j->error_message);
    if (j->status != w->status) { /* it was run again: there will be another end */
        for (struct cursor *c = w->cursors; c != NULL; c = c->next)
            c->done = false;
    }
    w->status = j->status;
    w->user_id = j->user_id;
    w->run = j->run;
    return news;
}

bool watch_take(struct watch *w, const struct store_followed *f)
{
    if (!f->found) {
        bool news = !w->gone;
        w->gone = w->loaded = true;
        return news;
    }
    w->gone = false;
    bool steps = take_steps(w, f);
    /* After a step in the middle was called back nothing of this look counts but the row. */
    bool text = w->place == 0 && steps && f->n_steps > 0 ? false : take_text(w, f);
    bool row = take_row(w, &f->job);
    w->loaded = true;
    return steps || text || row;
}
