/* In: a request that has found its route and may use it. Out: its answer, now or later. Private to
 * api: one function per row of the route table. */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

struct api_request;

/* health.c */
void handle_root(struct api_request *rq);
void handle_healthz(struct api_request *rq);
void handle_readyz(struct api_request *rq);
/* observe.c */
void handle_stats(struct api_request *rq);
void handle_workers(struct api_request *rq);
/* metrics.c, limits.c */
void handle_metrics(struct api_request *rq);
void handle_limits(struct api_request *rq);
/* openapi.c */
void handle_openapi(struct api_request *rq);
/* jobs.c */
void handle_job_list(struct api_request *rq);
void handle_job_show(struct api_request *rq);
void handle_job_delete(struct api_request *rq);
void handle_job_cancel(struct api_request *rq);
void handle_job_retry(struct api_request *rq);
/* job_create.c */
void handle_job_create(struct api_request *rq);
/* job_script.c */
void handle_job_script(struct api_request *rq);
/* streams.c, streams_all.c */
void handle_job_events(struct api_request *rq);
void handle_events(struct api_request *rq);
/* job_why.c */
void handle_job_why(struct api_request *rq);
/* functions.c */
void handle_process_script_jobs(struct api_request *rq);
/* deployments.c */
void handle_deployments(struct api_request *rq);
void handle_rollback(struct api_request *rq);
/* plan.c */
void handle_plan(struct api_request *rq);
/* invocations.c, logs.c */
void handle_invocations(struct api_request *rq);
void handle_logs(struct api_request *rq);
/* control.c */
void handle_pause(struct api_request *rq);
void handle_resume(struct api_request *rq);
void handle_scale(struct api_request *rq);
void handle_user_erase(struct api_request *rq);
void handle_scale_change(struct api_request *rq);
/* schedules.c */
void handle_schedule_list(struct api_request *rq);
void handle_schedule_show(struct api_request *rq);
void handle_schedule_save(struct api_request *rq);
void handle_schedule_delete(struct api_request *rq);
void handle_schedule_runs(struct api_request *rq);

#endif
