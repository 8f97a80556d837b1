/* In: nothing. Out: the members of every JSON answer. */
#include "api/schemas.h"

static const struct route_field error[] = {
    {"error", "string", NULL}, {"details", "any~", "what is wrong, in words"}, {0}};
static const struct route_field service[] = {
    {"name", "string", NULL}, {"version", "string", NULL}, {"openapi", "string", NULL}, {0}};
static const struct route_field state[] = {{"status", "string", "ok or ready"}, {0}};
static const struct route_field batch[] = {
    {"message", "string", NULL},
    {"processed", "integer", "jobs that were claimed"},
    {"succeeded", "integer~", NULL},
    {"failed", "integer~", NULL},
    {"results", "[Result]~", "what became of each, when the caller waits"},
    {"jobs", "[uuid]~", "which, when it does not"},
    {"paused", "boolean~", "true: nothing is claimed because all is paused"},
    {0}};
static const struct route_field result[] = {{"jobId", "uuid", NULL},
                                            {"status", "string", "fulfilled"},
                                            {"success", "boolean", NULL},
                                            {"processingTime", "integer~", "seconds"},
                                            {"error", "string~", NULL},
                                            {"shouldRetry", "boolean~", NULL},
                                            {0}};
static const struct route_field created[] = {
    {"id", "uuid", NULL},
    {"status", "string", NULL},
    {"position", "integer", "1 is next, 0 does not wait"},
    {"estimated_start", "time?", "null while nobody knows"},
    {"estimated_finish", "time?", NULL},
    {0}};
static const struct route_field row[] = {
    {"id", "uuid", NULL},
    {"user_id", "uuid?", NULL},
    {"workflow_id", "uuid?", NULL},
    {"status", "string", "pending, processing, completed, failed or cancelled"},
    {"progress", "integer", "0 to 100"},
    {"current_chunk", "integer", NULL},
    {"total_chunks", "integer", NULL},
    {"retry_count", "integer", NULL},
    {"max_retries", "integer", NULL},
    {"priority", "integer", "1 to 10, higher goes first"},
    {"current_step", "string?", NULL},
    {"error_message", "string?", NULL},
    {"created_at", "time?", NULL},
    {"started_at", "time?", NULL},
    {"completed_at", "time?", NULL},
    {"updated_at", "time?", NULL},
    {"processing_time_seconds", "integer?", NULL},
    {"queued", "boolean", "it waits or runs here"},
    {"run", "integer", "1 and, each time it is run again, 1 more"},
    {"position", "integer", "1 is next, 0 does not wait"},
    {"estimated_start", "time?", "null while nobody knows"},
    {"estimated_finish", "time?", NULL},
    {"usage", "object", "of all its calls: input, output, cacheRead, cacheWrite"},
    {"input_tokens", "integer", "cached ones, too"},
    {"output_tokens", "integer", NULL},
    {"cost_usd", "number", NULL},
    {0}};
static const struct route_field job[] = {{"generation_params", "any", NULL},
                                         {"script_metadata", "any", NULL},
                                         {"generated_script", "string?", NULL},
                                         {"steps", "[Step]", "finished ones, without their texts"},
                                         {0}};
static const struct route_field step[] = {
    {"key", "string", NULL},      {"stop", "string?", "why the model stopped"},
    {"model", "string?", NULL},   {"started_at", "time?", NULL},
    {"ended_at", "time?", NULL},  {"usage", "object", "input, output, cacheRead, cacheWrite"},
    {"cost_usd", "number", NULL}, {0}};
static const struct route_field jobs[] = {
    {"jobs", "[Row]", NULL}, {"next_cursor", "string?", "null: there are no more"}, {0}};
static const struct route_field changed[] = {{"id", "uuid", NULL}, {"status", "string", NULL}, {0}};
static const struct route_field why[] = {{"id", "uuid", NULL},
                                         {"status", "string", NULL},
                                         {"code", "string", "docs/api.md lists them"},
                                         {"waits", "boolean", NULL},
                                         {"text", "string", "the same in words"},
                                         {"until", "time?", NULL},
                                         {"position", "integer", NULL},
                                         {"running", "integer", "jobs on all nodes"},
                                         {"workers", "integer", "that are alive"},
                                         {"estimated_start", "time?", "null while nobody knows"},
                                         {"estimated_finish", "time?", NULL},
                                         {0}};
static const struct route_field invocations[] = {
    {"invocations", "[Invocation]", NULL}, {"next_cursor", "uuid?", NULL}, {0}};
static const struct route_field invocation[] = {
    {"id", "uuid", NULL},
    {"time", "time", NULL},
    {"status", "integer?", "null while its caller waits"},
    {"duration_ms", "number?", NULL},
    {"caller", "string?", "x-supabase-caller"},
    {"worker_id", "string", "x-worker-id"},
    {"processed", "integer", NULL},
    {"succeeded", "integer", NULL},
    {"failed", "integer", NULL},
    {"settled", "boolean", "its last job has ended"},
    {"error", "string?", NULL},
    {"node", "string?", NULL},
    {"version", "string?", NULL},
    {0}};
static const struct route_field logs[] = {
    {"logs", "[Line]", NULL}, {"last", "integer", "the n to ask after next"}, {0}};
static const struct route_field line[] = {
    {"n", "integer", NULL},      {"time", "time", NULL},
    {"level", "string", NULL},   {"event", "string?", NULL},
    {"message", "string", NULL}, {"details", "string?", NULL},
    {"job", "uuid?", NULL},      {"invocation", "uuid?", NULL},
    {"worker", "string?", NULL}, {0}};
static const struct route_field paused[] = {{"paused", "boolean", NULL}, {0}};
static const struct route_field schedules[] = {
    {"schedules", "[Schedule]", NULL}, {"next_cursor", "integer?", NULL}, {0}};
static const struct route_field schedule[] = {{"name", "string", NULL},
                                              {"schedule", "string", NULL},
                                              {"worker_id", "string?", NULL},
                                              {"missed", "string", "skip, once or all:N"},
                                              {"active", "boolean", NULL},
                                              {"next", "time?", NULL},
                                              {"error", "string?", NULL},
                                              {"created_at", "time?", NULL},
                                              {0}};
static const struct route_field runs[] = {
    {"runs", "[Run]", NULL}, {"next_cursor", "integer?", NULL}, {0}};
static const struct route_field run[] = {
    {"id", "integer", NULL},
    {"schedule", "string", NULL},
    {"time", "time", "when it was due"},
    {"worker_id", "string?", NULL},
    {"state", "string", "running, succeeded, failed, skipped or lost"},
    {"attempt", "integer", NULL},
    {"started_at", "time?", NULL},
    {"ended_at", "time?", NULL},
    {"invocation", "uuid?", NULL},
    {"node", "string?", NULL},
    {"message", "string?", NULL},
    {0}};
static const struct route_field deployments[] = {
    {"active", "integer", NULL}, {"deployments", "[Deployment]", NULL}, {0}};
static const struct route_field deployment[] = {
    {"version", "integer", NULL},     {"name", "string?", NULL},
    {"hash", "string?", NULL},        {"deployed_at", "time?", NULL},
    {"deployed_by", "string?", NULL}, {"program", "string?", NULL},
    {"note", "string?", NULL},        {"replaced", "integer?", NULL},
    {"active", "boolean", NULL},      {0}};
static const struct route_field active[] = {{"active", "integer", "the version"}, {0}};
static const struct route_field erased[] = {{"user_id", "uuid", NULL},
                                            {"cancelled", "integer", NULL},
                                            {"jobs", "integer", NULL},
                                            {"steps", "integer", NULL},
                                            {"log_lines", "integer", NULL},
                                            {"idempotency_keys", "integer", NULL},
                                            {"outbox", "integer", NULL},
                                            {"http_requests", "integer", NULL},
                                            {0}};
static const struct route_field scale[] = {
    {"due", "integer", NULL},       {"running", "integer", NULL},
    {"slots", "integer", NULL},     {"desired_workers", "integer", NULL},
    {"workers", "integer", NULL},   {"concurrency", "integer", NULL},
    {"processes", "integer", NULL}, {"schedules", "integer", NULL},
    {"scaled", "boolean", NULL},    {"can_undo", "boolean", NULL},
    {"paused", "boolean", NULL},    {0}};
static const struct route_field stats[] = {
    {"jobs", "object", "how many, by status"},
    {"last_hour", "object", "of jobs created in it, by status: count, average_seconds"},
    {"queue", "object", "due, delayed, running, foreign"},
    {"calls", "integer", NULL},
    {"calls_estimated", "integer", "that were cut: their tokens are estimated"},
    {"tokens", "object", "input, output, cache_read, cache_write"},
    {"cost_usd", "number", NULL},
    {"today", "object", "cost_usd, reserved_usd; the day is UTC"},
    {"paused", "boolean", NULL},
    {"paused_since", "time?", NULL},
    {0}};
static const struct route_field workers[] = {{"workers", "[Worker]", NULL}, {0}};
static const struct route_field worker[] = {{"id", "uuid", NULL},
                                            {"name", "string?", NULL},
                                            {"running", "integer", NULL},
                                            {"alive", "boolean", NULL},
                                            {"held_since", "time?", NULL},
                                            {"lease_until", "time?", NULL},
                                            {0}};
static const struct route_field limits[] = {
    {"provider", "string?", NULL},
    {"classes", "[object]", "docs/metrics.md"},
    {"mode", "string", "continuous, or triggered: work is taken only when the function is called"},
    {"notifications_listening", "boolean", "false: this process finds jobs by polling alone"},
    {0}};

static const struct route_field plan[] = {
    {"users", "integer?", "who ask at once, or null"},
    {"per_day", "integer?", "or null"},
    {"measured", "boolean", "the figures of a script are of the last completed jobs"},
    {"seconds_per_script", "number?", NULL},
    {"calls_per_script", "integer", NULL},
    {"input_tokens_per_script", "integer", NULL},
    {"output_tokens_per_script", "integer", NULL},
    {"cost_usd_per_script", "number", NULL},
    {"steps", "[object]", "kinds of calls: name, calls, seconds, input_tokens, output_tokens"},
    {"limits", "object", "a minute: rpm, itpm, otpm"},
    {"setups", "[Setup]", NULL},
    {"guide", "object",
     "ten users, five minutes a script: users, seconds_per_script, setups, and difference, why "
     "what is quoted is not what is computed"},
    {0}};
static const struct route_field setup[] = {{"name", "string", NULL},
                                           {"workers", "integer", NULL},
                                           {"concurrency", "integer", NULL},
                                           {"slots", "integer", NULL},
                                           {"called_every_seconds", "number?", NULL},
                                           {"wait_first_seconds", "number?", NULL},
                                           {"wait_median_seconds", "number?", NULL},
                                           {"wait_tenth_seconds", "number?", NULL},
                                           {"wait_p95_seconds", "number?", NULL},
                                           {"wait_last_seconds", "number?", NULL},
                                           {"done_seconds", "number?", NULL},
                                           {"scripts_per_hour", "number", NULL},
                                           {"cost_usd_per_hour", "number", NULL},
                                           {"bound", "string", "what keeps it from more"},
                                           {"quoted_scripts_per_hour", "string?", NULL},
                                           {"quoted_tenth_waits", "string?", NULL},
                                           {0}};
static const struct route_field script[] = {{"sections", "[Section]", NULL},
                                            {"description", "string?", NULL},
                                            {"tags", "[string]", NULL},
                                            {"words", "integer", NULL},
                                            {0}};
static const struct route_field section[] = {{"level", "integer", "0: before the first heading"},
                                             {"title", "string?", NULL},
                                             {"at_seconds", "integer?", NULL},
                                             {"text", "string", NULL},
                                             {0}};

const struct schema schema_table[] = {
    {"Error", error, NULL},
    {"Service", service, NULL},
    {"State", state, NULL},
    {"Batch", batch, NULL},
    {"Result", result, NULL},
    {"Created", created, NULL},
    {"Row", row, NULL},
    {"Job", job, "Row"},
    {"Step", step, NULL},
    {"Jobs", jobs, NULL},
    {"Changed", changed, NULL},
    {"Why", why, NULL},
    {"Invocations", invocations, NULL},
    {"Invocation", invocation, NULL},
    {"Logs", logs, NULL},
    {"Line", line, NULL},
    {"Paused", paused, NULL},
    {"Schedules", schedules, NULL},
    {"Schedule", schedule, NULL},
    {"Runs", runs, NULL},
    {"Run", run, NULL},
    {"Deployments", deployments, NULL},
    {"Deployment", deployment, NULL},
    {"Active", active, NULL},
    {"Erased", erased, NULL},
    {"Scale", scale, NULL},
    {"Stats", stats, NULL},
    {"Workers", workers, NULL},
    {"Worker", worker, NULL},
    {"Limits", limits, NULL},
    {"Plan", plan, NULL},
    {"Setup", setup, NULL},
    {"Script", script, NULL},
    {"Section", section, NULL},
};
const size_t schema_count = sizeof schema_table / sizeof schema_table[0];
