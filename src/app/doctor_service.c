/* In: the daemon's answers, schedules, keys. Out: whether callers are served and the clock drives
 * what it should. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/doctor.h"
#include "app/fmt.h"
#include "base/clock.h"
#include "text/json.h"

#define CRON_SILENT_US (180 * USEC_PER_SEC) /* with a schedule each minute that is too long */
#define LIMITS_MAX     ((size_t)256 << 10)
#define CLASSES_SHOWN  8
#define FULL_PERCENT   90

void look_at_function(struct doctor *d, struct finding *f)
{
    const char *key = d->inv->set.service_key;
    if (d->health.status == 0) {
        doctor_say(d, f, d->n_workers > 0 ? VERDICT_NOTE : VERDICT_ILL, "%s: %s", d->url,
                   d->health.error);
        doctor_remedy(d, f, "%s",
                      d->n_workers > 0
                          ? "workers are alive elsewhere: name one's address with --url"
                          : "start scriptorium serve, or name its address with --url");
    } else if (d->preflight.status != 200 || strcmp(d->preflight.body, "ok") != 0) {
        doctor_say(d, f, VERDICT_ILL, "%s answers, but not as scriptorium does (%d to OPTIONS)",
                   d->url, d->preflight.status);
        doctor_remedy(d, f,
                      "another program has this address, or a proxy keeps the path "
                      "/functions/v1/process-script-jobs to itself");
    } else if (d->stranger.status != 401) {
        doctor_say(d, f, VERDICT_ILL, "a caller without a key gets %d instead of 401",
                   d->stranger.status);
        doctor_remedy(d, f,
                      "take the address off the network and see what is in front of the daemon: "
                      "it must pass the caller's own Authorization header on");
    } else if (key != NULL && d->key.status == 401) {
        doctor_say(d, f, VERDICT_ILL,
                   "%s is there, but refuses the service key that is configured here", d->url);
        doctor_remedy(d, f,
                      "give both the same SCRIPTORIUM_SERVICE_KEY; SIGHUP makes the daemon read "
                      "it again");
    } else if (d->health.status != 200) {
        doctor_say(d, f, VERDICT_ILL, "%s is alive, but not ready: %.200s", d->url, d->health.body);
        doctor_remedy(d, f, "it waits for its database or is about to end; its log says which");
    } else {
        doctor_say(d, f, VERDICT_WELL, "%s is ready, knows who may call%s", d->url,
                   (d->told & TOLD_CALLS) == 0
                       ? ""
                       : arena_printf(&d->arena,
                                      "; in the last hour %" PRId64 " calls, %" PRId64 " failed",
                                      d->calls, d->calls_failed));
    }
}

void look_at_pipeline(struct doctor *d, struct finding *f)
{
    const char *folder = d->inv->set.pipeline;
    if (folder != NULL) {
        doctor_say(d, f, VERDICT_NOTE,
                   "this configuration takes the folder %.200s, whatever is deployed (version %d)",
                   folder, d->pipeline);
    } else if (d->pipeline_unusable != NULL) {
        doctor_say(d, f, VERDICT_ILL, "version %d is active, and this program cannot use it: %s",
                   d->pipeline, d->pipeline_unusable);
        doctor_remedy(d, f,
                      "daemons like this one go on with the version before it: upgrade them, give "
                      "them the models that it names, or scriptorium rollback");
    } else {
        doctor_say(d, f, VERDICT_WELL, "version %d is active: %s", d->pipeline,
                   d->pipeline_name != NULL ? d->pipeline_name : "the built-in one");
    }
}

static const char failed_runs[] =
    "SELECT * FROM cron.job_run_details WHERE status = 'failed' ORDER BY start_time DESC";

static void look_at_sql_cron(struct doctor *d, struct finding *f, const char *who)
{
    int64_t active = doctor_number(d, "cron_active", 0);
    int64_t last = doctor_number(d, "cron_last_run_us", 0);
    int64_t failed = doctor_number(d, "cron_failed_hour", 0);
    int64_t failing = doctor_number(d, "cron_failing", failed);
    int64_t age = loop_wall(d->context.loop) - d->skew_us - last;
    char text[FMT_SIZE];
    if (failing > 0) {
        doctor_say(d, f, VERDICT_ILL, "the newest run of %" PRId64 " SQL schedules failed: %.300s",
                   failing, doctor_fact(d, "cron_failure"));
        doctor_remedy(d, f, "%s", failed_runs);
    } else if (last == 0 || age > CRON_SILENT_US) {
        doctor_say(d, f, VERDICT_NOTE, "%" PRId64 " active in SQL (%s), %s%s", active, who,
                   last == 0 ? "none of them ran yet" : "the latest run began before ",
                   last == 0 ? "" : fmt_seconds(age, text));
        doctor_remedy(
            d, f,
            strcmp(who, "pg_cron") == 0
                ? "if one is due each minute: is pg_cron's worker alive (cron.database_name, "
                  "shared_preload_libraries)?"
                : "if one is due each minute: is a daemon alive (workers)?");
    } else {
        doctor_say(d, f, failed > 0 ? VERDICT_NOTE : VERDICT_WELL,
                   "%" PRId64 " active in SQL (%s), the latest ran %s ago, %" PRId64
                   " failed in the last hour; %" PRId64 " active of ours",
                   active, who, fmt_seconds(age, text), failed, d->schedules);
        if (failed > 0)
            doctor_remedy(d, f, "they went well since; what it was: %s", failed_runs);
    }
}

static void look_at_own_schedules(struct doctor *d, struct finding *f)
{
    int64_t off = d->schedules_off + doctor_number(d, "cron_inactive", 0);
    bool called = d->inv->set.mode == MODE_TRIGGERED;
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
    doctor_remedy(d, f,
                  "ALTER DATABASE ... SET app.settings.service_role_key = '...' (new connections "
                  "see it)");
}

/* ---- the provider ---- */

/* "requests 12 of 50"; the share that is used, in percent; -1 where no limit is known. */
static int put_use(struct buf *out, const json_t *class, const char *name, const char *words)
{
    const json_t *limit = json_object_get(class, name);
    double used = json_num(limit, "used_last_minute", 0);
    double most = json_num(limit, "per_minute", 0);
    if (most <= 0)
        return -1;
    buf_putf(out, ", %s %.0f of %.0f", words, used, most);
    return (int)(used * 100 / most);
}

/* Of one rate class; raises the verdict where it must. */
static void put_class(struct buf *out, const json_t *class, enum verdict *verdict)
{
    static const char *const names[][2] = {{"requests", "requests"},
                                           {"input_tokens", "input tokens"},
                                           {"output_tokens", "output tokens"}};
    const char *parked = json_str(class, "parked");
    int busiest = -1;
    buf_putf(out, "%s%.60s: %.0f calls open", out->len > 0 ? "; " : "",
             json_str(class, "rate_class"), json_num(class, "running", 0));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int percent = put_use(out, class, names[i][0], names[i][1]);
        busiest = percent > busiest ? percent : busiest;
    }
    buf_putf(out, " in the last minute, %.0f refused as too many",
             json_num(class, "refused_429", 0));
    if (parked != NULL) {
        buf_putf(out, ", PARKED: %.300s", parked);
        *verdict = VERDICT_ILL;
    } else if (busiest >= FULL_PERCENT && *verdict == VERDICT_WELL) {
        *verdict = VERDICT_NOTE;
    }
}

static bool read_limits(struct doctor *d, struct finding *f)
{
    json_t *all = NULL;
    struct errmsg msg = {""};
    if (d->limits.status != 200 ||
        json_parse(d->limits.body, strlen(d->limits.body), LIMITS_MAX, &all, &msg) != OK)
        return false;
    struct buf out = BUF_INIT(LIMITS_MAX);
    bool simulated = strcmp(json_str(all, "provider"), "simulated") == 0;
    enum verdict verdict = simulated ? VERDICT_NOTE : VERDICT_WELL;
    const json_t *classes = json_object_get(all, "classes");
    for (size_t i = 0; i < json_array_size(classes) && i < CLASSES_SHOWN; i++)
        put_class(&out, json_array_get(classes, i), &verdict);
    doctor_say(d, f, verdict, "%s%s%.1500s", json_str(all, "provider"),
               out.len > 0 ? ": " : ", no call yet", buf_str(&out));
    if (verdict == VERDICT_ILL)
        doctor_remedy(d, f, "mend what the line says; jobs wait meanwhile and burn no retry");
    else if (simulated)
        doctor_remedy(d, f, "set ANTHROPIC_API_KEY or ANTHROPIC_API_KEY_FILE for real scripts");
    else if (verdict == VERDICT_NOTE)
        doctor_remedy(d, f,
                      "the limits are used to the full: more workers bring nothing, a higher tier "
                      "or a second key does; scriptorium plan computes it");
    buf_free(&out);
    json_decref(all);
    return true;
}

void look_at_provider(struct doctor *d, struct finding *f)
{
    if (read_limits(d, f))
        return;
    if (d->inv->set.api_key != NULL) {
        doctor_say(d, f, VERDICT_UNKNOWN,
                   "a key is configured; its limits are known to the daemon, "
                   "which did not tell them");
        doctor_remedy(d, f, "run it with the daemon's address and SCRIPTORIUM_SERVICE_KEY");
    } else {
        doctor_say(d, f, VERDICT_NOTE, "no key is configured here: the simulated provider writes");
        doctor_remedy(d, f, "set ANTHROPIC_API_KEY or ANTHROPIC_API_KEY_FILE for real scripts");
    }
}

void look_at_budget(struct doctor *d, struct finding *f)
{
    char all[FMT_SIZE], today[FMT_SIZE], cap[FMT_SIZE];
    int64_t most = (int64_t)(d->inv->set.budget_day_usd * 1e6 + 0.5);
    int64_t used = d->stats.today_udollar + d->stats.today_reserved_udollar;
    bool reached = most > 0 && used >= most;
    doctor_say(d, f, reached ? VERDICT_ILL : VERDICT_WELL, "%s today%s%s, %s in all",
               fmt_money(used, today), most > 0 ? " of " : " (no cap is set)",
               most > 0 ? fmt_money(most, cap) : "", fmt_money(d->stats.cost_udollar, all));
    if (reached)
        doctor_remedy(d, f,
                      "jobs wait until midnight UTC, or until budget.per_day_usd is raised "
                      "(SIGHUP makes the daemon read it)");
}
