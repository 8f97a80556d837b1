/* In: a method and a path. Out: the route that answers it. */
#include "api/routes.h"

#include <stdbool.h>
#include <string.h>

#include "api/handlers.h"

#define ID "{id}"

static const struct route_field list_query[] = {
    {"status", "string", "only pending, processing, completed, failed or cancelled jobs"},
    {"user_id", "uuid", "only this user's jobs (operator)"},
    {"limit", "integer", "jobs on one page, 1 to 1000; 50 unless given"},
    {"cursor", "string", "next_cursor of the page before"},
    {NULL, NULL, NULL}};

static const struct route_field script_query[] = {
    {"format", "string", "md (default), txt, teleprompter, json, srt, vtt or fountain"},
    {"wpm", "integer",
     "words per minute that srt and vtt are timed by, 40 to 400; 130 unless given"},
    {NULL, NULL, NULL}};

static const struct route_field events_query[] = {
    {"text", "boolean", "false: without the text that is being written; true unless given"},
    {NULL, NULL, NULL}};

static const struct route_field job_body[] = {
    {"topic", "string!", "what the video is about; required"},
    {"targetDuration", "integer", "seconds; 600 unless given"},
    {"user_id", "uuid", "whose job it is (operator only, and required there)"},
    {"workflow_id", "uuid", "the workflow it belongs to"},
    {"priority", "integer", "1 to 10, higher goes first; 5 unless given"},
    {"run_at", "string", "not before this time, such as 2030-01-31T12:00:00Z; now unless given"},
    {NULL, NULL, NULL}};

static const struct route_field scale_body[] = {
    {"workers", "integer", "workers, 1 to 1000; as it is unless given"},
    {"concurrency", "integer", "scripts of each worker at once, 1 to 1000; as it is unless given"},
    {"preset", "string", "both in one, say 3x3"},
    {"undo", "boolean", "undo the latest change instead"},
    {NULL, NULL, NULL}};

static const struct route_field invocations_query[] = {
    {"limit", "integer", "calls on one page, 1 to 1000; 50 unless given"},
    {"cursor", "uuid", "next_cursor of the page before"},
    {NULL, NULL, NULL}};

static const struct route_field rollback_query[] = {
    {"version", "integer", "the version to go to; else the one that the active one replaced"},
    {NULL, NULL, NULL}};

static const struct route_field plan_query[] = {
    {"users", "integer", "how many ask at once, a script each, 1 to 10000; 10 unless given"},
    {"per_day", "integer", "instead: how many scripts come evenly over a day"},
    {"minutes_per_script", "number", "how long one takes; else as measured, else 5"},
    {"step_seconds", "string",
     "instead, how long its steps take: outline=20,chunk=4x90; calls as measured unless given"},
    {"workers", "integer", "of a set-up of your own"},
    {"concurrency", "integer", "of each of its workers"},
    {"every", "number", "seconds between calls of them; 60 unless given"},
    {"budget", "number", "dollars that may be spent an hour"},
    {"tier", "string",
     "the provider's limits: start, build or scale; else those configured, else start"},
    {"keys", "integer", "so many keys, each with these limits"},
    {NULL, NULL, NULL}};

static const struct route_field logs_query[] = {
    {"job_id", "uuid", "only this job's lines"},
    {"invocation", "uuid", "only lines of this call of the function endpoint"},
    {"after", "integer", "the lines that follow the one with this n; else the newest lines"},
    {"limit", "integer", "lines, 1 to 1000; 100 unless given"},
    {NULL, NULL, NULL}};

static const struct route_field page_query[] = {
    {"limit", "integer", "on one page, 1 to 1000; 50 unless given"},
    {"cursor", "integer", "next_cursor of the page before"},
    {NULL, NULL, NULL}};

static const struct route_field schedule_body[] = {
    {"name", "string", "unique; required here or in the path"},
    {"schedule", "string!", "when, as cron writes it; required"},
    {"worker_id", "string", "whose limit its calls count against; default unless given"},
    {"missed", "string", "of missed firings: skip, once, or all:N; once unless given"},
    {"active", "boolean", "false: it rests; true unless given"},
    {NULL, NULL, NULL}};

static const struct route_field function_headers[] = {
    {"x-worker-id", "string", "whose limit counts; default unless given"},
    {"x-supabase-caller", "string", "pg_cron, api or manual: a label; the first two do not wait"},
    {"Prefer", "string", "respond-async: do not wait"},
    {NULL, NULL, NULL}};

static const struct route_field create_headers[] = {
    {"Idempotency-Key", "string", "1 to 255 bytes: the same key of the same user is the same job"},
    {NULL, NULL, NULL}};

static const struct route_field events_headers[] = {
    {"Last-Event-ID", "string", "the id of the last event that was heard: go on behind it"},
    {NULL, NULL, NULL}};

const struct route route_table[] = {
    {"POST", "/functions/v1/process-script-jobs", ROUTE_FUNCTION, handle_process_script_jobs,
     "Claim jobs for the caller's worker id and work them off. 202 at once with `Prefer: "
     "respond-async`, or when x-supabase-caller says pg_cron or api",
     NULL, NULL, "200 202 400 500 503", NULL, "Batch", function_headers},
    {"GET", "/", ROUTE_OPEN, handle_root, "What this is, and where to look", NULL, NULL, "200",
     NULL, "Service", NULL},
    {"GET", "/healthz", ROUTE_OPEN, handle_healthz, "The process is alive", NULL, NULL, "200", NULL,
     "State", NULL},
    {"GET", "/readyz", ROUTE_OPEN, handle_readyz,
     "The store is reachable and the process is not about to end", NULL, NULL, "200 503", NULL,
     "State", NULL},
    {"GET", "/metrics", ROUTE_OPERATOR, handle_metrics, "Figures for Prometheus", NULL, NULL, "200",
     "text/plain", NULL, NULL},
    {"GET", "/openapi.json", ROUTE_ANYBODY, handle_openapi, "This document", NULL, NULL, "200",
     NULL, NULL, NULL},
    {"POST", "/v1/jobs", ROUTE_ANYBODY, handle_job_create,
     "Ask for a script. Members that are not listed here are generation_params and are kept. With "
     "an Idempotency-Key header the second request is the first one, answered with 200",
     NULL, job_body, "200 201 400 403 503", NULL, "Created", create_headers},
    {"GET", "/v1/jobs", ROUTE_ANYBODY, handle_job_list, "Jobs, newest first", list_query, NULL,
     "200 400 403 503", NULL, "Jobs", NULL},
    {"GET", "/v1/jobs/" ID, ROUTE_ANYBODY, handle_job_show,
     "One job: its row, its place in the queue, its steps, what it took", NULL, NULL, "200 404 503",
     NULL, "Job", NULL},
    {"DELETE", "/v1/jobs/" ID, ROUTE_ANYBODY, handle_job_delete,
     "Remove a job; a running one stops within a second", NULL, NULL, "204 404 503", NULL, NULL,
     NULL},
    {"POST", "/v1/jobs/" ID "/cancel", ROUTE_ANYBODY, handle_job_cancel,
     "Cancel a job; a running one stops within a second", NULL, NULL, "200 404 409 503", NULL,
     "Changed", NULL},
    {"POST", "/v1/jobs/" ID "/retry", ROUTE_ANYBODY, handle_job_retry,
     "Run an ended job again; finished model calls are not paid twice", NULL, NULL,
     "200 404 409 503", NULL, "Changed", NULL},
    {"GET", "/v1/jobs/" ID "/why", ROUTE_ANYBODY, handle_job_why,
     "What a waiting job waits for, as a code and in words", NULL, NULL, "200 400 404 503", NULL,
     "Why", NULL},
    {"GET", "/v1/jobs/" ID "/events", ROUTE_ANYBODY, handle_job_events,
     "What becomes of a job, as it happens: progress, text, step, reset and done events. All from "
     "the beginning, or with Last-Event-ID what came after that one; 204 when that was the end",
     NULL, NULL, "200 204 400 404 503", "text/event-stream", NULL, events_headers},
    {"GET", "/v1/events", ROUTE_ANYBODY, handle_events,
     "The same of all jobs that the caller may see, from now on", events_query, NULL, "200 400 503",
     "text/event-stream", NULL, events_headers},
    {"GET", "/v1/jobs/" ID "/script", ROUTE_ANYBODY, handle_job_script, "The finished script",
     script_query, NULL, "200 400 404 409 503",
     "text/markdown text/plain application/json application/x-subrip text/vtt", "Script", NULL},
    {"GET", "/v1/invocations", ROUTE_OPERATOR, handle_invocations,
     "Calls of the function endpoint, newest first", invocations_query, NULL, "200 400 503", NULL,
     "Invocations", NULL},
    {"GET", "/v1/logs", ROUTE_OPERATOR, handle_logs, "The log of jobs and calls, in its order",
     logs_query, NULL, "200 400 503", NULL, "Logs", NULL},
    {"POST", "/v1/pause", ROUTE_OPERATOR, handle_pause,
     "Stop claiming jobs, on all nodes, until resumed; what runs goes on", NULL, NULL, "200 503",
     NULL, "Paused", NULL},
    {"POST", "/v1/resume", ROUTE_OPERATOR, handle_resume, "Claim jobs again", NULL, NULL, "200 503",
     NULL, "Paused", NULL},
    {"GET", "/v1/schedules", ROUTE_OPERATOR, handle_schedule_list,
     "Schedules, and when each fires next", page_query, NULL, "200 400 503", NULL, "Schedules",
     NULL},
    {"POST", "/v1/schedules", ROUTE_OPERATOR, handle_schedule_save,
     "Make a schedule, or change the one of that name", NULL, schedule_body, "200 201 400 503",
     NULL, "Schedule", NULL},
    {"GET", "/v1/schedules/{name}", ROUTE_OPERATOR, handle_schedule_show, "One schedule", NULL,
     NULL, "200 404 503", NULL, "Schedule", NULL},
    {"POST", "/v1/schedules/{name}", ROUTE_OPERATOR, handle_schedule_save,
     "The same, with the name in the path", NULL, schedule_body, "200 201 400 503", NULL,
     "Schedule", NULL},
    {"DELETE", "/v1/schedules/{name}", ROUTE_OPERATOR, handle_schedule_delete,
     "Remove a schedule; its runs are kept for a while", NULL, NULL, "204 404 503", NULL, NULL,
     NULL},
    {"GET", "/v1/schedules/{name}/runs", ROUTE_OPERATOR, handle_schedule_runs,
     "Firings of a schedule and what became of them, newest first", page_query, NULL,
     "200 400 404 503", NULL, "Runs", NULL},
    {"GET", "/v1/deployments", ROUTE_OPERATOR, handle_deployments,
     "Versions of the pipeline, newest first; 0 is the built-in one", NULL, NULL, "200 503", NULL,
     "Deployments", NULL},
    {"POST", "/v1/deployments/rollback", ROUTE_OPERATOR, handle_rollback,
     "Make another version the active one; running jobs finish on theirs", rollback_query, NULL,
     "200 400 404 409 503", NULL, "Active", NULL},
    {"DELETE", "/v1/users/" ID, ROUTE_OPERATOR, handle_user_erase,
     "Erase a user's texts: requests, scripts, metadata, steps, log lines; rows and money stay. "
     "What waits or runs is cancelled first",
     NULL, NULL, "200 400 409 503", NULL, "Erased", NULL},
    {"POST", "/v1/scale", ROUTE_OPERATOR, handle_scale_change,
     "How many workers, each with how many scripts at once, on all nodes; rewrites the schedules "
     "that drive workers",
     NULL, scale_body, "200 400 409 503", NULL, "Scale", NULL},
    {"GET", "/scale", ROUTE_OPERATOR, handle_scale,
     "For autoscalers: due, running, slots, desired_workers", NULL, NULL, "200 503", NULL, "Scale",
     NULL},
    {"GET", "/v1/plan", ROUTE_OPERATOR, handle_plan,
     "Capacity planner: how long people wait, scripts an hour, cost, and what binds, by set-up",
     plan_query, NULL, "200 400 503", NULL, "Plan", NULL},
    {"GET", "/v1/stats", ROUTE_OPERATOR, handle_stats, "Jobs, tokens and money, counted", NULL,
     NULL, "200 503", NULL, "Stats", NULL},
    {"GET", "/v1/limits", ROUTE_OPERATOR, handle_limits,
     "The provider's limits by rate class, what this process uses of them, and its calls by end",
     NULL, NULL, "200", NULL, "Limits", NULL},
    {"GET", "/v1/workers", ROUTE_OPERATOR, handle_workers,
     "Worker processes with a lease, oldest first, and how many jobs each runs", NULL, NULL,
     "200 503", NULL, "Workers", NULL},
};
const size_t route_count = sizeof route_table / sizeof route_table[0];

/* One part of a pattern against one part of a path. */
static bool part_matches(const char *part, size_t n, const char *text, size_t len,
                         struct route_match *m, size_t *params)
{
    if (n < 2 || part[0] != '{')
        return n == len && memcmp(part, text, n) == 0;
    if (len == 0 || *params == ROUTE_PARAMS_MAX)
        return false;
    m->params[(*params)++] = (struct route_param){text, len};
    return true;
}

static bool path_matches(const char *pattern, const char *path, struct route_match *m)
{
    size_t params = 0;
    while (*pattern == '/' && *path == '/') {
        size_t n = strcspn(++pattern, "/"), len = strcspn(++path, "/");
        if (!part_matches(pattern, n, path, len, m, &params))
            return false;
        pattern += n;
        path += len;
    }
    return *pattern == '\0' && *path == '\0';
}

static bool method_matches(const struct route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static void allow(struct route_match *m, const char *method)
{
    size_t used = strlen(m->allow), n = strlen(method);
    if (used + n + 3 > sizeof m->allow)
        return;
    memcpy(m->allow + used, used > 0 ? ", " : "", used > 0 ? 3 : 1);
    memcpy(m->allow + strlen(m->allow), method, n + 1);
}

void route_find(const struct route *table, size_t n, const char *method, const char *path,
                struct route_match *ret_match)
{
    memset(ret_match, 0, sizeof *ret_match);
    for (size_t i = 0; i < n; i++) {
        struct route_match m = {0};
        if (!path_matches(table[i].pattern, path, &m))
            continue;
        if (ret_match->route == NULL && method_matches(&table[i], method)) {
            ret_match->route = &table[i];
            memcpy(ret_match->params, m.params, sizeof m.params);
        }
        allow(ret_match, table[i].method);
        if (strcmp(table[i].method, "GET") == 0)
            allow(ret_match, "HEAD");
    }
    if (ret_match->allow[0] != '\0')
        allow(ret_match, "OPTIONS");
}
