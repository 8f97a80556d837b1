/* In: the model catalogue as YAML. Out: models by id or alias, and the price in force. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "job/date.h"
#include "job/price.h"
#include "text/yaml.h"

#define ID_MAX              100 /* bytes; it is a label of the metrics, too */
#define API_VERSION_DEFAULT "2023-06-01"
#define PRICE_MAX_UDOLLAR   ((int64_t)1000000 * 1000000) /* a million dollars per million tokens */

struct price_row {
    char *from;           /* "2026-10-01"; NULL = since ever */
    int64_t from_us;      /* its first microsecond, UTC */
    int64_t prompt_above; /* for prompts of more tokens than this */
    struct price price;
};

struct entry {
    struct model model; /* its strings are the owned ones below */
    char *id, *name, *rate_class, *api_version;
    bool allowed;
    struct yaml_strings aliases;
    struct price_row *prices;
    size_t n_prices;
    const struct yaml *prices_node; /* while reading */
};

struct catalog {
    char *fallback; /* "default:" */
    struct entry *entries;
    size_t n;
    const struct entry *by_default;
};

/* ---- looking up ---- */

static bool entry_named(const struct entry *e, const char *name)
{
    if (e->id != NULL && strcmp(e->id, name) == 0)
        return true;
    for (size_t i = 0; i < e->aliases.n; i++)
        if (strcmp(e->aliases.items[i], name) == 0)
            return true;
    return false;
}

static const struct entry *find_entry(const struct catalog *c, const char *name)
{
    for (size_t i = 0; name != NULL && i < c->n; i++)
        if (entry_named(&c->entries[i], name))
            return &c->entries[i];
    return NULL;
}

const struct model *catalog_model(const struct catalog *c, const char *id_or_alias)
{
    const struct entry *e = find_entry(c, id_or_alias);
    return e != NULL && e->allowed ? &e->model : NULL;
}

const struct model *catalog_default(const struct catalog *c)
{
    return &c->by_default->model;
}

const struct model *catalog_at(const struct catalog *c, size_t i)
{
    for (size_t k = 0; k < c->n; k++)
        if (c->entries[k].allowed && i-- == 0)
            return &c->entries[k].model;
    return NULL;
}

/* The newest date that has come decides; of its bands, the highest that the prompt passes. */
static const struct price_row *find_price(const struct entry *e, int64_t wall_us,
                                          int64_t prompt_tokens)
{
    const struct price_row *best = NULL;
    for (size_t i = 0; i < e->n_prices; i++) {
        const struct price_row *r = &e->prices[i];
        bool base = r->prompt_above == 0;
        if (r->from_us > wall_us || (!base && prompt_tokens <= r->prompt_above))
            continue;
        if (best == NULL || r->from_us > best->from_us ||
            (r->from_us == best->from_us && r->prompt_above > best->prompt_above))
            best = r;
    }
    return best;
}

enum err catalog_price(const struct catalog *c, const char *model_id, int64_t wall_us,
                       int64_t prompt_tokens, struct price *ret_price)
{
    const struct entry *e = find_entry(c, model_id);
    const struct price_row *r = e != NULL ? find_price(e, wall_us, prompt_tokens) : NULL;
    if (r == NULL)
        return ERR_NOT_FOUND;
    *ret_price = r->price;
    return OK;
}

/* ---- reading ---- */

struct reader {
    const char *file;
    struct errmsg *msg;
};

static enum err complain(const struct reader *r, const struct yaml *at, const char *what,
                         const char *which)
{
    return err_set(r->msg, ERR_INVALID, "%s:%d: %s%s", r->file, at->line, what, which);
}

static bool read_digits(const char *s, size_t n, int *ret)
{
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        value = value * 10 + (s[i] - '0');
    }
    *ret = value;
    return true;
}

static bool read_date(const char *s, int64_t *ret_us)
{
    struct date d = {.year = 0};
    if (strlen(s) != 10 || s[4] != '-' || s[7] != '-' || !read_digits(s, 4, &d.year) ||
        !read_digits(s + 5, 2, &d.month) || !read_digits(s + 8, 2, &d.day) || !date_valid(&d))
        return false;
    *ret_us = date_wall_us(&d);
    return true;
}

/* Writing to the cache costs 1.25 times the input for 5 minutes and twice for an hour, reading
 * from it nothing less than the input, unless the table says so. */
static void complete_price(struct price *p)
{
    if (p->cache_read < 0)
        p->cache_read = p->input;
    if (p->cache_write_5m < 0)
        p->cache_write_5m = (p->input * 5 + 2) / 4;
    if (p->cache_write_1h < 0)
        p->cache_write_1h = p->input * 2;
}

#define PRICE_FIELD(member, must)                                                                  \
    {                                                                                              \
#member, YAML_F_MONEY, offsetof(struct price_row, price.member), must, 0,                  \
            PRICE_MAX_UDOLLAR, NULL                                                                \
    }

static enum err read_price(const struct reader *r, const struct yaml *node, struct price_row *row)
{
    static const struct yaml_field fields[] = {
        {"from", YAML_F_STRING, offsetof(struct price_row, from), false, 0, 0, NULL},
        {"prompt_above", YAML_F_INT, offsetof(struct price_row, prompt_above), false, 0, INT64_MAX,
         NULL},
        PRICE_FIELD(input, true),
        PRICE_FIELD(output, true),
        PRICE_FIELD(cache_read, false),
        PRICE_FIELD(cache_write_5m, false),
        PRICE_FIELD(cache_write_1h, false),
        {NULL},
    };
    row->from_us = INT64_MIN;
    row->price.cache_read = row->price.cache_write_5m = row->price.cache_write_1h = -1;
    enum err e = yaml_bind(node, r->file, fields, row, r->msg);
    if (e != OK)
        return e;
    if (row->from != NULL && !read_date(row->from, &row->from_us))
        return complain(r, node, "from is not a date like 2026-10-31: ", row->from);
    complete_price(&row->price);
    return OK;
}

static size_t count_children(const struct yaml *list)
{
    size_t n = 0;
    for (const struct yaml *y = list->child; y != NULL; y = y->next)
        n++;
    return n;
}

/* Each date needs its price for short prompts, once. */
static enum err check_prices(const struct reader *r, const struct yaml *list, const struct entry *e)
{
    for (size_t i = 0; i < e->n_prices; i++) {
        bool base = false;
        for (size_t k = 0; k < e->n_prices; k++) {
            if (e->prices[k].from_us != e->prices[i].from_us)
                continue;
            if (k != i && e->prices[k].prompt_above == e->prices[i].prompt_above)
                return complain(r, list, "two prices with the same from and prompt_above: ", e->id);
            base = base || e->prices[k].prompt_above == 0;
        }
        if (!base)
            return complain(r, list, "a price needs one without prompt_above beside it: ", e->id);
    }
    return OK;
}

static enum err read_prices(const struct reader *r, const struct yaml *list, struct entry *e)
{
    if (list->kind != YAML_LIST || list->child == NULL)
        return complain(r, list, "prices must be a list of at least one", "");
    e->prices = mem_array(count_children(list), sizeof *e->prices);
    for (const struct yaml *y = list->child; y != NULL; y = y->next) {
        enum err err = read_price(r, y, &e->prices[e->n_prices++]);
        if (err != OK)
            return err;
    }
    return check_prices(r, list, e);
}

#define ENTRY_FIELD(name, type, member, must, min)                                                 \
    {                                                                                              \
        name, type, offsetof(struct entry, member), must, min, (min) > 0 ? INT64_MAX : 0, NULL     \
    }

static enum err bind_entry(const struct reader *r, const struct yaml *node, struct entry *e)
{
    static const struct yaml_field fields[] = {
        ENTRY_FIELD("id", YAML_F_STRING, id, true, 0),
        ENTRY_FIELD("name", YAML_F_STRING, name, false, 0),
        ENTRY_FIELD("aliases", YAML_F_STRINGS, aliases, false, 0),
        ENTRY_FIELD("allowed", YAML_F_BOOL, allowed, false, 0),
        ENTRY_FIELD("rate_class", YAML_F_STRING, rate_class, false, 0),
        ENTRY_FIELD("api_version", YAML_F_STRING, api_version, false, 0),
        ENTRY_FIELD("sampling", YAML_F_BOOL, model.sampling, false, 0),
        ENTRY_FIELD("schema", YAML_F_BOOL, model.schema, false, 0),
        ENTRY_FIELD("context_tokens", YAML_F_INT, model.context_tokens, true, 1),
        ENTRY_FIELD("max_output_tokens", YAML_F_INT, model.max_output_tokens, true, 1),
        ENTRY_FIELD("prices", YAML_F_NODE, prices_node, true, 0),
        {NULL},
    };
    e->allowed = true;
    return yaml_bind(node, r->file, fields, e, r->msg);
}

/* What may be left out: a model of its own rate class, on the API version every model takes. */
static void complete_model(struct entry *e)
{
    e->model.id = e->id;
    e->model.name = e->name != NULL ? e->name : e->id;
    e->model.rate_class = e->rate_class != NULL ? e->rate_class : e->id;
    e->model.api_version = e->api_version != NULL ? e->api_version : API_VERSION_DEFAULT;
}

static enum err check_names(const struct reader *r, const struct yaml *node,
                            const struct catalog *c, const struct entry *e)
{
    if (*e->id == '\0')
        return complain(r, node, "id is empty", "");
    if (strlen(e->id) > ID_MAX || (e->rate_class != NULL && strlen(e->rate_class) > ID_MAX))
        return complain(r, node, "an id or rate_class has 100 bytes at most: ", e->id);
    for (const struct entry *other = c->entries; other < e; other++) {
        if (entry_named(other, e->id))
            return complain(r, node, "this id or alias is taken: ", e->id);
        for (size_t i = 0; i < e->aliases.n; i++)
            if (entry_named(other, e->aliases.items[i]))
                return complain(r, node, "this id or alias is taken: ", e->aliases.items[i]);
    }
    return OK;
}

static enum err read_entry(const struct reader *r, const struct yaml *node, struct catalog *c)
{
    struct entry *e = &c->entries[c->n++];
    enum err err = bind_entry(r, node, e);
    if (err == OK)
        err = check_names(r, node, c, e);
    if (err == OK)
        err = read_prices(r, e->prices_node, e);
    if (err == OK)
        complete_model(e);
    e->prices_node = NULL; /* borrowed from the tree */
    return err;
}

static enum err read_catalog(const struct reader *r, const struct yaml *root, struct catalog *c)
{
    struct head {
        char *fallback;
        const struct yaml *models;
    } head = {NULL, NULL};
    static const struct yaml_field fields[] = {
        {"default", YAML_F_STRING, offsetof(struct head, fallback), true, 0, 0, NULL},
        {"models", YAML_F_NODE, offsetof(struct head, models), true, 0, 0, NULL},
        {NULL},
    };
    enum err e = yaml_bind(root, r->file, fields, &head, r->msg);
    c->fallback = head.fallback;
    if (e != OK)
        return e;
    if (head.models->kind != YAML_LIST)
        return complain(r, head.models, "models must be a list", "");
    c->entries = mem_array(count_children(head.models), sizeof *c->entries);
    for (const struct yaml *y = head.models->child; y != NULL; y = y->next)
        if ((e = read_entry(r, y, c)) != OK)
            return e;
    c->by_default = find_entry(c, c->fallback);
    if (c->by_default == NULL || !c->by_default->allowed)
        return complain(r, root, "default names no model that is allowed: ", c->fallback);
    return OK;
}

enum err catalog_parse(const char *yaml, size_t n, const char *file, struct catalog **ret_catalog,
                       struct errmsg *msg)
{
    const struct reader r = {file, msg};
    struct catalog *c = NULL;
    struct yaml *root = NULL;
    enum err e = yaml_parse(yaml, n, file, &root, msg);
    if (e != OK)
        goto out;
    c = mem_alloc(sizeof *c);
    e = read_catalog(&r, root, c);
    if (e != OK)
        goto out;
    *ret_catalog = c;
    c = NULL;
out:
    catalog_free(c);
    yaml_free(root);
    return e;
}

static void entry_clear(struct entry *e)
{
    for (size_t i = 0; i < e->n_prices; i++)
        free(e->prices[i].from);
    free(e->prices);
    free(e->id);
    free(e->name);
    free(e->rate_class);
    free(e->api_version);
    yaml_strings_free(&e->aliases);
}

void catalog_free(struct catalog *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n; i++)
        entry_clear(&c->entries[i]);
    free(c->entries);
    free(c->fallback);
    free(c);
}

enum err catalog_check_model(const struct catalog *catalog, const char *where, const char *name,
                             struct errmsg *msg)
{
    if (name == NULL || catalog_model(catalog, name) != NULL)
        return OK;
    struct buf known = BUF_INIT(256);
    for (size_t i = 0; catalog_at(catalog, i) != NULL; i++)
        if (catalog_model(catalog, catalog_at(catalog, i)->id) != NULL &&
            buf_addf(&known, "%s%s", i > 0 ? ", " : "", catalog_at(catalog, i)->id) != OK)
            break;
    enum err e = err_set(msg, ERR_INVALID,
                         "%s: \"%.100s\" is not a model that may be used; choose one of: %s", where,
                         name, buf_str(&known));
    buf_free(&known);
    return e;
}
