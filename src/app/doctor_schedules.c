/* In: schedules, ours and those in SQL, and what became of their calls. Out: whether the clock
 * drives what it should. */
#include <inttypes.h>
#include <string.h>

#include "app/doctor.h"
#include "app/fmt.h"
#include "base/clock.h"
#include "text/cron.h"
#include "text/json.h"

#define CRON_SILENT_US (180 * USEC_PER_SEC) /* with a schedule each minute that is too long */
#define FIRING_MAX     ((size_t)4096)       /* of a fact's text */

static const char failed_runs[] =
    "SELECT * FROM cron.job_run_details WHERE status = 'failed' ORDER BY start_time DESC";

static int64_t database_now(const struct doctor *d)
{
    return loop_wall(d->context.loop) - d->skew_us;
}

/* Has anybody called the function since then? What is not known counts as no. */
static bool called_since(const struct doctor *d, int64_t at_us)
{
    return d->last_call_us > 0 && d->last_call_us >= at_us;
}

/* ---- do the calls that schedules make get through? ---- */

/* The newest answer is a refusal, and no call has arrived about that time or since: SQL sends other
 * requests too, and theirs are not ours to judge. */
static bool calls_fail(struct doctor *d)
{
    int64_t failed = doctor_number(d, "answer_failed_us", 0);
    return doctor_number(d, "cron_workers_active", 0) > 0 && failed > 0 &&
           failed > doctor_number(d, "answer_good_us", 0) && !called_since(d, failed - OVERDUE_US);
}

static void say_calls_fail(struct doctor *d, struct finding *f)
{
    const char *why = doctor_fact(d, "answer_failure");
    doctor_say(d, f, VERDICT_ILL,
               "calls from SQL do not get through: %s (%" PRId64 " failed in the last hour)", why,
               doctor_number(d, "answers_failed_hour", 0));
    doctor_remedy(
        d, f, "%s",
        strcmp(why, "status 401") == 0
            ? "the key that the cron commands send is not the daemon's SCRIPTORIUM_SERVICE_KEY: "
              "give both the same; SELECT * FROM net._http_response ORDER BY created DESC"
            : "give the cron commands the daemon's address, or have it in the daemon's "
              "public_urls; SELECT * FROM net._http_response ORDER BY created DESC");
}

/* Jobs wait for a call, and there is nobody who would call. */
static bool nobody_calls(struct doctor *d)
{
    return doctor_is_triggered(d) &&
           (d->told & (TOLD_STATS | TOLD_CALLS)) == (TOLD_STATS | TOLD_CALLS) && d->stats.due > 0 &&
           d->schedules == 0 && doctor_number(d, "cron_workers_active", 0) == 0 &&
           !called_since(d, database_now(d) - CRON_SILENT_US);
}

static void say_nobody_calls(struct doctor *d, struct finding *f)
{
    int64_t off = d->schedules_off + doctor_number(d, "cron_workers_inactive", 0);
    doctor_say(d, f, VERDICT_ILL,
               "jobs are due: %" PRId64 "; the daemon claims only when called, and no schedule of "
               "a worker is active (%" PRId64 " are switched off)",
               d->stats.due, off);
    doctor_remedy(d, f, "%s",
                  off > 0
                      ? "switch one on: scriptorium cron list shows ours, SELECT * FROM cron.job "
                        "those in SQL (cron.alter_job); or serve --mode continuous"
                      : "scriptorium cron schedule process-script-jobs-worker-1 '* * * * *' makes "
                        "one, scriptorium scale 3x3 three of it; or serve --mode continuous");
}

/* ---- do schedules in SQL fire? ---- */

/* When it should have fired; 0 = it is not late. */
static int64_t late_since(struct doctor *d, const char *fact, const char **ret_name)
{
    json_t *firing = NULL;
    struct cron *cron = NULL;
    struct errmsg msg = {""};
    int64_t due = 0;
    if (json_parse(fact, strlen(fact), FIRING_MAX, &firing, &msg) == OK &&
        cron_parse(json_str(firing, "schedule"), &cron, &msg) == OK) {
        due = cron_next(cron, (int64_t)json_num(firing, "since_us", 0));
        *ret_name = arena_strdup(&d->arena, json_str(firing, "name"));
    }
    cron_free(cron);
    json_decref(firing);
    return due > 0 && due < database_now(d) - OVERDUE_US ? due : 0;
}

/* Those that nobody has fired in time; false: there are none. */
static bool say_late(struct doctor *d, struct finding *f, bool pg_cron)
{
    int64_t n = 0, worst = INT64_MAX;
    const char *name = NULL, *worst_name = NULL;
    char age[FMT_SIZE];
    for (size_t i = 0; i < d->n_facts; i++) {
        int64_t due = strcmp(d->facts[i].name, "cron_firing") == 0
                          ? late_since(d, d->facts[i].value, &name)
                          : 0;
        n += due > 0;
        if (due > 0 && due < worst) {
            worst = due;
            worst_name = name;
        }
    }
    if (n == 0)
        return false;
    doctor_say(d, f, VERDICT_ILL,
               "%" PRId64 " active schedule%s in SQL overdue, nobody fires %s: %.100s for %s", n,
               n == 1 ? " is" : "s are", n == 1 ? "it" : "them", worst_name,
               fmt_seconds(database_now(d) - worst, age));
    doctor_remedy(d, f, "%s",
                  pg_cron ? "pg_cron's worker fires them: is it alive (shared_preload_libraries, "
                            "cron.database_name, max_worker_processes)?"
                          : "a daemon on this database fires them: start scriptorium serve");
    return true;
}

/* None is late, and none of the newest runs failed. */
static void say_sql_fires(struct doctor *d, struct finding *f, const char *who)
{
    int64_t active = doctor_number(d, "cron_active", 0);
    int64_t last = doctor_number(d, "cron_last_run_us", 0);
    int64_t failed = doctor_number(d, "cron_failed_hour", 0);
    int64_t refused = doctor_number(d, "answers_failed_hour", 0);
    char text[FMT_SIZE];
    if (last == 0) {
        doctor_say(d, f, VERDICT_NOTE, "%" PRId64 " active in SQL (%s), none of them ran yet",
                   active, who);
        doctor_remedy(d, f,
                      "if one was due already: is %s alive? pg_cron tells its runs only while "
                      "cron.log_run is on",
                      strcmp(who, "pg_cron") == 0 ? "pg_cron's worker" : "a daemon (workers)");
        return;
    }
    doctor_say(d, f, failed > 0 || refused > 0 ? VERDICT_NOTE : VERDICT_WELL,
               "%" PRId64 " active in SQL (%s), the latest ran %s ago, %" PRId64
               " failed in the last hour%s; %" PRId64 " active of ours",
               active, who, fmt_seconds(database_now(d) - last, text), failed,
               refused == 0
                   ? ""
                   : arena_printf(&d->arena,
                                  ", %" PRId64 " of their requests too, the latest: %.300s",
                                  refused, doctor_fact(d, "answer_failure")),
               d->schedules);
    if (failed > 0)
        doctor_remedy(d, f, "they went well since; what it was: %s", failed_runs);
    else if (refused > 0)
        doctor_remedy(d, f,
                      "calls get through all the same; what it was: SELECT * FROM "
                      "net._http_response ORDER BY created DESC");
}

static void look_at_sql_cron(struct doctor *d, struct finding *f, const char *who)
{
    int64_t failing = doctor_number(d, "cron_failing", 0);
    if (failing > 0) {
        doctor_say(d, f, VERDICT_ILL, "the newest run of %" PRId64 " SQL schedules failed: %.300s",
                   failing, doctor_fact(d, "cron_failure"));
        doctor_remedy(d, f, "%s", failed_runs);
    } else if (!say_late(d, f, strcmp(who, "pg_cron") == 0)) {
        say_sql_fires(d, f, who);
    }
}

static void look_at_own_schedules(struct doctor *d, struct finding *f)
{
    int64_t off = d->schedules_off + doctor_number(d, "cron_inactive", 0);
    bool called = doctor_is_triggered(d);
    if (d->schedules > 0) {
        doctor_say(d, f, VERDICT_WELL, "%" PRId64 " active, none overdue, none failing",
                   d->schedules);
    } else if (off > 0) {
        doctor_say(d, f, called ? VERDICT_ILL : VERDICT_NOTE,
                   "none is active, %" PRId64 " are switched off%s", off,
                   called ? ", and this configuration claims only when called" : "");
        doctor_remedy(d, f,
                      "scriptorium cron list shows ours, SELECT * FROM cron.job those in SQL "
                      "(cron.alter_job switches on)");
    } else if (called) {
        doctor_say(d, f, VERDICT_NOTE, "none, and this configuration claims only when called");
        doctor_remedy(d, f,
                      "scriptorium cron schedule process-script-jobs-worker-1 '* * * * *' makes "
                      "one, scriptorium scale 3x3 three of it; or serve --mode continuous");
    } else {
        doctor_say(d, f, VERDICT_WELL,
                   "none, and none is needed: the daemon claims as jobs arrive");
    }
}

void look_at_schedules(struct doctor *d, struct finding *f)
{
    const char *cron = doctor_fact(d, "cron");
    if (d->schedule_error != NULL) {
        doctor_say(d, f, VERDICT_ILL, "a schedule cannot be planned: %s", d->schedule_error);
        doctor_remedy(d, f, "scriptorium cron schedule NAME EXPR writes it anew");
    } else if (d->overdue > 0) {
        doctor_say(d, f, VERDICT_ILL,
                   "%" PRId64 " of %" PRId64 " active schedules are overdue, nobody "
                   "fires them",
                   d->overdue, d->schedules);
        doctor_remedy(d, f, "the daemon fires them: start scriptorium serve");
    } else if (d->failing > 0) {
        doctor_say(d, f, VERDICT_ILL, "the newest run of %" PRId64 " schedules failed: %s",
                   d->failing, d->run_failure);
        doctor_remedy(d, f, "scriptorium cron runs, scriptorium invocations");
    } else if (nobody_calls(d)) {
        say_nobody_calls(d, f);
    } else if (calls_fail(d)) {
        say_calls_fail(d, f);
    } else if (cron != NULL && doctor_number(d, "cron_active", 0) > 0) {
        look_at_sql_cron(d, f, cron);
    } else {
        look_at_own_schedules(d, f);
    }
}

void look_at_cron_key(struct doctor *d, struct finding *f)
{
    int64_t n = doctor_number(d, "cron_null_keys", 0);
    if (n == 0) {
        doctor_say(d, f, VERDICT_WELL, "no cron command reads a key that is not set");
        return;
    }
    doctor_say(d, f, VERDICT_ILL,
               "%" PRId64 " cron commands read app.settings.service_role_key, which is "
               "not set: their Authorization header is null, and they get 401",
               n);
    doctor_remedy(
        d, f,
        "as a superuser: ALTER DATABASE ... SET app.settings.service_role_key = '...' (new "
        "connections see it); where nobody is one, as on Supabase: let the commands read "
        "the key from Vault (docs/supabase.md)");
}
