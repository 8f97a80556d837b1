/* In: what is known of a job, of the queue and of the workers. Out: what the job waits for. */
#include "api/why.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/job_json.h"
#include "base/clock.h"
#include "engine/engine.h"

#define QUOTE_MAX 200 /* bytes of an error in the text */

const char *why_code_name(enum why_code code)
{
    static const char *const names[WHY_MAX] = {
        "ended",  "running",   "foreign",   "delayed",  "retry", "spend_cap", "provider",
        "paused", "no_worker", "triggered", "user_cap", "queue", "next"};
    return names[code];
}

__attribute__((format(printf, 3, 4))) static void say(struct why *w, enum why_code code,
                                                      const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(w->text, sizeof w->text, fmt, ap);
    va_end(ap);
    w->code = code;
}

static const char *quote(const char *error)
{
    return error != NULL ? error : "no reason is known";
}

static bool is_spend_cap(const char *reason)
{
    return reason != NULL && strncmp(reason, ENGINE_SPEND_CAP, strlen(ENGINE_SPEND_CAP)) == 0;
}

static bool explain_what_does_not_wait(const struct why_facts *f, struct why *w)
{
    const struct store_job *j = f->job;
    const char *step = j->current_step != NULL ? j->current_step : "no step yet";
    if (j->status == JOB_PENDING)
        return false;
    if (j->status == JOB_PROCESSING && j->queued)
        say(w, WHY_RUNNING, "It does not wait: it is in work (%.60s, %d %%).", step, j->progress);
    else if (j->status == JOB_PROCESSING)
        say(w, WHY_FOREIGN,
            "Another system has set it to processing. `scriptorium jobs rescue` takes back what is "
            "left so for long.");
    else
        say(w, WHY_ENDED, "It does not wait: it is %s.", job_status_name(j->status));
    w->waits = j->status == JOB_PROCESSING && !j->queued;
    return true;
}

/* Due later; who put it off has left the reason in the row. */
static bool explain_delay(const struct why_facts *f, struct why *w)
{
    const struct store_job *j = f->job;
    char until[CLOCK_ISO_SIZE];
    if (j->run_at_us <= f->now_us)
        return false;
    w->until_us = j->run_at_us;
    (void)clock_iso(j->run_at_us, until);
    if (j->current_step != NULL && strcmp(j->current_step, "retry_queued") == 0)
        say(w, WHY_RETRY, "Attempt %d of %d failed; the next one begins at %s: %.*s",
            j->retry_count, j->max_retries + 1, until, QUOTE_MAX, quote(j->error_message));
    else if (is_spend_cap(j->error_message))
        say(w, WHY_SPEND_CAP, "It is tried again at %s: %.*s", until, QUOTE_MAX, j->error_message);
    else if (j->error_message != NULL)
        say(w, WHY_PROVIDER, "It was handed back and goes on at %s: %.*s", until, QUOTE_MAX,
            j->error_message);
    else
        say(w, WHY_DELAYED, "It was asked for, for %s.", until);
    return true;
}

/* Nobody takes any job. */
static bool explain_standstill(const struct why_facts *f, struct why *w)
{
    bool alone = f->here && f->workers <= 1;
    if (f->paused)
        say(w, WHY_PAUSED,
            "Claiming is paused for the whole system; `scriptorium resume` ends it.");
    else if (f->workers == 0)
        say(w, WHY_NO_WORKER, "No worker is alive: start `scriptorium serve` (or `run`).");
    else if (f->here && is_spend_cap(f->parked))
        say(w, WHY_SPEND_CAP, "Nothing is claimed: %.*s", QUOTE_MAX, f->parked);
    else if (f->here && f->parked != NULL)
        say(w, WHY_PROVIDER, "The model provider refuses; it is tried again each minute: %.*s",
            QUOTE_MAX, f->parked);
    else if (f->called || (alone && f->slots == 0))
        say(w, WHY_TRIGGERED,
            "The worker takes jobs only when the function endpoint is called (mode triggered).");
    else
        return false;
    return true;
}

static void explain_place(const struct why_facts *f, struct why *w)
{
    const struct store_job *j = f->job;
    int ahead = j->position > 0 ? j->position - 1 : 0;
    if (f->cap_per_user > 0 && f->user_running >= f->cap_per_user)
        say(w, WHY_USER_CAP, "Its user has %" PRId64 " jobs in work, as many as one user may have.",
            f->user_running);
    else if (j->position == 0)
        say(w, WHY_QUEUE,
            "Many jobs are before it in the fair order, or its place is not known yet; %" PRId64
            " are in work.",
            f->running);
    else if (ahead > 0)
        say(w, WHY_QUEUE,
            "%d job%s before it in the fair order of its priority and above; %" PRId64
            " %s in work.",
            ahead, ahead == 1 ? " is" : "s are", f->running, f->running == 1 ? "is" : "are");
    else if (f->here && f->slots > 0 && f->workers <= 1 && f->running >= f->slots)
        say(w, WHY_QUEUE, "It is next: all %" PRId64 " slots are taken.", f->slots);
    else if (f->here && f->slots > 0)
        say(w, WHY_NEXT, "It is next: a worker with a free slot takes it within about a second.");
    else
        say(w, WHY_NEXT,
            "It is next: a worker with a free slot takes it within about a second, one in mode "
            "triggered when it is called.");
}

struct why why_explain(const struct why_facts *f)
{
    struct why w = {.waits = true};
    if (!explain_what_does_not_wait(f, &w) && !explain_delay(f, &w) && !explain_standstill(f, &w))
        explain_place(f, &w);
    return w;
}

void why_put_json(struct buf *out, const struct why *why)
{
    buf_putf(out, "\"code\":\"%s\",\"waits\":%s", why_code_name(why->code),
             why->waits ? "true" : "false");
    job_json_put_note(out, "text", why->text);
    job_json_put_time(out, "until", why->until_us);
}
