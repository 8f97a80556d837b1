/* In: a request on a route with {id}. Out: that job, when the caller may see it. */
#include "api/owned.h"

#include "api/answer.h"

struct asked {
    struct api_request *rq;
    void (*show)(struct api_request *rq, const struct store_job *job);
    void (*change)(struct api_request *rq, const struct uuid *id);
};

bool owned_may_see(const struct api_request *rq, const struct store_job *job)
{
    return rq->who.role == ROLE_OPERATOR ||
           (rq->who.role == ROLE_USER && uuid_equal(&rq->who.user_id, &job->user_id));
}

void owned_answer_none(struct api_request *rq)
{
    api_answer_error(rq, 404, "Not found", "there is no such job");
}

static void on_job(void *ctx, const struct store_result *r)
{
    struct asked look = *(struct asked *)ctx; /* goes with the request */
    struct api_request *rq = api_request_told(look.rq);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    if (!owned_may_see(rq, &r->jobs[0]))
        owned_answer_none(rq);
    else if (look.show != NULL)
        look.show(rq, &r->jobs[0]);
    else
        look.change(rq, &r->jobs[0].id);
}

static void look_at(struct api_request *rq, const struct uuid *id, const struct asked *look)
{
    struct asked *kept = arena_alloc(&rq->arena, sizeof *kept);
    *kept = *look;
    (void)api_request_ask(rq);
    store_get(rq->api->store, id, on_job, kept);
}

void owned_get(struct api_request *rq,
               void (*then)(struct api_request *rq, const struct store_job *job))
{
    struct uuid id;
    if (api_request_id(rq, 0, &id))
        look_at(rq, &id, &(struct asked){.rq = rq, .show = then});
}

void owned_change(struct api_request *rq,
                  void (*then)(struct api_request *rq, const struct uuid *id))
{
    struct uuid id;
    if (!api_request_id(rq, 0, &id))
        return;
    if (rq->who.role == ROLE_OPERATOR)
        then(rq, &id);
    else
        look_at(rq, &id, &(struct asked){.rq = rq, .change = then});
}
