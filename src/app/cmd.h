/* In: an invocation. Out: its work done and an exit code: one function per command. */
#ifndef APP_CMD_H
#define APP_CMD_H

#include "app/command.h"

int cmd_run(struct invocation *inv);
int cmd_serve(struct invocation *inv);
int cmd_enqueue(struct invocation *inv);
int cmd_jobs_list(struct invocation *inv);
int cmd_jobs_show(struct invocation *inv);
int cmd_jobs_watch(struct invocation *inv);
int cmd_jobs_cancel(struct invocation *inv);
int cmd_jobs_retry(struct invocation *inv);
int cmd_jobs_export(struct invocation *inv);
int cmd_jobs_rescue(struct invocation *inv);
int cmd_stats(struct invocation *inv);
int cmd_invocations(struct invocation *inv);
int cmd_logs(struct invocation *inv);
int cmd_deploy(struct invocation *inv);
int cmd_deployments(struct invocation *inv);
int cmd_rollback(struct invocation *inv);
int cmd_prompt(struct invocation *inv);
int cmd_webhooks_list(struct invocation *inv);
int cmd_webhooks_retry(struct invocation *inv);
int cmd_plan(struct invocation *inv);
int cmd_doctor(struct invocation *inv);
int cmd_cron_list(struct invocation *inv);
int cmd_cron_schedule(struct invocation *inv);
int cmd_cron_unschedule(struct invocation *inv);
int cmd_cron_runs(struct invocation *inv);
int cmd_cron_next(struct invocation *inv);
int cmd_migrate(struct invocation *inv);
int cmd_backup(struct invocation *inv);
int cmd_bench(struct invocation *inv);
int cmd_pause(struct invocation *inv);
int cmd_resume(struct invocation *inv);
int cmd_scale(struct invocation *inv);
int cmd_erase(struct invocation *inv);
int cmd_simulate(struct invocation *inv);
int cmd_help(struct invocation *inv);
int cmd_man(struct invocation *inv);
int cmd_completion(struct invocation *inv);
int cmd_version(struct invocation *inv);

#endif
