/* In: GET /v1/jobs/{id}/script?format=. Out: the finished script in that form. */
#include <stdio.h>
#include <string.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/owned.h"
#include "job/export.h"
#include "job/plan.h"

static const struct export_format *wanted(const struct api_request *rq)
{
    const char *name = api_request_query(rq, "format");
    return name == NULL ? &export_formats[0] : export_find(name, strlen(name));
}

static void send_script(struct api_request *rq, const struct store_job *job)
{
    if (job->script == NULL) {
        api_answer_error(rq, 409, "Conflict", "the job is %s: it has no script yet",
                         job_status_name(job->status));
        return;
    }
    const struct export_format *format = wanted(rq);
    const int64_t *wpm = rq->state;
    char id[UUID_TEXT_SIZE], disposition[96];
    (void)snprintf(disposition, sizeof disposition, "inline; filename=\"%s.%s\"",
                   uuid_text(&job->id, id), format->extension);
    const char *const headers[] = {"Content-Disposition", disposition, NULL};
    struct buf out = BUF_INIT(API_ANSWER_MAX);
    format->put(job->script, strlen(job->script), (int)*wpm, &out);
    api_answer(rq, 200, format->content_type, headers, buf_str(&out), out.len);
    buf_free(&out);
}

void handle_job_script(struct api_request *rq)
{
    int64_t *wpm = arena_alloc(&rq->arena, sizeof *wpm);
    *wpm = PLAN_WPM_DEFAULT;
    if (wanted(rq) == NULL) {
        struct buf names = BUF_INIT(256);
        export_put_names(&names);
        api_answer_error(rq, 400, "Bad request", "format: there are %s", buf_str(&names));
        buf_free(&names);
        return;
    }
    rq->state = wpm;
    if (api_request_query_int(rq, "wpm", EXPORT_WPM_MIN, EXPORT_WPM_MAX, wpm))
        owned_get(rq, send_script);
}
