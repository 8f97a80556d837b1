/* In: pipelines that were deployed. Out: their versions, each stored once, one of them active. */
#include "store/sqlite/sqlite.h"

static const char sql_active[] = "SELECT CAST(value AS INTEGER) FROM scriptorium_setting"
                                 " WHERE key = 'deployment' AND CAST(value AS INTEGER) > 0";

/* One number, or what *io_value was. */
static enum err read_number(struct db *db, struct query *q, int64_t *io_value)
{
    if (query_next(q)) {
        *io_value = query_get_int(q, 0);
        query_end(q);
    }
    return db_error(db);
}

static enum err read_active(struct sqlite_store *s, int64_t *ret_version)
{
    *ret_version = 0;
    return read_number(s->db, db_query(s->db, sql_active), ret_version);
}

enum err sqlite_deployment_active(struct sqlite_store *s, struct store_op *op)
{
    int64_t active;
    enum err e = read_active(s, &active);
    op->result.version = (int)active;
    return e;
}

static enum err activate(struct sqlite_store *s, struct store_op *op, int64_t version)
{
    struct query *q = db_query(s->db, "INSERT OR REPLACE INTO scriptorium_setting (key, value)"
                                      " VALUES ('deployment', CAST(? AS TEXT))");
    query_int(q, version);
    op->changed = true;
    op->result.version = (int)version;
    return query_run(q);
}

/* ---- a version more ---- */

static const char sql_add[] = "INSERT INTO scriptorium_deployment"
                              " (hash, name, content, made_at, made_by, program, note, replaced)"
                              " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING version";

static enum err add(struct sqlite_store *s, struct store_op *op, int64_t active, int64_t *ret)
{
    const struct store_deployment *d = &op->in.deployment;
    struct query *q = db_query(s->db, sql_add);
    query_text(q, d->hash);
    query_text(q, d->name);
    query_text(q, d->content);
    query_int(q, op->now_us);
    query_text(q, d->by);
    query_text(q, d->program);
    query_text(q, d->note);
    query_int(q, active);
    if (!query_next(q))
        return db_error(s->db);
    *ret = query_get_int(q, 0);
    return query_run(q);
}

enum err sqlite_deployment_add(struct sqlite_store *s, struct store_op *op)
{
    int64_t active = 0, version = 0;
    enum err e = read_active(s, &active);
    struct query *q = db_query(s->db, "SELECT version FROM scriptorium_deployment WHERE hash = ?");
    query_text(q, op->in.deployment.hash);
    if (e == OK)
        e = read_number(s->db, q, &version);
    if (e == OK && version == 0) {
        op->result.count = 1;
        e = add(s, op, active, &version);
    } else if (e == OK && version != active) {
        q = db_query(s->db, "UPDATE scriptorium_deployment SET replaced = ? WHERE version = ?");
        query_int(q, active);
        query_int(q, version);
        e = query_run(q);
    }
    return e == OK ? activate(s, op, version) : e;
}

/* ---- the versions there are ---- */

#define ROW "version, hash, name, made_at, made_by, program, note, replaced"
static const char sql_list[] =
    "SELECT " ROW ", NULL FROM scriptorium_deployment ORDER BY version DESC LIMIT ?";
static const char sql_get[] =
    "SELECT " ROW ", content FROM scriptorium_deployment WHERE version = ?";

static enum err read_all(struct sqlite_store *s, struct store_op *op, struct query *q, size_t max)
{
    struct arena *a = &op->arena;
    struct store_deployment *all = arena_array(a, max, sizeof *all);
    int64_t active;
    size_t n = 0;
    while (n < max && query_next(q)) {
        all[n++] = (struct store_deployment){.version = (int)query_get_int(q, 0),
                                             .hash = query_copy_text(q, 1, a),
                                             .name = query_copy_text(q, 2, a),
                                             .at_us = query_get_int(q, 3),
                                             .by = query_copy_text(q, 4, a),
                                             .program = query_copy_text(q, 5, a),
                                             .note = query_copy_text(q, 6, a),
                                             .replaced = (int)query_get_int(q, 7),
                                             .content = query_copy_text(q, 8, a)};
    }
    query_end(q);
    enum err e = db_error(s->db);
    if (e == OK)
        e = read_active(s, &active);
    for (size_t i = 0; e == OK && i < n; i++)
        all[i].active = all[i].version == active;
    op->result.deployments = all;
    op->result.n = n;
    return e;
}

enum err sqlite_deployments(struct sqlite_store *s, struct store_op *op)
{
    struct query *q = db_query(s->db, sql_list);
    query_int(q, STORE_BATCH_MAX);
    return read_all(s, op, q, STORE_BATCH_MAX);
}

static enum err not_found(struct store_op *op, int64_t version)
{
    store_op_fail(op, ERR_NOT_FOUND, "there is no version %d of the pipeline", (int)version);
    return ERR_NOT_FOUND;
}

enum err sqlite_deployment_get(struct sqlite_store *s, struct store_op *op)
{
    struct query *q = db_query(s->db, sql_get);
    query_int(q, op->in.version);
    enum err e = read_all(s, op, q, 1);
    return e == OK && op->result.n == 0 ? not_found(op, op->in.version) : e;
}

enum err sqlite_deployment_activate(struct sqlite_store *s, struct store_op *op)
{
    static const char sql_row[] =
        "SELECT CASE WHEN ?1 THEN replaced ELSE version END FROM scriptorium_deployment"
        " WHERE version = ?2";
    int64_t active = 0, found = 0;
    enum err e = read_active(s, &active);
    if (e != OK)
        return e;
    bool before = op->in.version < 0;
    int64_t wanted = before ? active : op->in.version;
    if (before && active == 0) {
        store_op_fail(op, ERR_INVALID,
                      "version 0, the built-in pipeline, is active: there is none before it");
        return ERR_INVALID;
    }
    struct query *q = db_query(s->db, sql_row);
    query_int(q, before);
    query_int(q, wanted);
    e = read_number(s->db, q, &found);
    if (e == OK && !before && wanted != 0 && found == 0)
        return not_found(op, wanted);
    return e == OK ? activate(s, op, found) : e;
}
