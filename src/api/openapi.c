/* In: the route table. Out: the OpenAPI 3.1 document. */
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/handlers.h"

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

static json_t *schema_of(const char *type)
{
    json_t *schema = json_object();
    bool uuid = strcmp(type, "uuid") == 0;
    set(schema, "type", json_string(uuid ? "string" : type));
    if (uuid)
        set(schema, "format", json_string("uuid"));
    return schema;
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
    for (const struct route_field *f = route->body; f->name != NULL; f++) {
        json_t *one = schema_of(f->type);
        set(one, "description", json_string(f->about));
        set(properties, f->name, one);
    }
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
                                           {"413", "Larger than 1 MiB"},
                                           {"500", "The database has failed"},
                                           {"503", "Not now; try again"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(texts[i][0], status) == 0)
            return texts[i][1];
    }
    return "";
}

static void put_answer(json_t *responses, const char *status, const char *type)
{
    json_t *answer = member(responses, status);
    set(answer, "description", json_string(status_text(status)));
    if (status[0] >= '4')
        set(member(member(answer, "content"), "application/json"), "schema",
            json_pack("{s:s}", "$ref", "#/components/schemas/Error"));
    else if (strcmp(status, "204") != 0)
        set(member(answer, "content"), type, json_object());
}

static void put_answers(json_t *operation, const struct route *route)
{
    json_t *responses = member(operation, "responses");
    const char *type = route->content_type != NULL ? route->content_type : "application/json";
    for (const char *at = route->answers; *at != '\0'; at += strspn(at, " ")) {
        char status[4] = "";
        size_t n = strcspn(at, " ");
        memcpy(status, at, n < sizeof status ? n : sizeof status - 1);
        at += n;
        put_answer(responses, status, type);
    }
    if (route->access != ROUTE_OPEN)
        put_answer(responses, "401", type);
    if (route->access == ROUTE_OPERATOR)
        put_answer(responses, "403", type);
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

static json_t *document(const struct api *api)
{
    json_t *doc =
        json_pack("{s:s, s:{s:s, s:s}, s:[{s:[]},{s:[]}]}", "openapi", "3.1.0", "info", "title",
                  "Scriptorium", "version", api->version, "security", "bearer", "apikey");
    json_t *components = member(doc, "components");
    set(components, "securitySchemes",
        json_pack("{s:{s:s, s:s}, s:{s:s, s:s, s:s}}", "bearer", "type", "http", "scheme", "bearer",
                  "apikey", "type", "apiKey", "in", "header", "name", "apikey"));
    set(components, "schemas",
        json_pack("{s:{s:s, s:[s], s:{s:{s:s}, s:{}}}}", "Error", "type", "object", "required",
                  "error", "properties", "error", "type", "string", "details"));
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
