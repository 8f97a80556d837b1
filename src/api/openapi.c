/* In: the tables of routes and of schemas. Out: the OpenAPI 3.1 document. */
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/schemas.h"

static void set(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value);
}

static json_t *member(json_t *object, const char *key)
{
    json_t *found = json_object_get(object, key);
    if (found == NULL) {
        found = json_object();
        set(object, key, found);
    }
    return found;
}

static json_t *reference(const char *schema, size_t n)
{
    json_t *object = json_object();
    char *path = mem_printf("#/components/schemas/%.*s", (int)n, schema);
    set(object, "$ref", json_string(path));
    free(path);
    return object;
}

/* `n` bytes of a type as in schemas.h, without what may stand behind it. */
static json_t *schema_of_type(const char *type, size_t n)
{
    static const char *const formats[][2] = {{"uuid", "uuid"}, {"time", "date-time"}};
    json_t *schema = json_object();
    if (type[0] == '[') {
        set(schema, "type", json_string("array"));
        set(schema, "items", schema_of_type(type + 1, n - 2));
        return schema;
    }
    if (type[0] >= 'A' && type[0] <= 'Z') {
        json_decref(schema);
        return reference(type, n);
    }
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strncmp(type, formats[i][0], n) == 0) {
            set(schema, "type", json_string("string"));
            set(schema, "format", json_string(formats[i][1]));
            return schema;
        }
    }
    if (strncmp(type, "any", n) != 0)
        set(schema, "type", json_stringn(type, n));
    return schema;
}

static json_t *schema_of(const char *type)
{
    size_t n = strcspn(type, "?~!");
    json_t *schema = schema_of_type(type, n), *types;
    if (type[n] == '?') {
        types = json_pack("[O,s]", json_object_get(schema, "type"), "null");
        set(schema, "type", types);
    }
    return schema;
}

static void put_member(json_t *properties, const struct route_field *f)
{
    json_t *one = schema_of(f->type);
    if (f->about != NULL)
        set(one, "description", json_string(f->about));
    set(properties, f->name, one);
}

static json_t *parameter(const char *name, const char *in, const char *type, const char *about)
{
    json_t *p = json_object();
    set(p, "name", json_string(name));
    set(p, "in", json_string(in));
    set(p, "required", json_boolean(strcmp(in, "path") == 0));
    if (about != NULL)
        set(p, "description", json_string(about));
    set(p, "schema", schema_of(type));
    return p;
}

static void put_parameters(json_t *operation, const struct route *route)
{
    json_t *list = json_array();
    for (const char *at = strchr(route->pattern, '{'); at != NULL; at = strchr(at, '{')) {
        char name[32] = "";
        size_t n = strcspn(++at, "}");
        memcpy(name, at, n < sizeof name ? n : sizeof name - 1);
        (void)json_array_append_new(
            list, parameter(name, "path", strcmp(name, "id") == 0 ? "uuid" : "string", NULL));
    }
    for (const struct route_field *f = route->query; f != NULL && f->name != NULL; f++)
        (void)json_array_append_new(list, parameter(f->name, "query", f->type, f->about));
    for (const struct route_field *f = route->headers; f != NULL && f->name != NULL; f++)
        (void)json_array_append_new(list, parameter(f->name, "header", f->type, f->about));
    set(operation, "parameters", list);
}

static void put_body(json_t *operation, const struct route *route)
{
    if (route->body == NULL)
        return;
    json_t *body = member(operation, "requestBody");
    set(body, "required", json_true());
    json_t *schema = member(member(member(body, "content"), "application/json"), "schema");
    set(schema, "type", json_string("object"));
    json_t *properties = member(schema, "properties");
    json_t *required = json_array();
    for (const struct route_field *f = route->body; f->name != NULL; f++) {
        put_member(properties, f);
        if (strchr(f->type, '!') != NULL)
            (void)json_array_append_new(required, json_string(f->name));
    }
    if (json_array_size(required) > 0)
        json_object_set(schema, "required", required);
    json_decref(required);
}

static const char *status_text(const char *status)
{
    static const char *const texts[][2] = {{"200", "Done"},
                                           {"201", "Created"},
                                           {"202", "Accepted"},
                                           {"204", "Done, nothing to say"},
                                           {"400", "The request is wrong"},
                                           {"401", "No key, or none that is known"},
                                           {"403", "Not for this key"},
                                           {"404", "There is no such thing"},
                                           {"409", "Its state does not allow it"},
                                           {"413", "A body of more than 1 MiB"},
                                           {"500", "The database has failed"},
                                           {"503", "Not now; try again"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(texts[i][0], status) == 0)
            return texts[i][1];
    }
    return "";
}

/* Headers of answers, beside those that all of them have. */
static const struct answer_header {
    const char *method, *pattern; /* NULL = all */
    const char *status, *name, *about;
} answer_headers[] = {
    {NULL, NULL, "401", "WWW-Authenticate", "Bearer"},
    {NULL, NULL, "503", "Retry-After", "seconds"},
    {"POST", "/v1/jobs", "200", "Location", "the path of the job"},
    {"POST", "/v1/jobs", "201", "Location", "the path of the job"},
    {"GET", "/v1/jobs/{id}/script", "200", "Content-Disposition", "a file name"},
    {"POST", "/functions/v1/process-script-jobs", "202", "Preference-Applied",
     "respond-async, when it was asked for"},
};

static void put_headers(json_t *answer, const struct route *route, const char *status)
{
    for (size_t i = 0; i < sizeof answer_headers / sizeof answer_headers[0]; i++) {
        const struct answer_header *h = &answer_headers[i];
        bool all = h->pattern == NULL, here = !all && strcmp(h->pattern, route->pattern) == 0 &&
                                              strcmp(h->method, route->method) == 0;
        if (strcmp(h->status, status) != 0 || !(all || here))
            continue;
        json_t *header = member(member(answer, "headers"), h->name);
        set(header, "description", json_string(h->about));
        set(header, "schema", schema_of("string"));
    }
}

static json_t *put_status(json_t *responses, const char *status, const struct route *route)
{
    json_t *answer = member(responses, status);
    set(answer, "description", json_string(status_text(status)));
    put_headers(answer, route, status);
    return answer;
}

static void put_error(json_t *responses, const char *status, const struct route *route)
{
    json_t *content = member(put_status(responses, status, route), "content");
    set(member(content, "application/json"), "schema", reference("Error", 5));
}

static void put_success(json_t *responses, const char *status, const struct route *route)
{
    const char *types = route->content_type != NULL ? route->content_type : "application/json";
    json_t *answer = put_status(responses, status, route);
    if (strcmp(status, "204") == 0)
        return;
    for (const char *at = types; *at != '\0'; at += strspn(at, " ")) {
        char type[64] = "";
        size_t n = strcspn(at, " ");
        memcpy(type, at, n < sizeof type ? n : sizeof type - 1);
        at += n;
        json_t *media = member(member(answer, "content"), type);
        if (route->result != NULL && strcmp(type, "application/json") == 0)
            set(media, "schema", reference(route->result, strlen(route->result)));
    }
}

static void put_answers(json_t *operation, const struct route *route)
{
    json_t *responses = member(operation, "responses");
    for (const char *at = route->answers; *at != '\0'; at += strspn(at, " ")) {
        char status[4] = "";
        size_t n = strcspn(at, " ");
        memcpy(status, at, n < sizeof status ? n : sizeof status - 1);
        at += n;
        if (status[0] >= '4')
            put_error(responses, status, route);
        else
            put_success(responses, status, route);
    }
    if (strstr(route->pattern, "{id}") != NULL)
        put_error(responses, "400", route);
    if (strcmp(route->method, "GET") != 0)
        put_error(responses, "413", route);
    if (route->access != ROUTE_OPEN)
        put_error(responses, "401", route);
    if (route->access == ROUTE_OPERATOR)
        put_error(responses, "403", route);
}

static void put_schema(json_t *into, const struct schema *s)
{
    json_t *properties = member(into, "properties"), *required = json_object_get(into, "required");
    if (required == NULL) {
        required = json_array();
        set(into, "type", json_string("object"));
        set(into, "required", required);
    }
    for (size_t i = 0; s->base != NULL && i < schema_count; i++) {
        if (strcmp(schema_table[i].name, s->base) == 0)
            put_schema(into, &schema_table[i]);
    }
    for (const struct route_field *f = s->members; f->name != NULL; f++) {
        put_member(properties, f);
        if (strchr(f->type, '~') == NULL)
            (void)json_array_append_new(required, json_string(f->name));
    }
}

static void put_route(json_t *paths, const struct route *route)
{
    char method[16] = "";
    size_t n = strnlen(route->method, sizeof method - 1);
    for (size_t i = 0; i < n; i++)
        method[i] = (char)(route->method[i] | 0x20); /* methods are capital letters */
    json_t *operation = member(member(paths, route->pattern), method);
    set(operation, "summary", json_string(route->summary));
    put_parameters(operation, route);
    put_body(operation, route);
    put_answers(operation, route);
    if (route->access == ROUTE_OPEN)
        set(operation, "security", json_array());
}

static const char about[] =
    "Every request may also be answered with 404 or 405 (no such address, or not with this "
    "method), "
    "408 (not all there within ten seconds), 414 or 431 (headers of more than 16 KiB) and 503 (too "
    "many connections, or the server is about to end).";

static json_t *document(const struct api *api)
{
    json_t *doc = json_pack("{s:s, s:{s:s, s:s, s:s}, s:[{s:[]},{s:[]}]}", "openapi", "3.1.0",
                            "info", "title", "Scriptorium", "version", api->version, "description",
                            about, "security", "bearer", "apikey");
    json_t *components = member(doc, "components");
    set(components, "securitySchemes",
        json_pack("{s:{s:s, s:s}, s:{s:s, s:s, s:s}}", "bearer", "type", "http", "scheme", "bearer",
                  "apikey", "type", "apiKey", "in", "header", "name", "apikey"));
    for (size_t i = 0; i < schema_count; i++)
        put_schema(member(member(components, "schemas"), schema_table[i].name), &schema_table[i]);
    json_t *paths = member(doc, "paths");
    for (size_t i = 0; i < route_count; i++)
        put_route(paths, &route_table[i]);
    return doc;
}

void handle_openapi(struct api_request *rq)
{
    json_t *doc = document(rq->api);
    char *text = json_text(doc);
    api_answer(rq, 200, "application/json", NULL, text, strlen(text));
    free(text);
    json_decref(doc);
}
