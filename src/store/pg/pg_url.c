/* In: a database URL as people write it. Out: its parts, as libpq takes them. */
#include "store/pg/pg_url.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>

#define NAME_MAX_BYTES 63 /* of an application_name; the server cuts off what is longer */
#define HOW            "it looks like postgres://user:password@host:5432/database, special characters as %%40"
#define NOWHERE        "/nowhere" /* a folder of sockets */

static const char *find(const struct pg_url *u, const char *key)
{
    for (size_t i = 0; u->keys[i] != NULL; i++) {
        if (strcmp(u->keys[i], key) == 0)
            return u->values[i];
    }
    return NULL;
}

static void keep(struct pg_url *u, const PQconninfoOption *options)
{
    size_t n = 0;
    while (u->keys[n] != NULL)
        n++;
    for (const PQconninfoOption *o = options; o->keyword != NULL && n < PG_PARAMS_MAX; o++) {
        if (o->val == NULL || find(u, o->keyword) != NULL)
            continue;
        u->keys[n] = arena_strdup(&u->arena, o->keyword);
        u->values[n] = arena_strdup(&u->arena, o->val);
        n++;
    }
}

/* Part i of a comma-separated list; the only part serves for all. */
static void list_part(const char *list, size_t i, char *out, size_t size)
{
    bool single = strchr(list, ',') == NULL;
    for (size_t at = 0; at < i && !single; at++) {
        list += strcspn(list, ",");
        if (*list == ',')
            list++;
    }
    size_t n = strcspn(list, ",");
    (void)snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), list);
}

static bool is_address(const char *name)
{
    unsigned char out[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, out) == 1 || inet_pton(AF_INET6, name, out) == 1;
}

static enum err read_names(struct pg_url *u, struct errmsg *msg)
{
    const char *hosts = find(u, "host"), *ports = find(u, "port");
    size_t n = 1;
    if (hosts == NULL || hosts[0] == '\0' || find(u, "hostaddr") != NULL)
        return OK;
    for (const char *p = hosts; *p != '\0'; p++)
        n += *p == ',';
    if (n > PG_HOSTS_MAX)
        return err_set(msg, ERR_INVALID, "the database URL names %zu hosts; at most %d", n,
                       PG_HOSTS_MAX);
    bool look_up = false;
    for (size_t i = 0; i < n; i++) {
        struct pg_name *name = &u->names.items[i];
        list_part(hosts, i, name->name, sizeof name->name);
        list_part(ports == NULL ? "" : ports, i, name->port, sizeof name->port);
        name->as_is = name->name[0] == '/' || name->name[0] == '@' || name->name[0] == '\0' ||
                      is_address(name->name);
        look_up = look_up || !name->as_is;
    }
    u->names.n = look_up ? n : 0;
    return OK;
}

static void make_label(struct pg_url *u)
{
    const char *host = find(u, "host"), *port = find(u, "port"), *db = find(u, "dbname");
    if (host == NULL || host[0] == '\0')
        host = find(u, "hostaddr");
    if (db == NULL)
        db = find(u, "user");
    u->label = arena_printf(&u->arena, "%s:%s/%s", host != NULL ? host : "local",
                            port != NULL ? port : "5432", db != NULL ? db : "");
}

static void put(struct pg_params_out *out, const char *key, const char *value)
{
    size_t i = 0;
    while (out->keys[i] != NULL && strcmp(out->keys[i], key) != 0)
        i++;
    out->keys[i] = key;
    out->values[i] = value;
}

/* libpq quotes what it cannot read, be it a password: a name is all that is passed on. */
static enum err fail_unread(const char *why, struct errmsg *msg)
{
    static const char *const starts[] = {"invalid URI query parameter: \"",
                                         "invalid connection option \""};
    for (size_t i = 0; why != NULL && i < sizeof starts / sizeof *starts; i++) {
        size_t at = strlen(starts[i]);
        if (strncmp(why, starts[i], at) != 0)
            continue;
        size_t n = strspn(why + at, "abcdefghijklmnopqrstuvwxyz_");
        if (n > 0 && n < 40 && why[at + n] == '"')
            return err_set(msg, ERR_INVALID,
                           "the database URL has a parameter %.*s, and there is "
                           "none of that name",
                           (int)n, why + at);
    }
    return err_set(msg, ERR_INVALID, "the database URL cannot be read; " HOW);
}

/* Only libpq knows what its parameters may be, and says so before it connects: here to nowhere. */
static enum err check_values(const struct pg_url *u, struct errmsg *msg)
{
    struct pg_params_out out = {0};
    for (size_t i = 0; u->keys[i] != NULL; i++)
        put(&out, u->keys[i], u->values[i]);
    put(&out, "host", NOWHERE);
    put(&out, "hostaddr", "");
    put(&out, "port", "");
    put(&out, "password", "-"); /* not to be looked for in files */
    PGconn *pg = PQconnectStartParams(out.keys, out.values, 0);
    const char *why = pg != NULL ? PQerrorMessage(pg) : "";
    enum err e = OK;
    if (strncmp(why, "invalid ", strlen("invalid ")) == 0)
        e = err_set(msg, ERR_INVALID, "the database URL cannot be used: %.*s",
                    (int)strcspn(why, "\n"), why);
    PQfinish(pg);
    return e;
}

enum err pg_url_parse(const char *url, struct pg_url **ret_url, struct errmsg *msg)
{
    char *why = NULL;
    if (strlen(url) > PG_URL_MAX)
        return err_set(msg, ERR_INVALID, "the database URL is longer than %d bytes", PG_URL_MAX);
    PQconninfoOption *given = PQconninfoParse(url, &why);
    enum err e = OK;
    if (given == NULL)
        e = fail_unread(why, msg);
    PQfreemem(why);
    if (given == NULL)
        return e;
    struct pg_url *u = mem_alloc(sizeof *u);
    keep(u, given);
    PQconninfoFree(given);
    if (find(u, "service") == NULL && getenv("PGSERVICE") == NULL) {
        PQconninfoOption *defaults = PQconndefaults();
        if (defaults != NULL)
            keep(u, defaults);
        PQconninfoFree(defaults);
    }
    make_label(u);
    e = read_names(u, msg);
    if (e == OK)
        e = check_values(u, msg);
    if (e != OK) {
        pg_url_free(u);
        return e;
    }
    *ret_url = u;
    return OK;
}

void pg_url_free(struct pg_url *u)
{
    if (u == NULL)
        return;
    for (size_t i = 0; u->keys[i] != NULL; i++) {
        if (strcmp(u->keys[i], "password") == 0)
            explicit_bzero((char *)(uintptr_t)u->values[i], strlen(u->values[i]));
    }
    arena_free(&u->arena);
    free(u);
}

/* ---- what libpq gets ---- */

static void put_default(struct pg_params_out *out, const struct pg_url *u, const char *key,
                        const char *value)
{
    if (find(u, key) == NULL)
        put(out, key, value);
}

static void add(struct arena *a, const char **list, const char *item, bool first)
{
    *list = first ? item : arena_printf(a, "%s,%s", *list, item);
}

/* host, hostaddr and port with one part for each address. A host that was not found is left out. */
static void put_addresses(struct pg_params_out *out, const struct pg_url *u,
                          const struct pg_addresses *found, struct arena *a)
{
    const char *hosts = "", *addresses = "", *ports = "";
    bool first = true;
    for (size_t i = 0; i < u->names.n; i++) {
        const struct pg_name *name = &u->names.items[i];
        size_t n = name->as_is ? 1 : found->n[i];
        for (size_t k = 0; k < n; k++, first = false) {
            bool literal = name->as_is && is_address(name->name);
            add(a, &hosts, name->name, first);
            add(a, &addresses, name->as_is ? (literal ? name->name : "") : found->text[i][k],
                first);
            add(a, &ports, name->port, first);
        }
    }
    put(out, "host", hosts);
    put(out, "hostaddr", addresses);
    put(out, "port", ports);
}

void pg_url_params(const struct pg_url *u, const struct pg_addresses *found, const char *name,
                   const char *options, bool plain, struct arena *a, struct pg_params_out *ret)
{
    *ret = (struct pg_params_out){0};
    for (size_t i = 0; u->keys[i] != NULL; i++)
        put(ret, u->keys[i], u->values[i]);
    if (found != NULL)
        put_addresses(ret, u, found, a);
    put_default(ret, u, "application_name", name);
    put(ret, "client_encoding", "UTF8");
    put_default(ret, u, "keepalives_idle", "10");
    put_default(ret, u, "keepalives_interval", "5");
    put_default(ret, u, "keepalives_count", "3");
    put_default(ret, u, "tcp_user_timeout", "20000");
    if (!plain) {
        const char *theirs = find(u, "options");
        put(ret, "options", theirs == NULL ? options : arena_printf(a, "%s %s", options, theirs));
    }
}

void pg_url_add_part(struct pg_url *u, const char *name, const char *part)
{
    size_t i = 0;
    while (u->keys[i] != NULL && strcmp(u->keys[i], "application_name") != 0)
        i++;
    if (i == PG_PARAMS_MAX)
        return;
    size_t room = NAME_MAX_BYTES - 1 - strlen(part);
    const char *whole = u->keys[i] != NULL ? u->values[i] : name;
    u->keys[i] = "application_name";
    u->values[i] = arena_printf(&u->arena, "%.*s/%s", (int)room, whole, part);
}

void pg_url_override(struct pg_params_out *params, const char *key, const char *value)
{
    put(params, key, value);
}

const char *pg_url_user(const struct pg_url *u)
{
    return find(u, "user");
}
