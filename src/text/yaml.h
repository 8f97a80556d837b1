/* In: YAML text. Out: a tree with line numbers, and typed reading with errors that name file and
 * line. The one home of yaml.h (libyaml). */
#ifndef TEXT_YAML_H
#define TEXT_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum yaml_kind { YAML_NULL, YAML_TEXT, YAML_LIST, YAML_MAP, YAML_KIND_MAX };

/* libyaml has a function of this name inside; ours must not take its place at link time. */
#define yaml_free yaml_tree_free

struct yaml {
    enum yaml_kind kind;
    int line;           /* 1-based */
    char *key;          /* inside a map; else NULL */
    bool quoted;        /* a quoted scalar is text even when it reads like a number */
    char *text;         /* YAML_TEXT; NULL otherwise */
    struct yaml *child; /* first of a list or map */
    struct yaml *next;
};

#define YAML_SIZE_MAX  (1u << 20)
#define YAML_DEPTH_MAX 32

/* Refuses repeated keys, anchors, aliases, tags and several documents (ERR_INVALID), and what
 * passes the limits (ERR_TOO_BIG). `file` is for messages: "config.yaml:3: ...". Owned. An empty
 * document is an empty map. */
enum err yaml_parse(const char *text, size_t n, const char *file, struct yaml **ret_root,
                    struct errmsg *msg) MUST_CHECK;
void yaml_free(struct yaml *root);

const struct yaml *yaml_get(const struct yaml *map, const char *key); /* or NULL */

/* A table of members binds a map to a struct; members that are absent keep what the struct
 * holds. Unknown members, wrong types and values out of range are errors with file and line. */
enum yaml_type {
    YAML_F_STRING,   /* char *: owned, replaced */
    YAML_F_INT,      /* int64_t, min..max */
    YAML_F_DOUBLE,   /* double, min..max */
    YAML_F_BOOL,     /* bool: true, false, yes, no */
    YAML_F_DURATION, /* int64_t microseconds: 500ms, 10s, 5m, 2h, 1d */
    YAML_F_SIZE,     /* int64_t bytes: 10, 4KiB, 1MiB */
    YAML_F_MONEY,    /* int64_t micro-dollars: 0.25, 3 */
    YAML_F_STRINGS,  /* struct yaml_strings */
    YAML_F_ENUM,     /* int; `names` NULL-terminated */
    YAML_F_NODE,     /* const struct yaml *: borrowed, read by the caller */
    YAML_TYPE_MAX
};

struct yaml_strings {
    char **items; /* owned */
    size_t n;
};
void yaml_strings_free(struct yaml_strings *s);

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of reading a row */
struct yaml_field {
    const char *name;
    enum yaml_type type;
    size_t offset;
    bool required;
    int64_t min, max; /* numbers and durations; both 0 = no bound */
    const char *const *names;
};

/* `fields` ends with a NULL name. `file` as above. */
enum err yaml_bind(const struct yaml *map, const char *file, const struct yaml_field *fields,
                   void *target, struct errmsg *msg) MUST_CHECK;

/* The same conversions for a value that came from an option or the environment: "--name wants ...".
 */
enum err yaml_bind_text(const char *value, const char *where, const struct yaml_field *field,
                        void *target, struct errmsg *msg) MUST_CHECK;

#endif
