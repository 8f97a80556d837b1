/* In: requests that show one job each. Out: that job with its steps, of all that asked meanwhile by
 * one question. */
#include "api/looks.h"

#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/owned.h"
#include "api/request.h"

#define JOBS_MAX 32 /* in one question */
#define BYTES_MAX                                                                                  \
    ((size_t)4 << 20) /* of texts in an answer, about: as long as those of the last one */

struct look { /* in its request's arena */
    struct look *next;
    struct api_request *rq;
    struct uuid id;
    size_t at; /* the job's place in the question */
    void (*then)(struct api_request *rq, const struct store_shown *shown);
};

struct looks_question { /* outlives the api when it must */
    struct api *api;    /* NULL: it is gone */
    struct look *first;
    struct uuid ids[JOBS_MAX]; /* each once: who asks for the same job shares the answer */
    size_t n;
};

static void ask(struct api *api);

static void tell(struct look *look, const struct store_result *r)
{
    struct api_request *rq = api_request_told(look->rq);
    if (rq == NULL || api_answer_failure(rq, r))
        return;
    const struct store_shown *shown = &r->shown[look->at];
    if (shown->err == ERR_NOT_FOUND || !owned_may_see(rq, &shown->job))
        owned_answer_none(rq);
    else if (shown->err != OK)
        api_answer_error(rq, 413, "Too large", "a text of the job is longer than %u bytes",
                         STORE_TEXT_MAX);
    else
        look->then(rq, shown);
}

static size_t length(const char *text)
{
    return text != NULL ? strlen(text) : 0;
}

static size_t bytes_of(const struct store_result *r)
{
    size_t bytes = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct store_job *job = &r->shown[i].job;
        bytes += length(job->params) + length(job->script) + length(job->metadata);
    }
    return bytes;
}

static void on_shown(void *ctx, const struct store_result *r)
{
    struct looks_question *q = ctx;
    struct api *api = q->api;
    if (api != NULL) {
        if (r->err == OK)
            api->looks.each_bytes = bytes_of(r) / r->n;
        api->looks.asked = NULL;
        ask(api);
    }
    for (struct look *look = q->first, *next; look != NULL; look = next) {
        next = look->next; /* it goes with its request */
        tell(look, r);
    }
    free(q);
}

static size_t room_of(const struct looks *looks)
{
    size_t room = BYTES_MAX / (looks->each_bytes + 1);
    return room > JOBS_MAX ? JOBS_MAX : room > 0 ? room : 1;
}

/* False: there is no room for its job. */
static bool add(struct looks_question *q, size_t room, struct look *look)
{
    look->at = 0;
    while (look->at < q->n && !uuid_equal(&q->ids[look->at], &look->id))
        look->at++;
    if (look->at == room)
        return false;
    if (look->at == q->n)
        q->ids[q->n++] = look->id;
    return true;
}

/* The first that wait, as many as have room. */
static void ask(struct api *api)
{
    struct looks *looks = &api->looks;
    if (looks->asked != NULL || looks->first == NULL)
        return;
    struct looks_question *q = mem_alloc(sizeof *q);
    struct look **end = &looks->first;
    *q = (struct looks_question){.api = api, .first = looks->first};
    while (*end != NULL && add(q, room_of(looks), *end))
        end = &(*end)->next;
    looks->first = *end;
    *end = NULL;
    looks->asked = q;
    store_show(api->store, q->ids, q->n, on_shown, q);
}

void looks_get(struct api_request *rq,
               void (*then)(struct api_request *rq, const struct store_shown *shown))
{
    struct looks *looks = &rq->api->looks;
    struct look *look = arena_alloc(&rq->arena, sizeof *look);
    *look = (struct look){.rq = rq, .then = then};
    if (!api_request_id(rq, 0, &look->id))
        return;
    (void)api_request_ask(rq);
    if (looks->first == NULL)
        looks->first = look;
    else
        looks->last->next = look;
    looks->last = look;
    ask(rq->api);
}

void looks_end(struct api *api)
{
    if (api->looks.asked != NULL)
        api->looks.asked->api = NULL;
    for (struct look *look = api->looks.first, *next; look != NULL; look = next) {
        next = look->next;
        (void)api_request_told(look->rq);
    }
}
