/* In: queue, workers and log. Out: whether the work goes on, and what holds it up. */
#include <inttypes.h>

#include "api/scale_json.h"
#include "app/daemon.h"
#include "app/doctor.h"
#include "app/fmt.h"
#include "base/clock.h"

#define USUAL_SECONDS    300.0 /* of a job, while none has been completed: the planner's */
#define GUIDE_USERS      10
#define PLAN_SCRIPTS_MAX 10000 /* the planner leaves out what is called above it */

void look_at_workers(struct doctor *d, struct finding *f)
{
    int64_t expired = doctor_number(d, "leases_expired", 0), running = 0;
    char since[FMT_SIZE];
    for (size_t i = 0; i < d->n_workers; i++)
        running += d->workers[i].running;
    if (d->stats.paused) {
        int64_t age = loop_wall(d->context.loop) - d->stats.paused_since_us;
        doctor_say(d, f, VERDICT_NOTE, "the system is paused%s%s",
                   d->stats.paused_since_us > 0 ? " for " : "",
                   d->stats.paused_since_us > 0 ? fmt_seconds(age, since) : "");
        doctor_remedy(d, f, "scriptorium resume");
    } else if (d->n_workers == 0 && d->stats.due > 0) {
        doctor_say(d, f, VERDICT_ILL, "none, and jobs are due: %" PRId64, d->stats.due);
        doctor_remedy(d, f, "start scriptorium serve");
    } else if (d->n_workers == 0) {
        doctor_say(d, f, VERDICT_NOTE, "none; nothing is due");
        doctor_remedy(d, f, "start scriptorium serve");
    } else if (expired > 0) {
        doctor_say(d, f, VERDICT_NOTE, "%zu with a lease, %" PRId64 " of them past its end",
                   d->n_workers, expired);
        doctor_remedy(d, f,
                      "nothing: their jobs are taken over by the next that looks; if it stays "
                      "so, no worker is alive");
    } else {
        doctor_say(d, f, VERDICT_WELL, "%zu, with %" PRId64 " running jobs", d->n_workers, running);
    }
}

void look_at_stuck_jobs(struct doctor *d, struct finding *f)
{
    int64_t n = doctor_number(d, "stuck_jobs", 0);
    if (n == 0) {
        doctor_say(d, f, VERDICT_WELL, "no running job has been silent for ten minutes");
        return;
    }
    doctor_say(d, f, VERDICT_ILL, "%" PRId64 " running, and nothing written for ten minutes: %s%s",
               n, doctor_fact(d, "stuck_job"), n > 1 ? " and others" : "");
    doctor_remedy(d, f,
                  "scriptorium logs --job %s; their workers may be dead and nobody alive to take "
                  "over: start scriptorium serve",
                  doctor_fact(d, "stuck_job"));
}

#define FOREIGN_US (24 * 3600 * USEC_PER_SEC) /* so long another system's last act is told */

/* Between its calls an old worker has no row in hand. */
static bool say_foreign_act(struct doctor *d, struct finding *f, int64_t now)
{
    char age[FMT_SIZE];
    int64_t at = doctor_number(d, "foreign_at_us", 0);
    if (at == 0 || now - at > FOREIGN_US)
        return false;
    doctor_say(d, f, VERDICT_NOTE,
               "no row is processed by another system now, but %s ago one took a row or ended it",
               fmt_seconds(now - at, age));
    doctor_remedy(d, f,
                  "if an old worker is still called: unschedule it, it takes rows from this "
                  "one");
    return true;
}

void look_at_foreign_jobs(struct doctor *d, struct finding *f)
{
    char age[FMT_SIZE];
    int64_t since = doctor_number(d, "foreign_since_us", 0);
    int64_t now = loop_wall(d->context.loop) - d->skew_us;
    if (d->stats.foreign == 0) {
        if (!say_foreign_act(d, f, now))
            doctor_say(d, f, VERDICT_WELL, "no row is processed by another system");
        return;
    }
    doctor_say(
        d, f, VERDICT_NOTE, "%" PRId64 " row%s 'processing' for another system, the oldest for %s",
        d->stats.foreign, d->stats.foreign == 1 ? " is" : "s are", fmt_seconds(now - since, age));
    doctor_remedy(d, f,
                  "if the old worker is gone: scriptorium jobs rescue --older-than 30m; if it "
                  "is not: unschedule it, it takes rows from this one");
}

void look_at_errors(struct doctor *d, struct finding *f)
{
    int64_t failed = d->stats.recent[JOB_FAILED];
    if (d->errors == 0 && failed == 0) {
        doctor_say(d, f, VERDICT_WELL, "none in the last hour");
        return;
    }
    doctor_say(d, f,
               failed > 0 && failed >= d->stats.recent[JOB_COMPLETED] ? VERDICT_ILL : VERDICT_NOTE,
               "in the last hour %" PRId64 " errors in the log and %" PRId64
               " failed jobs (%" PRId64 " completed)%s%s",
               d->errors, failed, d->stats.recent[JOB_COMPLETED],
               d->latest_error != NULL ? "; the latest: " : "",
               d->latest_error != NULL ? d->latest_error : "");
    doctor_remedy(d, f,
                  "scriptorium logs, scriptorium jobs list --status failed; once the cause is "
                  "gone: scriptorium jobs retry --status failed");
}

/* ---- is concurrency the bottleneck? ---- */

static bool is_called(const struct doctor *d)
{
    return d->scale.schedules > 0 || doctor_is_triggered(d);
}

/* What so many at once would give for the scripts that wait, or for ten: as the planner has it. */
static void put_forecast(struct buf *out, struct doctor *d, int64_t slots)
{
    char wait[FMT_SIZE];
    struct forecast f;
    struct forecast_input *in = &d->plan;
    in->users = d->stats.due > 0 && d->stats.due < PLAN_SCRIPTS_MAX ? d->stats.due : GUIDE_USERS;
    if (d->stats.due >= PLAN_SCRIPTS_MAX)
        in->users = PLAN_SCRIPTS_MAX;
    in->workers = 1;
    in->concurrency = (int)slots;
    if (forecast_make(in, &f, NULL) != OK)
        return;
    /* The last two rows: called each minute, and continuous. */
    const struct forecast_row *row = &f.rows[f.n - (is_called(d) ? 2 : 1)];
    buf_putf(out, "; %" PRId64 " at once: %.0f an hour, the last of %" PRId64 " starts in %s",
             slots, row->rate.scripts_per_hour, in->users, fmt_seconds(row->waits.last_us, wait));
}

static void put_forecasts(struct buf *out, struct doctor *d)
{
    const struct settings *set = &d->inv->set;
    const struct capacity_limits own = {
        .requests = set->rpm, .input_tokens = set->itpm, .output_tokens = set->otpm};
    struct forecast_input *in = &d->plan;
    int64_t sum = 0;
    (void)forecast_limits(NULL, &own, &in->limits);
    for (size_t i = 0; i < in->n_measured; i++)
        sum += in->measured_us[i];
    buf_putf(out, "; at %.0f s a job (%s)",
             in->n_measured > 0 ? (double)sum / 1e6 / (double)in->n_measured : USUAL_SECONDS,
             in->n_measured > 0
                 ? arena_printf(&d->arena, "the mean of the last %zu completed", in->n_measured)
                 : "assumed");
    if (d->stats.running > 0 && d->stats.running <= CAPACITY_SLOTS_MAX)
        put_forecast(out, d, d->stats.running);
    put_forecast(out, d, 5);
    put_forecast(out, d, 10);
}

/* What the whole system may have in work, as `scriptorium scale` tells it. */
static int64_t all_slots(const struct doctor *d)
{
    const struct settings *set = &d->inv->set;
    int64_t each = set->concurrency > 0 ? set->concurrency : SLOTS_DEFAULT;
    return scale_figures(&d->scale, doctor_is_triggered(d) ? 0 : each, set->concurrent_limit).slots;
}

/* Yes or no first; then what is, and what the guide wants to know: what 5 and 10 at once give. */
static void say_bottleneck(struct doctor *d, struct finding *f, bool full, int64_t slots)
{
    struct buf out = BUF_INIT(2048);
    if (d->stats.due == 0)
        buf_putf(&out, "no: no job waits; %" PRId64 " run", d->stats.running);
    else
        buf_putf(&out, "%s: %" PRId64 " wait, %" PRId64 " of %" PRId64 " slots are taken",
                 full ? "yes" : "no", d->stats.due, d->stats.running, slots);
    put_forecasts(&out, d);
    doctor_say(d, f, d->stats.due == 0 ? VERDICT_WELL : VERDICT_NOTE, "%s", buf_str(&out));
    buf_free(&out);
}

/* Where the work is claimed call by call, workers times their limit is all that runs. */
void look_at_concurrency(struct doctor *d, struct finding *f)
{
    int64_t due = d->stats.due, running = d->stats.running, slots = all_slots(d);
    bool called = is_called(d), full = running >= slots;
    if (due > 0 && (d->stats.paused || d->n_workers == 0)) {
        doctor_say(d, f, VERDICT_UNKNOWN, "%" PRId64 " wait, and nobody claims", due);
        return;
    }
    say_bottleneck(d, f, full, slots);
    if (due == 0)
        return;
    if (full)
        doctor_remedy(d, f,
                      "scriptorium scale %s%s, if the provider's limits (below) leave room; "
                      "scriptorium plan computes it",
                      called ? "3x3, 5x5 ..." : "--concurrency N",
                      called ? ", or claim as jobs arrive: serve --mode continuous" : "");
    else if (called)
        doctor_remedy(d, f,
                      "they wait for the next call: call more often, or claim as jobs "
                      "arrive: serve --mode continuous");
    else
        doctor_remedy(d, f,
                      "GET /v1/jobs/ID/why says what one waits for: its provider, a cap of "
                      "its user, its time");
}
