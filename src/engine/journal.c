/* In: events of jobs, lines of the endpoint. Out: one record each on standard error at once, and in
 * the store a moment later, many together. */
#include "engine/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_history.h"

#define FLUSH_US (100 * USEC_PER_MSEC)
#define RETRY_US (2 * USEC_PER_SEC)
#define PENDING_MAX                                                                                \
    ((size_t)STORE_BATCH_MAX * 10) /* while the store is away; then the oldest go                  \
                                    */
#define DETAILS_MAX 2000

struct pending {
    struct store_line line;
    char *message, *details; /* the line's */
};

struct journal {
    struct loop *loop;
    struct store *store;
    char *worker;
    int64_t keep;
    struct pending *lines; /* a ring of PENDING_MAX */
    size_t first, n;
    struct loop_timer timer;
    struct flight *flight; /* lines on their way; they stay in the ring until they are there */
};

struct flight {
    struct journal *journal; /* NULL: it is gone */
    size_t n;
};

static struct pending *line_at(struct journal *j, size_t i)
{
    return &j->lines[(j->first + i) % PENDING_MAX];
}

static void drop_first(struct journal *j, size_t n)
{
    for (; n > 0 && j->n > 0; n--, j->n--) {
        struct pending *p = line_at(j, 0);
        free(p->message);
        free(p->details);
        j->first = (j->first + 1) % PENDING_MAX;
    }
}

/* ---- to the store ---- */

static void flush(void *ctx);

static void flush_at(struct journal *j, int64_t delay_us)
{
    if (!timer_is_set(&j->timer))
        timer_set(j->loop, &j->timer, loop_now(j->loop) + delay_us, flush, j);
}

/* A store that refuses the lines themselves would refuse them for ever. */
static bool may_pass(enum err e)
{
    return e == ERR_CONNECT || e == ERR_TIMEOUT || e == ERR_CLOSED || e == ERR_BUSY ||
           e == ERR_IO || e == ERR_FULL;
}

static void on_flushed(void *ctx, const struct store_result *r)
{
    struct flight *flight = ctx;
    struct journal *j = flight->journal;
    if (j != NULL) {
        j->flight = NULL;
        bool again = may_pass(r->err);
        if (!again)
            drop_first(j, flight->n);
        if (j->n > 0)
            flush_at(j, again ? RETRY_US : 0);
    }
    free(flight);
}

static void flush(void *ctx)
{
    struct journal *j = ctx;
    if (j->flight != NULL || j->n == 0)
        return;
    struct flight *flight = mem_alloc(sizeof *flight);
    *flight = (struct flight){.journal = j, .n = j->n < STORE_BATCH_MAX ? j->n : STORE_BATCH_MAX};
    struct store_line *lines = mem_array(flight->n, sizeof *lines);
    for (size_t i = 0; i < flight->n; i++)
        lines[i] = line_at(j, i)->line;
    j->flight = flight;
    store_log_add(j->store, lines, flight->n, j->keep, on_flushed, flight);
    free(lines);
}

/* ---- lines ---- */

static const char *level_name(enum log_level level)
{
    static const char *const names[LOG_LEVEL_MAX] = {"debug", "info", "warn", "error"};
    return names[level];
}

/* Cut between two characters. */
static char *copy_details(const char *text)
{
    if (text == NULL)
        return NULL;
    size_t n = strnlen(text, DETAILS_MAX); /* text[n] is there: '\0', or what follows */
    while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80)
        n--;
    return mem_strndup(text, n);
}

static void log_line(const struct journal_line *line, const char *details)
{
    char job[UUID_TEXT_SIZE], invocation[UUID_TEXT_SIZE];
    struct log_subject about = {.details = details};
    if (!uuid_is_nil(&line->job))
        about.job = uuid_text(&line->job, job);
    if (!uuid_is_nil(&line->invocation))
        about.invocation = uuid_text(&line->invocation, invocation);
    log_about(line->level, &about, "%s", line->message);
}

void journal_put(struct journal *j, const struct journal_line *line)
{
    char *details = copy_details(line->details);
    log_line(line, details);
    if (j->n == PENDING_MAX && j->flight == NULL)
        drop_first(j, 1);
    if (j->n == PENDING_MAX) { /* what is on its way cannot be dropped */
        free(details);
        return;
    }
    struct pending *p = line_at(j, j->n++);
    p->message = mem_strdup(line->message);
    p->details = details;
    p->line = (struct store_line){.at_us = loop_wall(j->loop),
                                  .job = line->job,
                                  .invocation = line->invocation,
                                  .level = level_name(line->level),
                                  .event = line->event,
                                  .message = p->message,
                                  .details = p->details,
                                  .worker = j->worker};
    flush_at(j, FLUSH_US);
}

/* The texts that people search their logs for since before this program. */
static void write_message(const struct engine_event *ev, const char *id, char *out, size_t size)
{
    switch (ev->kind) {
    case ENGINE_JOB_CLAIMED:
        (void)snprintf(out, size, "✅ Claimed job %s for processing", id);
        break;
    case ENGINE_JOB_STEP:
        (void)snprintf(out, size, "%s done", ev->step != NULL ? ev->step : "step");
        break;
    case ENGINE_JOB_COMPLETED:
        (void)snprintf(out, size, "completed: %d words in %.1f s", ev->words,
                       (double)ev->worked_us / 1e6);
        break;
    case ENGINE_JOB_RETRY:
        (void)snprintf(out, size, "🔄 Job %s queued for retry (attempt %d/%d)", id, ev->attempt,
                       ev->max_retries);
        break;
    case ENGINE_JOB_FAILED:
        (void)snprintf(out, size, "❌ Job %s failed after %d attempts", id, ev->attempt);
        break;
    case ENGINE_JOB_RELEASED:
        (void)snprintf(out, size, "handed back");
        break;
    default:
        (void)snprintf(out, size, "no longer ours");
        break;
    }
}

void journal_event(struct journal *j, const struct engine_event *ev)
{
    static const struct {
        const char *event;
        enum log_level level;
    } kinds[ENGINE_EVENT_MAX] = {
        [ENGINE_JOB_CLAIMED] = {"claimed", LOG_INFO},
        [ENGINE_JOB_STEP] = {"step", LOG_DEBUG},
        [ENGINE_JOB_COMPLETED] = {"completed", LOG_INFO},
        [ENGINE_JOB_RETRY] = {"retry", LOG_WARN},
        [ENGINE_JOB_FAILED] = {"failed", LOG_ERROR},
        [ENGINE_JOB_RELEASED] = {"released", LOG_INFO},
        [ENGINE_JOB_LOST] = {"lost", LOG_INFO},
    };
    char message[256], id[UUID_TEXT_SIZE], waited[64];
    const char *details = ev->message;
    if ((unsigned)ev->kind >= ENGINE_EVENT_MAX || kinds[ev->kind].event == NULL)
        return;
    if (ev->kind == ENGINE_JOB_CLAIMED) {
        (void)snprintf(waited, sizeof waited, "waited %.3f s", (double)ev->waited_us / 1e6);
        details = waited;
    }
    write_message(ev, uuid_text(&ev->job, id), message, sizeof message);
    journal_put(j, &(struct journal_line){.level = kinds[ev->kind].level,
                                          .job = ev->job,
                                          .invocation = ev->batch,
                                          .event = kinds[ev->kind].event,
                                          .message = message,
                                          .details = details});
}

/* ---- life ---- */

struct journal *journal_new(struct loop *loop, struct store *store, const char *worker,
                            int64_t keep)
{
    struct journal *j = mem_alloc(sizeof *j);
    *j = (struct journal){.loop = loop, .store = store, .worker = mem_strdup(worker), .keep = keep};
    j->lines = mem_array(PENDING_MAX, sizeof *j->lines);
    return j;
}

static void on_last(void *ctx, const struct store_result *r)
{
    (void)ctx;
    (void)r;
}

/* The store finishes what it has been asked before it closes. */
void journal_free(struct journal *j)
{
    if (j == NULL)
        return;
    timer_stop(j->loop, &j->timer);
    if (j->flight != NULL) {
        j->flight->journal = NULL;
        drop_first(j, j->flight->n);
    }
    while (j->n > 0) {
        size_t n = 0;
        struct store_line *lines = mem_array(STORE_BATCH_MAX, sizeof *lines);
        for (; n < j->n && n < STORE_BATCH_MAX; n++)
            lines[n] = line_at(j, n)->line;
        store_log_add(j->store, lines, n, j->keep, on_last, NULL);
        drop_first(j, n);
        free(lines);
    }
    free(j->lines);
    free(j->worker);
    free(j);
}
