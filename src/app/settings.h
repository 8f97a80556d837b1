/* In: options, environment, a configuration file, defaults. Out: one typed struct, filled in that
 * order of precedence from one table; the documents are checked against the same table. */
#ifndef APP_SETTINGS_H
#define APP_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "text/yaml.h"

enum setting_id {
    SET_DATABASE,
    SET_LISTEN_URL,
    SET_POOL,
    SET_SCHEMA,
    SET_ENGINE_ROLE,
    SET_HOOK_INPUT,
    SET_HOOK_COMPLETED,
    SET_HOOK_ENDED,
    SET_CRON_USERS,
    SET_CRON_COMMANDS,
    SET_CRON_TIMEOUT,
    SET_CRON_KEEP_RUNS,
    SET_PUBLIC_URLS,
    SET_NET_ALLOW,
    SET_CONFIG,
    SET_LOG_LEVEL,
    SET_LOG_FORMAT,
    SET_JSON,
    SET_HELP,
    /* what a script is about */
    SET_TOPIC,
    SET_MINUTES,
    SET_JOBS,
    SET_USERS,
    SET_PARAMS,
    SET_USER,
    SET_WORKFLOW,
    SET_PRIORITY,
    SET_IDEMPOTENCY_KEY,
    SET_AFTER,
    /* how it is made */
    SET_OUT,
    SET_CONCURRENCY,
    SET_WORKERS,
    SET_CAP_PER_USER,
    SET_BUDGET_DAY,
    SET_BUDGET_USER_DAY,
    SET_GRACE,
    SET_LEASE,
    SET_PIPELINE,
    SET_MODELS,
    /* the provider */
    SET_API_KEY,
    SET_BASE_URL,
    SET_RPM,
    SET_ITPM,
    SET_OTPM,
    SET_MAX_CALLS,
    SET_HEADER_TIMEOUT,
    SET_IDLE_TIMEOUT,
    SET_PROGRESS_TIMEOUT,
    /* the simulated provider */
    SET_SPEED,
    SET_SEED,
    SET_LISTEN,
    SET_ACCEPT_KEY,
    SET_SCRIPT,
    /* the daemon */
    SET_SERVE_LISTEN,
    SET_PROCESSES,
    SET_MODE,
    SET_CONCURRENT_LIMIT,
    SET_KEEP_INVOCATIONS,
    SET_KEEP_LOG,
    SET_KEEP_COMPLETED,
    SET_KEEP_FAILED,
    SET_KEEP_CANCELLED,
    SET_KEEP_ROWS,
    SET_KEEP_RUNS,
    SET_MAX_CONNECTIONS,
    SET_SERVICE_KEY,
    SET_JWT_SECRET,
    SET_JWKS_URL,
    SET_ISSUER,
    SET_AUDIENCE,
    SET_USER_PRIORITY_MAX,
    SET_WEBHOOK_ALLOW,
    SET_CA_FILE,
    SET_WEBHOOK_GIVE_UP,
    SET_MAX_STREAMS,
    SET_JOB_DURATION_MAX,
    SET_JOB_COST_MAX,
    SET_JOB_AGE_MAX,
    /* looking and mending */
    SET_STATUS,
    SET_LIMIT,
    SET_CURSOR,
    SET_OLDER_THAN,
    SET_FORMAT,
    SET_WPM,
    SET_DRY_RUN,
    SET_WITH_CRON,
    SET_JOB,
    SET_FOLLOW,
    SET_URL,
    SET_NOTE,
    SET_STEP,
    SET_UNDO,
    SET_WORKER_ID,
    SET_MISSED,
    SET_COUNT,
    SET_TZ,
    SET_STATE,
    SET_ENDPOINT,
    SET_MINUTES_PER_SCRIPT,
    SET_STEP_SECONDS,
    SET_PER_DAY,
    SET_EVERY,
    SET_TIER,
    SET_KEYS,
    SET_BUDGET,
    SET_MAX
};

enum { LOG_LEVEL_AUTO = LOG_LEVEL_MAX, LOG_FORMAT_AUTO = 2 };
enum { MODE_CONTINUOUS, MODE_TRIGGERED };

struct webhook_settings; /* app/webhook_settings.h */

struct settings {
    char *database, *config;
    char *listen_url, *schema, *engine_role; /* PostgreSQL */
    char *hook_input, *hook_completed, *hook_ended;
    int64_t pool;
    char *cron_users, *public_urls, *net_allow;
    int64_t cron_commands, cron_timeout_us, cron_keep_runs;
    int log_level, log_format; /* enum log_level; 0 text, 1 json; *_AUTO: as the command likes */
    bool json, help, dry_run, with_cron;
    char *topic, *params, *user, *workflow, *idempotency_key, *status, *cursor;
    double minutes, speed;
    double budget_day_usd, budget_user_day_usd;
    int64_t jobs, users, priority, concurrency, workers, cap_per_user, limit;
    int64_t grace_us, lease_us, older_than_us, after_us;
    char *out, *pipeline, *models;
    char *api_key, *base_url;
    int64_t rpm, itpm, otpm, max_calls;
    int64_t header_timeout_us, idle_timeout_us, progress_timeout_us;
    int64_t seed;
    char *listen, *sim_key, *script;
    char *serve_listen, *service_key, *jwt_secret, *jwks_url, *issuer, *audience;
    int64_t processes, user_priority_max, concurrent_limit, keep_invocations, keep_log, keep_runs;
    int64_t job_duration_max_us, job_age_max_us;
    double job_cost_max; /* dollars */
    int64_t max_streams, max_connections;
    char *job, *url;
    char *note;
    char *step;
    char *tier, *step_seconds;
    double minutes_per_script, budget;
    int64_t per_day, keys, every_us;
    bool follow, undo;
    char *worker_id, *missed, *tz; /* schedules */
    int64_t count;
    char *format; /* of an export: names, separated by commas */
    int64_t wpm;
    int64_t keep_completed_us, keep_failed_us, keep_cancelled_us; /* 0 = for ever */
    bool keep_rows;                                               /* of those that are older */
    int mode;                                                     /* MODE_CONTINUOUS ... */
    char *webhook_allow, *ca_file, *state, *endpoint;
    int64_t webhook_give_up_us;
    struct webhook_settings *webhooks; /* owned; never NULL once loaded */
    const struct yaml *group_node;     /* while the file is read */
};

enum { FROM_OPTION = 1, FROM_ENV = 2, FROM_FILE = 4 };

struct setting {
    const char *name; /* option "log-level", member "log_level"; "anthropic.api_key": in a group */
    unsigned from;
    bool secret;          /* never an option */
    bool password;        /* may hold one */
    const char *env[3];   /* first one set wins; NULL-terminated */
    const char *value;    /* how help calls the value; NULL: a flag */
    const char *fallback; /* the default as text; NULL: none */
    const char *help;
    struct yaml_field field; /* of struct settings; its name is not used */
};
extern const struct setting setting_table[SET_MAX];

/* Each variable also as NAME_FILE, the name of a file that holds the value. */
bool setting_in_file(const struct setting *s);

/* The groups that the file may hold ("anthropic" ...), NULL-terminated. */
extern const char *const setting_groups[];

/* Reads an environment variable; getenv, or a test's own. */
typedef const char *(*env_fn)(const char *name);

/* `options[id]`: the text given on the command line, or NULL; flags: "true". ERR_INVALID with a
 * message that names the option, the variable, or file and line. Fill an empty struct. */
enum err settings_load(struct settings *s, const char *const options[SET_MAX], env_fn env,
                       struct errmsg *msg) MUST_CHECK;
void settings_free(struct settings *s);

/* The whole file, at most max bytes; "-" is standard input. Owned, NUL-terminated. */
enum err settings_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len,
                            struct errmsg *msg) MUST_CHECK;

#endif
