/* In: signals, the engine's events. Out: an engine and its API, from the first probe of the store
 * to the last job handed back. */
#include "app/daemon.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "app/hints_watch.h"
#include "app/connections.h"
#include "app/notify.h"
#include "app/outbound.h"
#include "app/processes.h"
#include "app/reload.h"
#include "app/surface.h"
#include "app/webhook_settings.h"
#include "app/workshop.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/engine.h"
#include "engine/invoke.h"
#include "engine/journal.h"
#include "engine/outbox.h"
#include "engine/retention.h"
#include "engine/schedule_calls.h"
#include "store/store_webhooks.h"

#define BEAT_US         USEC_PER_SEC
#define PROBE_FIRST_US  USEC_PER_SEC
#define PROBE_MAX_US    (30 * USEC_PER_SEC)
#define LAST_ANSWERS_US (2 * USEC_PER_SEC) /* for requests that wait for the store at the end */
#define LAST_WORDS_US   USEC_PER_SEC       /* for the results of what was cut */
#define OWN_DESCRIPTORS 64                 /* the store's, the loop's */
#define LAST_LOOK_US    (20 * USEC_PER_MSEC)

struct server_life { /* one `serve`, from its first look at the store to its end */
    struct context context;
    struct workshop workshop;
    const struct daemon_config *config;
    struct engine *engine;
    struct journal *journal;
    struct invoker *invoker;
    struct outbox *outbox;
    struct surface surface;
    struct retention *retention;
    struct outbound outbound;
    struct webhook_endpoint endpoints[STORE_ENDPOINT_MAX]; /* as it was started with */
    struct webhooks *webhooks;
    struct schedule_calls calls;
    struct schedule *schedule; /* NULL before the store has answered */
    struct api *api;
    struct hints_watch hints;
    struct loop_timer probe_timer, beat_timer, end_timer;
    int64_t probe_wait_us, fed_us;
    int64_t end_by_us, surface_by_us; /* when the end no longer waits */
    bool stopping, surface_cut, engine_over;
    bool is_ready, reload_again;
    int code;
    char worker[HOST_NAME_MAX + 32];
};

static const struct settings *settings_of(const struct server_life *s)
{
    return &s->context.inv->set;
}

void daemon_set_log(const struct settings *set)
{
    log_set_level(set->log_level == LOG_LEVEL_AUTO ? LOG_INFO : (enum log_level)set->log_level);
    log_set_json(set->log_format != 0);
}

/* ---- the end ---- */

/* What SQL users have begun has its time, and then is ended, so that they learn how. */
static bool surface_waits(struct server_life *s, int64_t now)
{
    if (surface_busy(&s->surface) == 0)
        return false;
    if (now < s->surface_by_us)
        return true;
    if (s->surface_cut)
        return false;
    s->surface_cut = true;
    surface_cut(&s->surface);
    s->surface_by_us = loop_now(s->context.loop) + LAST_WORDS_US;
    return true;
}

static void end_when_answered(void *ctx)
{
    struct server_life *s = ctx;
    struct loop *loop = s->context.loop;
    int64_t now = loop_now(loop);
    bool waiting =
        (api_waiting(s->api) > 0 || webhooks_running(s->webhooks) > 0) && now < s->end_by_us;
    if (surface_waits(s, now) || waiting)
        timer_set(loop, &s->end_timer, now + LAST_LOOK_US, end_when_answered, s);
    else
        loop_stop(loop);
}

static void stop(struct server_life *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    notify_send("STOPPING=1");
    s->surface_by_us = loop_now(s->context.loop) + settings_of(s)->grace_us;
    timer_stop(s->context.loop, &s->probe_timer);
    api_drain(s->api);
    surface_stop(&s->surface);
    webhooks_stop(s->webhooks);
    if (s->schedule != NULL)
        schedule_stop(s->schedule);
    engine_stop(s->engine);
}

static void on_end_signal(void *ctx, int signo)
{
    struct server_life *s = ctx;
    if (s->stopping)
        _exit(128 + signo);
    log_info(NULL, "stopping: jobs in work are saved and handed back: %zu",
             engine_running(s->engine));
    stop(s);
}

static void fail(struct server_life *s, const char *message)
{
    log_error(NULL, "%s", message);
    s->code = EXIT_WORK_FAILED;
    stop(s);
}

/* ---- what the engine tells ---- */

static void on_event(void *ctx, const struct engine_event *ev)
{
    struct server_life *s = ctx;
    api_engine_event(s->api, ev);
    if (ev->kind == ENGINE_TROUBLE) {
        log_error(NULL, "%s", ev->message); /* jobs wait meanwhile; the engine tries again */
    } else if (ev->kind == ENGINE_PAUSED) {
        log_info(NULL, "paused: nothing is claimed until `scriptorium resume`");
    } else if (ev->kind == ENGINE_RESUMED) {
        log_info(NULL, "resumed");
    } else if (ev->kind == ENGINE_STOPPED) {
        s->engine_over = true;
        s->end_by_us = loop_now(s->context.loop) + LAST_ANSWERS_US;
        if (s->surface_by_us < s->end_by_us)
            s->surface_by_us = s->end_by_us;
        timer_set(s->context.loop, &s->end_timer, loop_now(s->context.loop), end_when_answered, s);
    } else {
        journal_event(s->journal, ev);
        if (ev->kind == ENGINE_JOB_COMPLETED || ev->kind == ENGINE_JOB_FAILED)
            webhooks_poke(s->webhooks);
    }
}

static struct store_sweep sweep_of(const struct settings *set)
{
    struct store_sweep sweep = {.rows = !set->keep_rows};
    sweep.age_us[JOB_COMPLETED] = set->keep_completed_us;
    sweep.age_us[JOB_FAILED] = set->keep_failed_us;
    sweep.age_us[JOB_CANCELLED] = set->keep_cancelled_us;
    return sweep;
}

/* ---- the store, at the start ---- */

static void probe(void *ctx);

static void start_webhooks(struct server_life *s)
{
    const struct settings *set = settings_of(s);
    struct webhooks_config config = {.loop = s->context.loop,
                                     .store = s->context.store,
                                     .http = s->outbound.http,
                                     .guard = s->outbound.guard,
                                     .journal = s->journal,
                                     .give_up_us = set->webhook_give_up_us};
    s->webhooks = webhooks_new(&config, s->endpoints, set->webhooks->n);
    api_watch_webhooks(s->api, s->webhooks);
}

/* Of several processes the first one is the start that @reboot means. */
static void start_schedule(struct server_life *s)
{
    struct schedule_config config = {.worker = schedule_calls_worker,
                                     .call = schedule_calls_make,
                                     .ctx = &s->calls,
                                     .keep = settings_of(s)->keep_runs,
                                     .boot = s->config->number == 0};
    s->calls = (struct schedule_calls){s->engine, s->invoker};
    s->schedule = schedule_new(s->context.loop, s->context.store, &config);
}

static void on_reload(void *ctx, int signo);

static void ready(struct server_life *s)
{
    start_webhooks(s); /* first: no end may be missed */
    engine_start(s->engine);
    struct store_sweep sweep = sweep_of(settings_of(s));
    s->outbox = outbox_new(s->context.loop, s->context.store);
    s->retention = retention_new(s->context.loop, s->context.store, &sweep);
    start_schedule(s);
    if (s->context.shared && s->config->number == 0)
        connections_check(s->context.store, (size_t)settings_of(s)->processes,
                          (size_t)settings_of(s)->pool, (size_t)settings_of(s)->cron_commands);
    log_info(NULL, "ready");
    notify_send("STATUS=working");
    s->is_ready = true;
    if (s->reload_again)
        on_reload(s, SIGHUP);
}

/* Away: it will come back. Everything else needs a person. */
static bool may_come_back(enum err e)
{
    return e == ERR_CONNECT || e == ERR_TIMEOUT || e == ERR_CLOSED || e == ERR_BUSY || e == ERR_IO;
}

static void on_probe(void *ctx, const struct store_result *r)
{
    struct server_life *s = ctx;
    if (s->stopping)
        return;
    if (r->err == OK) {
        ready(s);
    } else if (!may_come_back(r->err)) {
        fail(s, r->message);
    } else {
        log_warn(NULL, "the database is away, trying again in %lld s: %s",
                 (long long)(s->probe_wait_us / USEC_PER_SEC), r->message);
        notify_send("STATUS=waiting for the database");
        timer_set(s->context.loop, &s->probe_timer, loop_now(s->context.loop) + s->probe_wait_us,
                  probe, s);
        s->probe_wait_us *= 2;
        if (s->probe_wait_us > PROBE_MAX_US)
            s->probe_wait_us = PROBE_MAX_US;
    }
}

static void probe(void *ctx)
{
    struct server_life *s = ctx;
    store_hooks_check(s->context.store, true, on_probe, s);
}

/* ---- signs of life ---- */

static void beat(void *ctx)
{
    struct server_life *s = ctx;
    int64_t now = loop_now(s->context.loop), watchdog = notify_watchdog_us();
    process_report(s->config->report_fd, s->config->number);
    if (watchdog > 0 && now - s->fed_us >= watchdog / 4) {
        s->fed_us = now;
        notify_send("WATCHDOG=1");
    }
    int64_t each = watchdog > 0 && watchdog / 4 < BEAT_US ? watchdog / 4 : BEAT_US;
    timer_set(s->context.loop, &s->beat_timer, now + each, beat, s);
}

/* ---- settings ---- */

static struct auth_config auth_of(const struct server_life *s, const struct settings *set)
{
    return (struct auth_config){.service_key = set->service_key,
                                .jwt_secret = set->jwt_secret,
                                .jwks_url = set->jwks_url,
                                .issuer = set->issuer,
                                .audience = set->audience,
                                .http = s->workshop.http};
}

static size_t slots_of(const struct settings *set)
{
    if (set->mode == MODE_TRIGGERED)
        return 0;
    return set->concurrency > 0 ? (size_t)set->concurrency : SLOTS_DEFAULT;
}

static bool reload_keys(struct server_life *s, const struct settings *fresh)
{
    struct errmsg msg = {""};
    struct auth_config auth = auth_of(s, fresh);
    if (api_reload(s->api, &auth, &msg) == OK)
        return true;
    log_error(NULL, "the keys stay as they were: %s", msg.text);
    return false;
}

static bool reload_webhooks(struct server_life *s, const struct settings *fresh)
{
    struct webhook_endpoint endpoints[STORE_ENDPOINT_MAX];
    struct errmsg msg = {""};
    if (webhook_settings_endpoints(fresh->webhooks, endpoints, &msg) != OK) {
        log_error(NULL, "the webhooks stay as they were: %s", msg.text);
        return false;
    }
    if (s->webhooks != NULL)
        webhooks_set(s->webhooks, endpoints, fresh->webhooks->n);
    return true;
}

static void on_reload(void *ctx, int signo)
{
    struct server_life *s = ctx;
    const struct invocation *inv = s->context.inv;
    struct invocation fresh = {0};
    struct errmsg msg = {""};
    (void)signo;
    if (s->stopping)
        return;
    s->reload_again = !s->is_ready; /* what is not there yet has its turn then */
    if (command_parse(inv->argc, inv->argv, inv->env, &fresh, &msg) != OK) {
        log_error(NULL, "not reloaded, everything stays as it was: %s", msg.text);
        return;
    }
    daemon_set_log(&fresh.set);
    bool keys = reload_keys(s, &fresh.set), webhooks = reload_webhooks(s, &fresh.set);
    engine_limit(s->engine, slots_of(&fresh.set), (int)fresh.set.cap_per_user);
    engine_spend_caps(s->engine, (int64_t)(fresh.set.budget_day_usd * 1e6),
                      (int64_t)(fresh.set.budget_user_day_usd * 1e6));
    api_limit(s->api, (int)fresh.set.concurrent_limit);
    struct store_sweep sweep = sweep_of(&fresh.set);
    if (s->retention != NULL)
        retention_set(s->retention, &sweep);
    reload_tell(settings_of(s), &fresh.set, keys, webhooks);
    command_done(&fresh);
}

/* ---- the start ---- */

static void announce(const struct server_life *s)
{
    const struct daemon_config *config = s->config;
    const char *host = config->address.host, *link = api_operator_link(s->api);
    bool v6 = strchr(host, ':') != NULL;
    char url[128], port[16] = "";
    if (api_port(s->api) > 0)
        (void)snprintf(port, sizeof port, ":%u", api_port(s->api));
    (void)snprintf(url, sizeof url, "http://%s%s%s%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
    log_info(NULL, "listening on %s", url);
    if (s->workshop.sim != NULL)
        log_warn(NULL, "no ANTHROPIC_API_KEY: a simulated provider writes the scripts");
    if (!config->announces)
        return;
    /* The token is for the person at the terminal; logs travel. */
    if (settings_of(s)->json) {
        (void)printf("{\"url\":\"%s\"", url);
        if (link != NULL)
            (void)printf(",\"operator_link\":\"%s\"", link);
        (void)printf("}\n");
    } else {
        (void)printf("Scriptorium answers at %s\n", url);
        if (link != NULL)
            (void)printf("No key is configured. The operator's link, good until the server "
                         "ends:\n  %s\n",
                         link);
        if (s->workshop.sim != NULL)
            (void)printf("No ANTHROPIC_API_KEY: a simulated provider writes, at speed %g.\n",
                         settings_of(s)->speed);
    }
    (void)fflush(stdout);
}

/* Clients must not take the descriptors that jobs need: a model call has one, with the simulated
 * provider two. */
static unsigned connections_for(const struct server_life *s)
{
    const struct settings *set = settings_of(s);
    size_t slots = slots_of(set) > 0 ? slots_of(set) : SLOTS_DEFAULT;
    size_t calls = slots * (s->workshop.sim != NULL ? 2 : 1);
    unsigned wanted = (unsigned)set->max_connections;
    unsigned room = listen_room(wanted, calls + HTTP_SERVER_SPARE + OWN_DESCRIPTORS);
    if (room < wanted)
        log_warn(NULL,
                 "max-connections is %u, not %u: the system allows this process too few open files "
                 "(ulimit -n, LimitNOFILE=)",
                 room, wanted);
    return room;
}

static int open_api(struct server_life *s)
{
    const struct invocation *inv = s->context.inv;
    struct api_config config = {.host = s->config->address.host,
                                .port = s->config->address.port,
                                .listener = s->config->listener,
                                .auth = auth_of(s, &inv->set),
                                .version = SCRIPTORIUM_VERSION,
                                .catalog = s->workshop.catalog,
                                .limits = {.requests = inv->set.rpm,
                                           .input_tokens = inv->set.itpm,
                                           .output_tokens = inv->set.otpm},
                                .slots = slots_of(&inv->set),
                                .invoker = s->invoker,
                                .concurrent_limit = (int)inv->set.concurrent_limit,
                                .max_connections = connections_for(s),
                                .max_streams = (size_t)inv->set.max_streams,
                                .crew = s->config->crew,
                                .place = s->config->number,
                                .job_duration_max_s = inv->set.job_duration_max_us / USEC_PER_SEC,
                                .user_priority_max = (int)inv->set.user_priority_max};
    struct errmsg msg = {""};
    enum err e = api_new(s->context.loop, s->context.store, s->engine, &config, &s->api, &msg);
    if (e == OK)
        return EXIT_DONE;
    return command_fail(inv, e == ERR_INVALID ? EXIT_USAGE : EXIT_WORK_FAILED, "%s", msg.text);
}

static int open_outbound(struct server_life *s)
{
    struct errmsg msg = {""};
    if (webhook_settings_endpoints(settings_of(s)->webhooks, s->endpoints, &msg) != OK)
        return command_fail(s->context.inv, EXIT_USAGE, "%s", msg.text);
    return outbound_open(&s->outbound, &s->context);
}

static void open_engine(struct server_life *s)
{
    const struct settings *set = settings_of(s);
    struct engine_config config = workshop_engine(&s->workshop, &s->context);
    config.slots = slots_of(set);
    config.scaled = true;
    config.worker_name = s->worker;
    s->journal = journal_new(s->context.loop, s->context.store, s->worker, set->keep_log);
    s->engine =
        engine_new(s->context.loop, s->context.store, s->workshop.provider, s->workshop.pacer,
                   s->workshop.pipeline, s->workshop.catalog, &config, on_event, s);
    engine_limit(s->engine, config.slots, config.cap_per_user);
    s->invoker = invoker_new(s->context.loop, s->context.store, s->engine,
                             &(struct invoker_config){.journal = s->journal,
                                                      .worker = s->worker,
                                                      .version = SCRIPTORIUM_VERSION,
                                                      .keep = set->keep_invocations});
}

static void live(struct server_life *s)
{
    struct loop *loop = s->context.loop;
    loop_on_signal(loop, SIGINT, on_end_signal, s);
    loop_on_signal(loop, SIGTERM, on_end_signal, s);
    loop_on_signal(loop, SIGHUP, on_reload, s);
    announce(s);
    notify_send("READY=1\nSTATUS=looking for the database");
    s->probe_wait_us = PROBE_FIRST_US;
    beat(s);
    if (s->config->reload)
        on_reload(s, SIGHUP);
    probe(s);
    hints_watch_start(&s->hints, &s->context, s->api);
    loop_run(loop);
    hints_watch_stop(&s->hints);
    timer_stop(loop, &s->probe_timer);
    timer_stop(loop, &s->beat_timer);
    timer_stop(loop, &s->end_timer);
    if (engine_running(s->engine) > 0) {
        log_error(NULL, "the store does not answer; the next start takes the jobs over");
        _exit(EXIT_WORK_FAILED); /* their memory cannot be freed under them */
    }
    log_info(NULL, "stopped");
}

static void name_worker(struct server_life *s)
{
    char host[HOST_NAME_MAX + 1] = "";
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(s->worker, sizeof s->worker, "%s:%d", host, (int)getpid());
    log_set_worker(s->worker);
}

/* First who tells others: the surface and the engine, which are silent from then on, whatever the
 * store still answers. Then who is told, before the loop turns again. Then those that turn it until
 * the store has answered them, and last what they all use. */
static void take_apart(struct server_life *s)
{
    surface_close(&s->surface);
    engine_free(s->engine);
    invoker_free(s->invoker);
    api_free(s->api);
    schedule_free(s->schedule);
    retention_free(s->retention);
    webhooks_free(s->webhooks);
    outbox_free(s->outbox);
    journal_free(s->journal);
    outbound_close(&s->outbound);
    workshop_close(&s->workshop);
    context_close(&s->context);
}

int daemon_serve(struct invocation *inv, const struct daemon_config *config)
{
    struct server_life s = {.config = config};
    name_worker(&s);
    int code = context_open(&s.context, inv, CONTEXT_ENGINE | CONTEXT_CREATE);
    if (code != EXIT_DONE)
        return code;
    code = workshop_open(&s.workshop, &s.context);
    if (code == EXIT_DONE)
        code = open_outbound(&s);
    if (code == EXIT_DONE) {
        open_engine(&s);
        code = open_api(&s);
    }
    if (code == EXIT_DONE)
        code = surface_open(&s.surface, &s.context, s.outbound.http, config->address.host,
                            api_port(s.api));
    if (code == EXIT_DONE) {
        live(&s);
        code = s.code;
    }
    take_apart(&s);
    return code;
}
