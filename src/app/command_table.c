/* In: nothing. Out: the one table of all commands. */
#include "app/cmd.h"
#include "app/command.h"

#define MANY (-1)

const struct command command_table[] = {
    {.name = "run",
     .summary = "write scripts now, and show how they come along",
     .about = "Puts the wanted scripts into the queue, works off everything that is due, also what "
              "an earlier run left over, writes each finished script to DIR/ID.md and prints a "
              "summary. With none of --topic, --jobs and --params it only works off what is "
              "there.\n\n"
              "Ctrl-C saves what was written so far; the next run goes on from there. A second "
              "Ctrl-C exits at once. Without ANTHROPIC_API_KEY a simulated provider inside the "
              "program does the writing.\n\n"
              "A database that is held by another program, or away for a while, is waited for; "
              "a full disk or a refused key ends the run.\n\n"
              "Exit status 0 means that every script was completed.",
     .example = "scriptorium run --topic 'Why bridges hum' --minutes 10",
     .options = {SET_TOPIC, SET_MINUTES, SET_JOBS, SET_USERS, SET_PARAMS, SET_OUT, SET_CONCURRENCY,
                 SET_WORKERS, SET_SPEED, SET_SEED, SET_PIPELINE, SET_MODELS, SET_JSON, SET_DATABASE,
                 SET_MAX},
     .run = cmd_run},
    {.name = "serve",
     .summary = "the daemon: API and workers",
     .about = "Works off jobs as they arrive and answers the HTTP API. Without a key "
              "(SCRIPTORIUM_SERVICE_KEY, SCRIPTORIUM_JWT_SECRET, SCRIPTORIUM_JWKS_URL) it listens "
              "on loopback only and prints a link with a token for the operator.\n\n"
              "SIGTERM and Ctrl-C save what was written, hand the jobs back and exit 0; a second "
              "one exits at once. SIGHUP reads the configuration again. Under systemd it tells "
              "when it is ready, feeds the watchdog and takes a socket that is passed to it.",
     .example = "scriptorium serve --listen 127.0.0.1:8400",
     .options = {SET_SERVE_LISTEN, SET_CONCURRENCY, SET_PROCESSES, SET_MODE, SET_CONCURRENT_LIMIT,
                 SET_SPEED, SET_SEED, SET_PIPELINE, SET_MODELS, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_serve},
    {.name = "enqueue",
     .summary = "put one script into the queue and print its id",
     .about = "A run, at work already or started later, picks it up. With --idempotency-key the "
              "second request with the same key of the same user is the first one: its id is "
              "printed, and that it was there already.",
     .example = "scriptorium enqueue --topic 'The history of salt' --minutes 20 --priority 8",
     .options = {SET_TOPIC, SET_MINUTES, SET_USER, SET_WORKFLOW, SET_PRIORITY, SET_PARAMS,
                 SET_IDEMPOTENCY_KEY, SET_AFTER, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_enqueue},
    {.name = "jobs list",
     .summary = "list jobs, newest first",
     .about = "With --status processing by their starts, the newest first, with the seconds since "
              "then; --json is by creation, as the API is.",
     .options = {SET_STATUS, SET_USER, SET_LIMIT, SET_CURSOR, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_jobs_list},
    {.name = "jobs show",
     .args = "ID",
     .min_args = 1,
     .max_args = 1,
     .summary = "show one job: its row, its place in the queue, what it cost",
     .about =
         "With --json everything, the request, the script, its metadata and the steps too. The "
         "times at which a waiting or running job will start and finish are estimates; they "
         "suppose that workers have the settings of this command (mode, concurrency).",
     .options = {SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_jobs_show},
    {.name = "jobs watch",
     .args = "[ID...]",
     .max_args = MANY,
     .summary = "follow jobs live, whoever works on them",
     .about = "Ends when the given jobs have ended, or, without any, when nothing waits or runs. "
              "Exit status 0 means that none of them failed or was cancelled.",
     .options = {SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_jobs_watch},
    {.name = "jobs cancel",
     .args = "ID...",
     .min_args = 1,
     .max_args = MANY,
     .summary = "cancel jobs; a running one stops within a second",
     .options = {SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_jobs_cancel},
    {.name = "jobs retry",
     .args = "[ID...]",
     .max_args = MANY,
     .summary = "run ended jobs again; finished model calls are not paid twice",
     .about = "Name the jobs, or give --status failed (or cancelled), perhaps with --user, for all "
              "of them. A completed job starts over and leaves its first script to the second.",
     .example = "scriptorium jobs retry --status failed",
     .options = {SET_STATUS, SET_USER, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_jobs_retry},
    {.name = "jobs export",
     .args = "ID",
     .min_args = 1,
     .max_args = 1,
     .summary = "write a finished script in other forms",
     .about = "--format takes several, separated by commas: md, txt, teleprompter (what is spoken, "
              "a sentence a line), json (sections), srt and vtt (subtitles, timed by --wpm words "
              "per minute), fountain (a screenplay). One form goes to standard output, unless "
              "--out names a folder; several become DIR/ID.EXTENSION.",
     .example = "scriptorium jobs export ID --format md,srt,fountain --out scripts",
     .options = {SET_FORMAT, SET_OUT, SET_WPM, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_jobs_export},
    {.name = "jobs rescue",
     .summary = "take over jobs that another system left in 'processing'",
     .about = "Rows that were in work when Scriptorium adopted the table belong to somebody else "
              "and are left alone until this command says that they may be taken.",
     .example = "scriptorium jobs rescue --older-than 30m",
     .options = {SET_OLDER_THAN, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_jobs_rescue},
    {.name = "pause",
     .summary = "stop claiming jobs, everywhere and at once; what runs goes on",
     .about = "Holds for every process on this database until `scriptorium resume`, also after a "
              "restart. Jobs can be enqueued meanwhile; they wait.",
     .options = {SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_pause},
    {.name = "resume",
     .summary = "claim jobs again after `scriptorium pause`",
     .options = {SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_resume},
    {.name = "erase",
     .summary = "erase everything that a user wrote, and that was written for the user",
     .about =
         "Requests, scripts, metadata, errors, checkpoints, log lines, idempotency keys, notes "
         "of what was told, stored HTTP requests that name the user or a job. What waits or "
         "runs is cancelled first. The rows stay without their texts, and so do tokens and "
         "money. It cannot be undone.",
     .example = "scriptorium erase --user 0190163d-8694-739b-aea5-966c26f8ad91",
     .options = {SET_USER, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_erase},
    {.name = "scale",
     .args = "[WxC]",
     .max_args = 1,
     .summary = "set how many workers there are, and how many scripts each writes at once",
     .about = "1x1 is one worker with one script, the old way; 3x3 what the guide recommends; 5x5 "
              "and more are as good. Running daemons follow within a second, on all nodes, and "
              "after a restart. Where schedules drive the workers (process-script-jobs-worker-1 "
              "..., or the single process-script-generation-jobs) they are rewritten to fit, with "
              "the commands they have but for the worker id. In continuous mode workers times "
              "scripts is what all daemons together have in work.\n\n"
              "--undo puts settings and schedules back as they were before the latest change, and "
              "before the one before it the next time. Without anything it prints what is.",
     .example = "scriptorium scale 3x3",
     .options = {SET_WORKERS, SET_CONCURRENCY, SET_UNDO, SET_CONCURRENT_LIMIT, SET_JSON,
                 SET_DATABASE, SET_MAX},
     .run = cmd_scale},
    {.name = "stats",
     .summary = "count jobs, tokens and money",
     .options = {SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_stats},
    {.name = "invocations",
     .summary = "list the calls of the function endpoint, newest first",
     .options = {SET_LIMIT, SET_CURSOR, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_invocations},
    {.name = "logs",
     .summary = "show the log of jobs: claims, steps, retries, failures, ends",
     .about = "The newest --limit lines, in order. With --json one object per line. Lines are "
              "written by the daemon, whatever its own log level is.",
     .example = "scriptorium logs --follow",
     .options = {SET_JOB, SET_FOLLOW, SET_LIMIT, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_logs},
    {.name = "doctor",
     .summary = "look for what is wrong, and say how to mend it",
     .about =
         "Asks the database, the daemon and this machine. For each question it prints a verdict "
         "(well, note, ill, unknown), the evidence and the remedy. It changes nothing. Run it "
         "with the daemon's configuration.\n\n"
         "Exit status 0 means that nothing must be mended.",
     .example = "scriptorium doctor --url http://127.0.0.1:8400",
     .options = {SET_URL, SET_SERVE_LISTEN, SET_CONCURRENCY, SET_MODE, SET_MODELS, SET_JSON,
                 SET_DATABASE, SET_MAX},
     .run = cmd_doctor},
    {.name = "deploy",
     .args = "DIR",
     .min_args = 1,
     .max_args = 1,
     .summary = "make the pipeline in a folder the one that new jobs are made by",
     .about = "Checks the steps and prompts in DIR, stores them as the next version and makes that "
              "the active one. Running daemons take it within a second; a job that has begun "
              "finishes on the version it began with, also after a crash. The same files again are "
              "the version that they are already.",
     .example = "scriptorium deploy my-pipeline --note 'shorter intros'",
     .options = {SET_NOTE, SET_MODELS, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_deploy},
    {.name = "deployments",
     .summary = "list the versions of the pipeline, newest first",
     .about = "Version 0 is the pipeline that the program carries.",
     .options = {SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_deployments},
    {.name = "rollback",
     .args = "[VERSION]",
     .max_args = 1,
     .summary = "make an earlier version of the pipeline the active one again",
     .about = "Without VERSION the one that the active version took the place of. Any version of "
              "the list will do, 0 too.",
     .options = {SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_rollback},
    {.name = "prompt",
     .summary =
         "print the request of a step as it would be sent, with tokens and cost; call nothing",
     .about =
         "The JSON body goes to standard output, the estimate to standard error. The pipeline is "
         "that of --pipeline, else the deployed one. Answers of earlier steps that the prompt "
         "quotes are made by "
         "the simulated provider's text generator.",
     .example = "scriptorium prompt --params request.json --step chunk_2",
     .options = {SET_PARAMS, SET_STEP, SET_TOPIC, SET_MINUTES, SET_PIPELINE, SET_MODELS, SET_JSON,
                 SET_DATABASE, SET_MAX},
     .run = cmd_prompt},
    {.name = "webhooks list",
     .summary = "list webhook endpoints, and what was sent to them, newest first",
     .about = "What is over is remembered for a week.",
     .example = "scriptorium webhooks list --state given-up",
     .options = {SET_STATE, SET_ENDPOINT, SET_LIMIT, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_webhooks_list},
    {.name = "webhooks retry",
     .args = "[ID...]",
     .max_args = MANY,
     .summary = "send webhooks again: those named, or all that were given up",
     .about = "A running daemon takes it up within a second. The id of a delivery stays the same, "
              "so that a receiver knows what it has.",
     .options = {SET_ENDPOINT, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_webhooks_retry},
    {.name = "plan",
     .summary =
         "how long people wait, scripts an hour, cost and what binds, for one set-up or another",
     .about =
         "Simulates the set-ups of the guide (one worker, three slots, three workers of three), "
         "yours (--workers, --concurrency) and continuous claiming, side by side. What a script "
         "takes is measured from the database's last completed jobs, where there are any.",
     .example = "scriptorium plan --users 10 --minutes-per-script 5 --tier start",
     .options = {SET_USERS, SET_PER_DAY, SET_MINUTES_PER_SCRIPT, SET_STEP_SECONDS, SET_WORKERS,
                 SET_CONCURRENCY, SET_EVERY, SET_TIER, SET_KEYS, SET_BUDGET, SET_MODELS, SET_JSON,
                 SET_DATABASE, SET_MAX},
     .run = cmd_plan},
    {.name = "cron list",
     .summary = "list schedules and when each fires next",
     .about = "Also those that users keep in SQL, in cron.job, on PostgreSQL.",
     .options = {SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_cron_list},
    {.name = "cron schedule",
     .args = "NAME EXPR",
     .min_args = 2,
     .max_args = 2,
     .summary = "call the function by the clock, or change when that happens",
     .about = "EXPR is five fields (minute hour day month weekday), @hourly, @daily and the like, "
              "@reboot, or 'N seconds'; before it may stand CRON_TZ=Area/City. Every daemon on the "
              "store carries schedules out, and each firing happens once. docs/schedules.md tells "
              "the rest.",
     .example = "scriptorium cron schedule process-script-jobs-worker-1 '* * * * *' "
                "--worker-id worker-1",
     .options = {SET_WORKER_ID, SET_MISSED, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_cron_schedule},
    {.name = "cron unschedule",
     .args = "NAME",
     .min_args = 1,
     .max_args = 1,
     .summary = "remove a schedule",
     .options = {SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_cron_unschedule},
    {.name = "cron runs",
     .args = "[NAME]",
     .max_args = 1,
     .summary = "list firings of schedules and what became of them, newest first",
     .options = {SET_LIMIT, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_cron_runs},
    {.name = "cron next",
     .args = "EXPR",
     .min_args = 1,
     .max_args = 1,
     .summary = "show when a schedule would fire, in UTC",
     .example = "scriptorium cron next '30 2 * * mon-fri' --tz America/New_York",
     .options = {SET_COUNT, SET_TZ, SET_JSON, SET_MAX},
     .run = cmd_cron_next},
    {.name = "migrate",
     .summary = "bring the store up to date",
     .about = "Safe on a table in use, and safe twice. Other commands do it by themselves for a "
              "file that they create.",
     .options = {SET_WITH_CRON, SET_DRY_RUN, SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_migrate},
    {.name = "backup",
     .args = "FILE",
     .min_args = 1,
     .max_args = 1,
     .summary = "copy the store to FILE while it is in use",
     .options = {SET_JSON, SET_DATABASE, SET_MAX},
     .run = cmd_backup},
    {.name = "simulate",
     .summary = "serve the simulated provider on its own",
     .about =
         "It answers like the real Messages API: with the same errors, limits and event "
         "streams. GET /sim/ledger tells what every request really produced. Point a program "
         "at it with ANTHROPIC_BASE_URL and any ANTHROPIC_API_KEY. --script plays faults by the "
         "number of the request, say [{\"nth\": 3, \"fault\": \"cut\", \"after_tokens\": 100}]; "
         "docs/simulator.md lists them.",
     .example = "scriptorium simulate --listen 127.0.0.1:8401 --speed 30",
     .options = {SET_LISTEN, SET_SEED, SET_SPEED, SET_SCRIPT, SET_ACCEPT_KEY, SET_MODELS, SET_JSON,
                 SET_MAX},
     .run = cmd_simulate},
    {.name = "bench",
     .args = "NAME [ARG...]",
     .min_args = 1,
     .max_args = MANY,
     .summary = "measure this machine: streams, or the embedded store",
     .about = "streams [STREAMS] [INTERVAL_MS] [TICK_MS] [SECONDS]: processor time and memory that "
              "paced model streams take (1000, 50, the default tick, 10).\n\n"
              "store [DIR] [ROWS]: what the embedded store does in DIR (the working directory), in "
              "a file that it removes: jobs a second, pickup, a claim beside ROWS (1000000) of "
              "backlog and of history.\n\n"
              "The other benchmarks need a PostgreSQL server or Node.js: make bench.",
     .example = "scriptorium bench streams 500",
     .options = {SET_JSON, SET_MAX},
     .run = cmd_bench},
    {.name = "help",
     .args = "[COMMAND]",
     .max_args = 2,
     .summary = "list the commands, or explain one",
     .options = {SET_MAX},
     .run = cmd_help},
    {.name = "man",
     .args = "[PAGE]",
     .max_args = 1,
     .summary = "print the manual page: scriptorium man | man -l -",
     .about = "PAGE may be commands, settings, metrics or routes: then it prints what docs/ has of "
              "them, as Markdown.",
     .options = {SET_MAX},
     .run = cmd_man},
    {.name = "completion",
     .args = "SHELL",
     .min_args = 1,
     .max_args = 1,
     .summary = "print completion code for a shell: bash",
     .example = "source <(scriptorium completion bash)",
     .options = {SET_MAX},
     .run = cmd_completion},
    {.name = "version",
     .summary = "print the version",
     .options = {SET_JSON, SET_MAX},
     .run = cmd_version},
};
const size_t command_count = sizeof command_table / sizeof command_table[0];
