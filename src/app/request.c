/* In: the settings of run and enqueue. Out: the jobs to insert. */
#include "app/request.h"

#include <stdlib.h>
#include <string.h>

#include "app/context.h"
#include "base/clock.h"
#include "base/mem.h"
#include "job/params.h"
#include "job/plan.h"
#include "text/json.h"

/* For runs that name no topic: something to try the machine with. */
static const char *const topics[] = {
    "Why bridges hum in the wind",
    "How lighthouses found their way",
    "The quiet history of salt",
    "What trees tell each other",
    "The first map of the ocean floor",
    "How a city learns to cool itself",
    "The clockmakers who measured the sea",
    "Why bread needs time",
    "How sand becomes a screen",
    "The long road of the tea leaf",
    "What a glacier remembers",
    "How birds cross a desert at night",
};
#define TOPICS (sizeof topics / sizeof topics[0])

struct uuid request_user(uint32_t number)
{
    struct uuid id = {.bytes = {[6] = 0x40, [8] = 0x80}};
    for (int i = 0; i < 4; i++)
        id.bytes[15 - i] = (uint8_t)(number >> (8 * i));
    return id;
}

/* The request of --params, with what other options say put over it; NULL after one line. */
static json_t *base_request(const struct invocation *inv, int *ret_code)
{
    const struct settings *set = &inv->set;
    json_t *json = NULL;
    char *text = NULL;
    size_t n = 0;
    struct errmsg msg = {""};
    if (set->params == NULL)
        return json_object();
    enum err e = settings_read_file(set->params, PARAMS_SIZE_MAX, &text, &n, &msg);
    if (e == OK) {
        struct errmsg why = {""};
        e = json_parse(text, n, PARAMS_SIZE_MAX, &json, &why);
        if (e != OK)
            (void)err_set(&msg, e, "%s: not valid JSON: %s", set->params, why.text);
    }
    if (e == OK && !json_is_object(json)) {
        e = err_set(&msg, ERR_INVALID, "%s: expected a JSON object such as {\"topic\": \"...\"}",
                    set->params);
        json_decref(json);
        json = NULL;
    }
    free(text);
    if (e != OK)
        *ret_code = command_fail(inv, EXIT_USAGE, "--params %s", msg.text);
    return json;
}

static int check(const struct invocation *inv, const char *params)
{
    struct params_limits limits = params_limits_of(inv->set.job_duration_max_us / USEC_PER_SEC);
    struct params normal = {0};
    struct errmsg msg = {""};
    if (params_normalise(params, strlen(params), NULL, &limits, &normal, &msg) != OK)
        return command_fail(inv, EXIT_USAGE, "the request cannot be run: %s", msg.text);
    params_free(&normal);
    return EXIT_DONE;
}

static int64_t start_us(const struct settings *set)
{
    return set->after_us > 0 ? clock_wall() + set->after_us : 0;
}

int request_build(const struct invocation *inv, size_t n, size_t users, struct request *ret_request)
{
    const struct settings *set = &inv->set;
    struct request r = {.jobs = mem_array(n, sizeof *r.jobs),
                        .params = mem_array(n, sizeof(char *))};
    int code = EXIT_DONE;
    json_t *json = base_request(inv, &code);
    for (size_t i = 0; code == EXIT_DONE && i < n; i++) {
        const char *topic = set->topic;
        if (topic == NULL && set->params == NULL && inv->given[SET_JOBS])
            topic = topics[i % TOPICS];
        if (topic != NULL)
            (void)json_object_set_new(json, "topic", json_string(topic));
        if (set->params == NULL || inv->given[SET_MINUTES])
            (void)json_object_set_new(json, "targetDuration",
                                      json_integer((json_int_t)(set->minutes * 60 + 0.5)));
        r.params[r.n] = json_text(json);
        r.jobs[r.n] = (struct store_new_job){.user_id = request_user((uint32_t)(i % users) + 1),
                                             .priority = (int)set->priority,
                                             .max_retries = -1,
                                             .params = r.params[r.n],
                                             .run_at_us = start_us(set),
                                             .idempotency_key = set->idempotency_key};
        r.n++;
        if (i < TOPICS) /* after that they repeat */
            code = check(inv, r.params[r.n - 1]);
    }
    json_decref(json);
    struct uuid user = {{0}}, workflow = {{0}};
    if (code == EXIT_DONE && set->user != NULL)
        code = context_uuid(inv, "--user", set->user, &user);
    if (code == EXIT_DONE && set->workflow != NULL)
        code = context_uuid(inv, "--workflow", set->workflow, &workflow);
    for (size_t i = 0; code == EXIT_DONE && i < r.n; i++) {
        r.jobs[i].workflow_id = workflow;
        if (set->user != NULL)
            r.jobs[i].user_id = user;
    }
    if (code == EXIT_DONE)
        *ret_request = r;
    else
        request_free(&r);
    return code;
}

void request_free(struct request *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->params[i]);
    free(r->params);
    free(r->jobs);
    *r = (struct request){0};
}
