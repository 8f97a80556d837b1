/* In: the daemon's answers, its pipeline, its provider. Out: whether callers are served, and by
 * what. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/doctor.h"
#include "app/fmt.h"
#include "base/clock.h"
#include "text/json.h"

#define LIMITS_MAX    ((size_t)256 << 10)
#define CLASSES_SHOWN 8
#define FULL_PERCENT  90

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
