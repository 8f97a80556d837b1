/* In: the settings of run and enqueue. Out: the jobs to insert. */
#include "app/request.h"

#include <stdlib.h>
#include <string.h>

#include "app/context.h"
#include "app/workshop.h"
#include "base/clock.h"
#include "base/mem.h"
#include "job/params.h"
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
        e = json_parse_wide(text, n, PARAMS_SIZE_MAX, &json, &why);
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

static int set_id(const struct invocation *inv, json_t *json, const char *option,
                  const char *member, const char *text)
{
    struct uuid id;
    if (text == NULL)
        return EXIT_DONE;
    (void)json_object_set_new(json, member, json_string(text));
    return context_uuid(inv, option, text, &id);
}

/* What other options say, over what the file says. */
static int put_options(const struct invocation *inv, json_t *json)
{
    const struct settings *set = &inv->set;
    char at[CLOCK_ISO_SIZE];
    if (set->params == NULL || inv->given[SET_MINUTES])
        (void)json_object_set_new(json, "targetDuration",
                                  json_integer((json_int_t)(set->minutes * 60 + 0.5)));
    if (inv->given[SET_PRIORITY])
        (void)json_object_set_new(json, "priority", json_integer((json_int_t)set->priority));
    if (set->after_us > 0)
        (void)json_object_set_new(json, "run_at",
                                  json_string(clock_iso(clock_wall() + set->after_us, at)));
    int code = set_id(inv, json, "--user", "user_id", set->user);
    return code == EXIT_DONE ? set_id(inv, json, "--workflow", "workflow_id", set->workflow) : code;
}

static int read_one(const struct invocation *inv, const struct catalog *catalog, const json_t *json,
                    struct job_request *ret)
{
    const struct principal who = {.role = ROLE_OPERATOR};
    struct errmsg msg = {""};
    const struct job_ceiling ceiling = {.duration_s = inv->set.job_duration_max_us / USEC_PER_SEC,
                                        .catalog = catalog,
                                        .now_us = clock_wall()};
    char *body = json_text(json);
    enum err e =
        job_request_read(body, strlen(body), inv->set.idempotency_key, &who, &ceiling, ret, &msg);
    free(body);
    return e == OK ? EXIT_DONE
                   : command_fail(inv, EXIT_USAGE, "the request cannot be run: %s", msg.text);
}

static bool names_user(const json_t *json)
{
    const json_t *user = json_object_get(json, "user_id");
    return user != NULL && !json_is_null(user);
}

/* After TOPICS jobs the requests repeat, each by its users. */
static int read_all(const struct invocation *inv, json_t *json, struct request *r)
{
    bool own = inv->set.topic == NULL && inv->set.params == NULL && inv->given[SET_JOBS];
    struct catalog *catalog = NULL;
    int code = workshop_catalog(inv, &catalog);
    for (size_t i = 0; code == EXIT_DONE && i < (own && r->n > TOPICS ? TOPICS
                                                 : own                ? r->n
                                                                      : 1);
         i++) {
        const char *topic = own ? topics[i] : inv->set.topic;
        if (topic != NULL)
            (void)json_object_set_new(json, "topic", json_string(topic));
        code = read_one(inv, catalog, json, &r->asked[i]);
        r->n_asked += code == EXIT_DONE;
    }
    catalog_free(catalog);
    return code;
}

int request_build(const struct invocation *inv, size_t n, size_t users, struct request *ret_request)
{
    struct request r = {
        .jobs = mem_array(n, sizeof *r.jobs), .asked = mem_array(TOPICS, sizeof *r.asked), .n = n};
    char first[UUID_TEXT_SIZE];
    int code = EXIT_DONE;
    json_t *json = base_request(inv, &code);
    if (code == EXIT_DONE)
        code = put_options(inv, json);
    bool spread = code == EXIT_DONE && !names_user(json);
    struct uuid user = request_user(1);
    if (spread) /* the operator must say whose it is */
        (void)json_object_set_new(json, "user_id", json_string(uuid_text(&user, first)));
    if (code == EXIT_DONE)
        code = read_all(inv, json, &r);
    for (size_t i = 0; code == EXIT_DONE && i < n; i++) {
        r.jobs[i] = job_request_row(&r.asked[i % r.n_asked]);
        if (spread)
            r.jobs[i].user_id = request_user((uint32_t)(i % users) + 1);
    }
    json_decref(json);
    if (code == EXIT_DONE)
        *ret_request = r;
    else
        request_free(&r);
    return code;
}

void request_free(struct request *r)
{
    for (size_t i = 0; i < r->n_asked; i++)
        job_request_free(&r->asked[i]);
    free(r->asked);
    free(r->jobs);
    *r = (struct request){0};
}
