/* In: the file's `webhooks`, the environment. Out: endpoints as the engine wants them. */
#ifndef APP_WEBHOOK_SETTINGS_H
#define APP_WEBHOOK_SETTINGS_H

#include "engine/webhooks.h"
#include "text/yaml.h"
#include "store/store_webhooks.h"

struct webhook_setting { /* all owned */
    char *name, *url;
    char *secret, *secret_file; /* one of them, by then: the text, or where it is */
    struct yaml_strings events; /* empty: all */
};

struct webhook_settings {
    struct webhook_setting items[STORE_ENDPOINT_MAX];
    size_t n;
};

/* `node`: a map of names, or NULL. Errors name file and line. */
enum err webhook_settings_read(struct webhook_settings *s, const struct yaml *node,
                               const char *file, struct errmsg *msg) MUST_CHECK;
/* SCRIPTORIUM_WEBHOOK_URL, _SECRET, _SECRET_FILE, _EVENTS make or change the endpoint "default";
 * SCRIPTORIUM_WEBHOOK_NAME_SECRET and _SECRET_FILE give the secret of another one. */
enum err webhook_settings_env(struct webhook_settings *s, const char *(*env)(const char *name),
                              struct errmsg *msg) MUST_CHECK;
void webhook_settings_free(struct webhook_settings *s);

/* Reads the secrets' files. `out`: STORE_ENDPOINT_MAX of them, which borrow names and URLs. */
enum err webhook_settings_endpoints(const struct webhook_settings *s, struct webhook_endpoint *out,
                                    struct errmsg *msg) MUST_CHECK;

#endif
