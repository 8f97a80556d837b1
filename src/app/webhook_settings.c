/* In: the file's `webhooks`, the environment. Out: endpoints as the engine wants them. */
#include "app/webhook_settings.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "app/settings.h"
#include "base/mem.h"
#include "io/http_client.h"
#include "store/store_webhooks.h"

#define NAME_MAX_LEN ((size_t)40)
#define FILE_MAX     ((size_t)4096)
#define PREFIX       "SCRIPTORIUM_WEBHOOK_"
#define DEFAULT_NAME "default"

/* ---- the file ---- */

static bool is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n > 0 && n <= NAME_MAX_LEN && name[n] == '\0';
}

/* "completed" or "job.completed". */
static bool end_of(const char *event, unsigned *ret_bit)
{
    const char *name = strncmp(event, "job.", 4) == 0 ? event + 4 : event;
    for (int end = 0; end < STORE_END_MAX; end++) {
        if (strcmp(name, store_end_name((enum store_end)end)) == 0) {
            *ret_bit = 1u << end;
            return true;
        }
    }
    return false;
}

static enum err check(const struct webhook_setting *w, const char *where, struct errmsg *msg)
{
    unsigned bit;
    if (w->url == NULL || !http_url_ok(w->url))
        return err_set(msg, ERR_INVALID,
                       "%s: the url of webhook '%s' must be https:// or http://, a host, "
                       "perhaps a port, and a path",
                       where, w->name);
    for (size_t i = 0; i < w->events.n; i++) {
        if (!end_of(w->events.items[i], &bit))
            return err_set(msg, ERR_INVALID,
                           "%s: webhook '%s': no event '%.40s'; there are completed, failed, "
                           "cancelled, deleted",
                           where, w->name, w->events.items[i]);
    }
    return OK;
}

static enum err room(const struct webhook_settings *s, const char *where, struct errmsg *msg)
{
    if (s->n < STORE_ENDPOINT_MAX)
        return OK;
    return err_set(msg, ERR_INVALID, "%s: more than %d webhooks", where, STORE_ENDPOINT_MAX);
}

static enum err read_one(struct webhook_settings *s, const struct yaml *node, const char *file,
                         struct errmsg *msg)
{
    static const struct yaml_field fields[] = {
        {.name = "url",
         .type = YAML_F_STRING,
         .offset = offsetof(struct webhook_setting, url),
         .required = true},
        {.name = "secret",
         .type = YAML_F_STRING,
         .offset = offsetof(struct webhook_setting, secret)},
        {.name = "secret_file",
         .type = YAML_F_STRING,
         .offset = offsetof(struct webhook_setting, secret_file)},
        {.name = "events",
         .type = YAML_F_STRINGS,
         .offset = offsetof(struct webhook_setting, events)},
        {.name = NULL},
    };
    char *where = mem_printf("%s:%d", file, node->line);
    struct webhook_setting *w = &s->items[s->n];
    enum err e = room(s, where, msg);
    if (e == OK && !is_name(node->key))
        e = err_set(msg, ERR_INVALID,
                    "%s: a webhook's name is up to %zu letters, digits, '-' and '_'", where,
                    NAME_MAX_LEN);
    if (e == OK && node->kind != YAML_MAP)
        e = err_set(msg, ERR_INVALID, "%s: webhook '%s' holds url, secret, secret_file, events",
                    where, node->key);
    if (e == OK) {
        s->n++; /* freed with the others, whatever comes */
        w->name = mem_strdup(node->key);
        e = yaml_bind(node, file, fields, w, msg);
    }
    if (e == OK)
        e = check(w, where, msg);
    if (e == OK && w->secret != NULL && w->secret_file != NULL)
        e = err_set(msg, ERR_INVALID, "%s: webhook '%s' has a secret and a secret_file", where,
                    w->name);
    free(where);
    return e;
}

enum err webhook_settings_read(struct webhook_settings *s, const struct yaml *node,
                               const char *file, struct errmsg *msg)
{
    enum err e = OK;
    if (node == NULL || node->kind == YAML_NULL)
        return OK;
    if (node->kind != YAML_MAP)
        return err_set(msg, ERR_INVALID, "%s:%d: 'webhooks' holds a map: a name for each endpoint",
                       file, node->line);
    for (const struct yaml *c = node->child; e == OK && c != NULL; c = c->next)
        e = read_one(s, c, file, msg);
    return e;
}

/* ---- the environment ---- */

static void replace(char **text, const char *value)
{
    free(*text);
    *text = mem_strdup(value);
}

/* PREFIX and the variable's own part; NULL when it is unset or empty. */
static const char *variable(const char *(*env)(const char *name), const char *middle,
                            const char *end)
{
    char *name = mem_printf(PREFIX "%s%s", middle, end);
    for (char *c = name; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    const char *value = env(name);
    free(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

static void take_secret(struct webhook_setting *w, const char *secret, const char *file)
{
    if (secret == NULL && file == NULL)
        return;
    replace(&w->secret, secret);
    replace(&w->secret_file, secret == NULL ? file : NULL);
}

static struct webhook_setting *named(struct webhook_settings *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->items[i].name, name) == 0)
            return &s->items[i];
    }
    struct webhook_setting *w = &s->items[s->n++];
    w->name = mem_strdup(name);
    return w;
}

enum err webhook_settings_env(struct webhook_settings *s, const char *(*env)(const char *name),
                              struct errmsg *msg)
{
    static const struct yaml_field events = {.name = "events",
                                             .type = YAML_F_STRINGS,
                                             .offset = offsetof(struct webhook_setting, events)};
    for (size_t i = 0; i < s->n; i++) {
        struct webhook_setting *w = &s->items[i];
        char *middle = mem_printf("%s_", w->name);
        take_secret(w, variable(env, middle, "SECRET"), variable(env, middle, "SECRET_FILE"));
        free(middle);
    }
    const char *url = variable(env, "", "URL"), *list = variable(env, "", "EVENTS");
    if (url == NULL)
        return OK;
    enum err e = room(s, PREFIX "URL", msg);
    if (e != OK)
        return e;
    struct webhook_setting *w = named(s, DEFAULT_NAME);
    replace(&w->url, url);
    take_secret(w, variable(env, "", "SECRET"), variable(env, "", "SECRET_FILE"));
    if (list != NULL)
        e = yaml_bind_text(list, PREFIX "EVENTS", &events, w, msg);
    return e == OK ? check(w, PREFIX "URL", msg) : e;
}

void webhook_settings_free(struct webhook_settings *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct webhook_setting *w = &s->items[i];
        free(w->name);
        free(w->url);
        free(w->secret);
        free(w->secret_file);
        yaml_strings_free(&w->events);
    }
    s->n = 0;
}

/* ---- for the engine ---- */

static enum err read_secrets(const struct webhook_setting *w, struct webhook_secrets *ret,
                             struct errmsg *msg)
{
    struct errmsg why = {""};
    char *text = NULL;
    size_t n = 0;
    if (w->secret == NULL && w->secret_file == NULL)
        return err_set(msg, ERR_INVALID,
                       "webhook '%s' has no secret to sign with; make one with: echo "
                       "\"whsec_$(openssl rand -base64 32)\"",
                       w->name);
    enum err e = OK;
    if (w->secret_file != NULL)
        e = settings_read_file(w->secret_file, FILE_MAX, &text, &n, &why);
    if (e == OK)
        e = webhook_secrets_parse(text != NULL ? text : w->secret, ret, &why);
    free(text);
    return e == OK ? OK : err_set(msg, e, "webhook '%s': %s", w->name, why.text);
}

enum err webhook_settings_endpoints(const struct webhook_settings *s, struct webhook_endpoint *out,
                                    struct errmsg *msg)
{
    enum err e = OK;
    for (size_t i = 0; e == OK && i < s->n; i++) {
        const struct webhook_setting *w = &s->items[i];
        out[i] = (struct webhook_endpoint){.name = w->name, .url = w->url};
        for (size_t k = 0; k < w->events.n; k++) {
            unsigned bit = 0;
            (void)end_of(w->events.items[k], &bit);
            out[i].ends |= bit;
        }
        if (w->events.n == 0)
            out[i].ends = (1u << STORE_END_MAX) - 1;
        e = read_secrets(w, &out[i].secrets, msg);
    }
    return e;
}
