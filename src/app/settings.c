/* In: options, environment, a configuration file, defaults. Out: struct settings. */
#include "app/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/webhook_settings.h"
#include "base/buf.h"
#include "base/mem.h"

#define SECRET_MAX ((size_t)64 * 1024)
#define NAME_SIZE  64

enum err settings_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len,
                            struct errmsg *msg)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(msg, errno == ENOENT ? ERR_NOT_FOUND : ERR_PERMISSION, "%s: %s", path,
                       strerror(errno));
    enum err e = OK;
    struct buf text = BUF_INIT(max);
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size > max)
        e = ERR_TOO_BIG;
    while (e == OK) {
        char chunk[16384];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            e = err_set(msg, ERR_IO, "%s: %s", path, strerror(errno));
        if (n <= 0)
            break;
        e = buf_add(&text, chunk, (size_t)n);
    }
    if (!standard)
        (void)close(fd);
    if (e == ERR_TOO_BIG)
        (void)err_set(msg, e, "%s: larger than %zu bytes, the most that is read from it", path,
                      max);
    if (e == OK) {
        *ret_len = text.len;
        *ret_text = buf_take(&text);
    }
    buf_free(&text);
    return e;
}

/* "log-level" is the file's "log_level"; a group's members lose the group's name. */
static void member_name(const struct setting *s, char out[NAME_SIZE])
{
    const char *dot = strchr(s->name, '.');
    const char *name = dot != NULL ? dot + 1 : s->name;
    size_t i = 0;
    for (; i < NAME_SIZE - 1 && name[i] != '\0'; i++)
        out[i] = name[i] == '-' ? '_' : name[i];
    out[i] = '\0';
}

static bool in_group(const struct setting *s, const char *group)
{
    const char *dot = strchr(s->name, '.');
    if (group == NULL || dot == NULL)
        return group == NULL && dot == NULL;
    size_t n = (size_t)(dot - s->name);
    return strlen(group) == n && strncmp(s->name, group, n) == 0;
}

/* Binds the members of one map of the file: the top level (group NULL), or a group's. */
static enum err bind_map(struct settings *s, const struct yaml *map, const char *file,
                         const char *group, struct errmsg *msg)
{
    struct yaml_field fields[SET_MAX + 16];
    char names[SET_MAX][NAME_SIZE];
    size_t n = 0;
    memset(fields, 0, sizeof fields);
    for (int i = 0; i < SET_MAX; i++) {
        const struct setting *set = &setting_table[i];
        if ((set->from & FROM_FILE) == 0 || !in_group(set, group))
            continue;
        member_name(set, names[i]);
        fields[n] = set->field;
        fields[n++].name = names[i];
    }
    /* The groups are bound on their own; here they only have to be known. */
    for (size_t g = 0; group == NULL && setting_groups[g] != NULL; g++)
        fields[n++] = (struct yaml_field){.name = setting_groups[g],
                                          .type = YAML_F_NODE,
                                          .offset = offsetof(struct settings, group_node)};
    if (group == NULL)
        fields[n++] = (struct yaml_field){.name = "webhooks",
                                          .type = YAML_F_NODE,
                                          .offset = offsetof(struct settings, group_node)};
    return yaml_bind(map, file, fields, s, msg);
}

static enum err load_file(struct settings *s, const char *path, struct errmsg *msg)
{
    char *text = NULL;
    size_t n = 0;
    struct yaml *root = NULL;
    enum err e = settings_read_file(path, YAML_SIZE_MAX, &text, &n, msg);
    if (e == OK)
        e = yaml_parse(text, n, path, &root, msg);
    if (e == OK && root->kind != YAML_MAP)
        e = err_set(msg, ERR_INVALID, "%s:%d: expected 'name: value' lines", path, root->line);
    if (e == OK)
        e = bind_map(s, root, path, NULL, msg);
    for (size_t g = 0; e == OK && setting_groups[g] != NULL; g++) {
        const struct yaml *group = yaml_get(root, setting_groups[g]);
        if (group != NULL && group->kind != YAML_MAP)
            e = err_set(msg, ERR_INVALID, "%s:%d: '%s' holds 'name: value' lines", path,
                        group->line, setting_groups[g]);
        else if (group != NULL)
            e = bind_map(s, group, path, setting_groups[g], msg);
    }
    if (e == OK)
        e = webhook_settings_read(s->webhooks, yaml_get(root, "webhooks"), path, msg);
    s->group_node = NULL;
    yaml_free(root);
    free(text);
    return e;
}

static enum err load_text(struct settings *s, enum setting_id id, const char *value,
                          const char *where, struct errmsg *msg)
{
    return yaml_bind_text(value, where, &setting_table[id].field, s, msg);
}

bool setting_in_file(const struct setting *s)
{
    return s->secret || s->password;
}

/* NAME_FILE: the secret is the file's content without its last line break. Nothing at all is no
 * secret: without this, a key that was never written would be as if none were configured. */
static enum err load_secret_file(struct settings *s, enum setting_id id, const char *path,
                                 const char *where, struct errmsg *msg)
{
    char *text = NULL;
    size_t n = 0;
    struct errmsg why = {""};
    enum err e = settings_read_file(path, SECRET_MAX, &text, &n, &why);
    if (e != OK)
        return err_set(msg, ERR_INVALID, "%s: %s", where, why.text);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = '\0';
    if (n == 0 || strlen(text) != n)
        e = err_set(msg, ERR_INVALID, "%s: %s %s", where, path,
                    n == 0 ? "is empty" : "is no text: it holds a NUL byte");
    else
        e = load_text(s, id, text, where, msg);
    if (n > 0)
        explicit_bzero(text, n);
    free(text);
    return e;
}

static enum err load_env(struct settings *s, enum setting_id id, env_fn env, struct errmsg *msg)
{
    const struct setting *set = &setting_table[id];
    for (size_t i = 0; set->env[i] != NULL; i++) {
        const char *value = env(set->env[i]);
        if (value != NULL && value[0] != '\0')
            return load_text(s, id, value, set->env[i], msg);
        char file_name[NAME_SIZE + 8];
        struct buf b = BUF_INIT(sizeof file_name - 1);
        buf_putf(&b, "%s_FILE", set->env[i]);
        const char *path = setting_in_file(set) ? env(buf_str(&b)) : NULL;
        enum err e = OK;
        if (path != NULL && path[0] != '\0')
            e = load_secret_file(s, id, path, buf_str(&b), msg);
        buf_free(&b);
        if (path != NULL && path[0] != '\0')
            return e;
    }
    return OK;
}

static enum err load_defaults(struct settings *s, struct errmsg *msg)
{
    for (int i = 0; i < SET_MAX; i++) {
        enum err e = OK;
        if (setting_table[i].fallback != NULL)
            e = load_text(s, (enum setting_id)i, setting_table[i].fallback, setting_table[i].name,
                          msg);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err load_option(struct settings *s, enum setting_id id, const char *value,
                            struct errmsg *msg)
{
    char where[NAME_SIZE + 2] = "--";
    (void)strncat(where, setting_table[id].name, NAME_SIZE - 1);
    return load_text(s, id, value, where, msg);
}

enum err settings_load(struct settings *s, const char *const options[SET_MAX], env_fn env,
                       struct errmsg *msg)
{
    s->webhooks = mem_alloc(sizeof *s->webhooks);
    enum err e = load_defaults(s, msg);
    /* The file's own name comes first: the file is the weakest of what follows. */
    if (e == OK)
        e = load_env(s, SET_CONFIG, env, msg);
    if (e == OK && options[SET_CONFIG] != NULL)
        e = load_option(s, SET_CONFIG, options[SET_CONFIG], msg);
    if (e == OK && s->config != NULL)
        e = load_file(s, s->config, msg);
    for (int i = 0; e == OK && i < SET_MAX; i++) {
        if (options[i] != NULL)
            e = load_option(s, (enum setting_id)i, options[i], msg);
        else if (i != SET_CONFIG)
            e = load_env(s, (enum setting_id)i, env, msg);
    }
    return e == OK ? webhook_settings_env(s->webhooks, env, msg) : e;
}

void settings_free(struct settings *s)
{
    if (s->webhooks != NULL)
        webhook_settings_free(s->webhooks);
    free(s->webhooks);
    s->webhooks = NULL;
    for (int i = 0; i < SET_MAX; i++) {
        const struct yaml_field *f = &setting_table[i].field;
        if (f->type == YAML_F_STRING) {
            char **text = (char **)(void *)((char *)s + f->offset);
            free(*text);
            *text = NULL;
        }
    }
}
