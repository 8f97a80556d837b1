/* In: JSON of any shape and a table. Out: the canonical object that the table describes. */
#include "job/shape.h"

#include <stdlib.h>
#include <string.h>

#include "job/shape_name.h"
#include "job/shape_text.h"
#include "job/shape_value.h"

#define LAYERS_MAX 16
#define UNWRAP_MAX 4 /* objects inside objects, JSON texts inside JSON texts */

/* Objects that describe the same thing, the strongest first; copies of ours. */
struct layers {
    json_t *at[LAYERS_MAX];
    size_t n;
};

static enum err convert(const struct shape *shape, const json_t *value, json_t **ret,
                        struct errmsg *msg);

static void layers_free(struct layers *l)
{
    for (size_t i = 0; i < l->n; i++)
        json_decref(l->at[i]);
}

/* The members of `object` named `names` that are objects move into layers of their own. */
static void add_layers(struct layers *l, const json_t *value, const struct shape *shape, int depth);

static void add_wrapped(struct layers *l, json_t *object, const char *names,
                        const struct shape *shape, int depth)
{
    struct shape_name name;
    while (shape_next_name(&names, &name)) {
        const json_t *inner = shape_find(object, &name);
        json_t *opened = shape_open_text(inner);
        if (json_is_object(opened)) {
            shape_remove(object, &name);
            add_layers(l, opened, shape, depth + 1);
        }
        json_decref(opened);
    }
}

static void add_layers(struct layers *l, const json_t *value, const struct shape *shape, int depth)
{
    json_t *opened = shape_open_text(value);
    if (json_is_object(opened) && l->n < LAYERS_MAX && depth <= UNWRAP_MAX) {
        json_t *object = json_copy(opened);
        l->at[l->n++] = object;
        add_wrapped(l, object, shape->to, shape, depth);
        add_wrapped(l, object, shape->from, shape, depth);
        add_wrapped(l, object, shape->inside, shape, depth);
    }
    json_decref(opened);
}

/* ---- members ---- */

/* Looks under all names of one member in one layer, until one gives a value. */
static enum err read_from(const struct shape *shape, const char *names, const json_t *layer,
                          json_t **value, struct errmsg *msg)
{
    struct shape_name name;
    enum err e = OK;
    while (e == OK && shape_next_name(&names, &name)) {
        bool more = *value == NULL || (shape->kind == SHAPE_ANY && !json_is_true(*value));
        const json_t *found = more ? shape_find(layer, &name) : NULL;
        json_t *made = NULL;
        if (found == NULL)
            continue;
        if (name.equals_len > 0)
            made = json_boolean(shape_text_is(found, name.equals, name.equals_len));
        else
            e = convert(shape, found, &made, msg);
        if (made != NULL) {
            json_decref(*value);
            *value = made;
        }
    }
    return e;
}

static enum err read_member(const struct shape *shape, const struct layers *layers, json_t *out,
                            struct errmsg *msg)
{
    json_t *value = NULL;
    enum err e = OK;
    for (size_t i = 0; i < layers->n && e == OK; i++) {
        e = read_from(shape, shape->to, layers->at[i], &value, msg);
        if (e == OK)
            e = read_from(shape, shape->from, layers->at[i], &value, msg);
    }
    if (e == OK && value != NULL)
        json_object_set(out, shape->to, value);
    json_decref(value);
    return e;
}

static void remove_names(json_t *object, const char *names)
{
    struct shape_name name;
    while (shape_next_name(&names, &name))
        shape_remove(object, &name);
}

/* Known members in the table's order, then all that the table does not know. */
static enum err read_members(const struct shape *members, struct layers *layers, json_t **ret,
                             struct errmsg *msg)
{
    json_t *out = json_object();
    enum err e = OK;
    for (const struct shape *m = members; m->to != NULL && e == OK; m++)
        e = read_member(m, layers, out, msg);
    for (size_t i = 0; i < layers->n && e == OK; i++) {
        for (const struct shape *m = members; m->to != NULL; m++) {
            remove_names(layers->at[i], m->to);
            remove_names(layers->at[i], m->from);
        }
        json_object_update_missing(out, layers->at[i]);
    }
    if (e != OK) {
        json_decref(out);
        return e;
    }
    *ret = out;
    return OK;
}

static bool has_needed(const struct shape *shape, const json_t *object)
{
    const char *names = shape->needs;
    struct shape_name name;
    if (names == NULL)
        return json_object_size(object) > 0;
    while (shape_next_name(&names, &name)) {
        if (shape_find(object, &name) != NULL)
            return true;
    }
    return false;
}

/* ---- objects and lists ---- */

/* A value that is no object, put where the table wants it. New reference or NULL. */
static json_t *as_object(const struct shape *shape, json_t *value)
{
    const char *to =
        json_is_array(value) && shape->list_to != NULL ? shape->list_to : shape->text_to;
    if (json_is_object(value))
        return json_incref(value);
    if (to == NULL || json_is_null(value) || json_is_boolean(value))
        return NULL;
    json_t *object = json_object();
    json_object_set(object, to, value);
    return object;
}

static enum err to_object(const struct shape *shape, const json_t *value, json_t **ret,
                          struct errmsg *msg)
{
    struct layers layers = {.n = 0};
    json_t *made = NULL, *opened = shape_open_text(value), *object = as_object(shape, opened);
    json_decref(opened);
    if (object == NULL)
        return OK;
    add_layers(&layers, object, shape, 0);
    enum err e = read_members(shape->members, &layers, &made, msg);
    if (e == OK && has_needed(shape, made))
        *ret = json_incref(made);
    json_decref(made);
    layers_free(&layers);
    json_decref(object);
    return e;
}

/* {"0": {...}, "1": {...}}: a list that lost its brackets. */
static bool holds_objects_only(const json_t *object)
{
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    if (at == NULL)
        return false;
    for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        if (!json_is_object(json_object_iter_value(at)))
            return false;
    }
    return true;
}

static json_t *find_list(const struct shape *shape, const json_t *value, int depth);

static json_t *list_inside(const struct shape *shape, const json_t *object, const char *names,
                           int depth)
{
    struct shape_name name;
    while (shape_next_name(&names, &name)) {
        json_t *opened = shape_open_text(shape_find(object, &name));
        json_t *list = json_is_array(opened) || json_is_object(opened)
                           ? find_list(shape, opened, depth + 1)
                           : NULL;
        json_decref(opened);
        if (list != NULL)
            return list;
    }
    return NULL;
}

/* The elements, whatever they are wrapped in. New reference, or NULL. */
static json_t *find_list(const struct shape *shape, const json_t *value, int depth)
{
    json_t *opened = shape_open_text(value), *list = NULL;
    if (json_is_array(opened)) {
        list = json_incref(opened);
    } else if (json_is_string(opened)) {
        list = shape_split(opened, false);
    } else if (json_is_object(opened) && depth <= UNWRAP_MAX) {
        const char *const names[] = {shape->to, shape->from, shape->inside};
        for (size_t i = 0; i < 3 && list == NULL; i++)
            list = list_inside(shape, opened, names[i], depth);
        bool map = list == NULL && holds_objects_only(opened);
        if (list == NULL) {
            const char *key;
            json_t *element;
            list = json_array();
            if (!map)
                json_array_append(list, opened);
            json_object_foreach (opened, key, element) {
                if (map)
                    json_array_append(list, element);
            }
        }
    }
    json_decref(opened);
    return list;
}

static enum err add_element(const struct shape *shape, const json_t *element, json_t *out,
                            struct errmsg *msg)
{
    json_t *made = NULL;
    enum err e = to_object(shape, element, &made, msg);
    if (made != NULL)
        json_array_append_new(out, made);
    return e;
}

static enum err to_list(const struct shape *shape, const json_t *value, json_t **ret,
                        struct errmsg *msg)
{
    json_t *list = find_list(shape, value, 0), *out = json_array();
    size_t n = json_array_size(list);
    enum err e = OK;
    if (n > SHAPE_LIST_MAX)
        e = err_set(msg, ERR_INVALID, "%s: %zu elements; at most %d are taken", shape->to, n,
                    SHAPE_LIST_MAX);
    for (size_t i = 0; i < n && e == OK; i++)
        e = add_element(shape, json_array_get(list, i), out, msg);
    if (e == OK && json_array_size(out) > 0)
        *ret = json_incref(out);
    json_decref(out);
    json_decref(list);
    return e;
}

static enum err convert(const struct shape *shape, const json_t *value, json_t **ret,
                        struct errmsg *msg)
{
    struct errmsg why = {""};
    enum err e;
    if (shape->kind == SHAPE_OBJECT)
        return to_object(shape, value, ret, msg);
    if (shape->kind == SHAPE_LIST)
        return to_list(shape, value, ret, msg);
    e = shape_value(shape, value, ret, &why);
    if (e == OK || (e == ERR_INVALID && !shape->strict))
        return OK;
    return err_set(msg, ERR_INVALID, "%s: %s", shape->to, why.text);
}

enum err shape_read(const struct shape *members, const char *inside, const json_t *const *values,
                    size_t n, json_t **ret_object, struct errmsg *msg)
{
    struct shape top = {.to = "", .inside = inside, .kind = SHAPE_OBJECT};
    struct layers layers = {.n = 0};
    for (size_t i = 0; i < n; i++)
        add_layers(&layers, values[i], &top, 0);
    enum err e = read_members(members, &layers, ret_object, msg);
    layers_free(&layers);
    return e;
}
