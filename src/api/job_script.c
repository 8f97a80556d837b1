/* In: GET /v1/jobs/{id}/script?format=. Out: the finished script in that form. */
#include <stdio.h>
#include <string.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/owned.h"
#include "job/export.h"

static void put_markdown(const char *script, size_t n, struct buf *out)
{
    buf_put(out, script, n);
}

static const struct {
    const char *name, *content_type;
    void (*put)(const char *script, size_t n, struct buf *out);
} formats[] = {{"md", "text/markdown; charset=utf-8", put_markdown},
               {"txt", "text/plain; charset=utf-8", export_text},
               {"json", "application/json", export_json}};
#define FORMATS (sizeof formats / sizeof formats[0])

static size_t wanted(const struct api_request *rq)
{
    const char *name = http_query(rq->x, "format");
    for (size_t i = 0; name != NULL && i < FORMATS; i++) {
        if (strcmp(name, formats[i].name) == 0)
            return i;
    }
    return name == NULL ? 0 : FORMATS;
}

static void send_script(struct api_request *rq, const struct store_job *job)
{
    if (job->script == NULL) {
        api_answer_error(rq, 409, "Conflict", "the job is %s: it has no script yet",
                         job_status_name(job->status));
        return;
    }
    size_t format = wanted(rq);
    char id[UUID_TEXT_SIZE], disposition[96];
    (void)snprintf(disposition, sizeof disposition, "inline; filename=\"%s.%s\"",
                   uuid_text(&job->id, id), formats[format].name);
    const char *const headers[] = {"Content-Disposition", disposition, NULL};
    struct buf out = BUF_INIT(API_ANSWER_MAX);
    formats[format].put(job->script, strlen(job->script), &out);
    api_answer(rq, 200, formats[format].content_type, headers, buf_str(&out), out.len);
    buf_free(&out);
}

void handle_job_script(struct api_request *rq)
{
    if (wanted(rq) == FORMATS)
        api_answer_error(rq, 400, "Bad request", "format: there are md, txt and json");
    else
        owned_get(rq, send_script);
}
