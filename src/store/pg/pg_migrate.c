/* In: a database of any version up to ours. Out: the users' table adopted, our schema beside it, in
 * one transaction; or the plan. The files of sql/ and their order: sql/README.md. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "pg_migrations.h"
#include "store/pg/pg.h"

#define STEP_US       (600 * USEC_PER_SEC)
#define TRIES         5 /* when somebody holds a lock on the table */
#define TRY_AGAIN_US  USEC_PER_SEC
#define SQL_MAX       ((size_t)4 << 20)
#define PLAN_MAX      ((size_t)1 << 20)
#define PLAN_TOO_LONG "the plan is longer than 1 MiB"
#define ADOPT_AT_ONCE "10000"

/* Schedules and HTTP requests for users of SQL; each stands back where a real extension is. */
enum part { PART_CRON, PART_NET, PARTS_MAX };
static const struct {
    const char *name, *file;
} parts[] = {[PART_CRON] = {"cron", "surface_cron.sql"}, [PART_NET] = {"net", "surface_net.sql"}};

struct pg_migration {
    struct pg_store *store;
    struct store_op *op;
    struct pg_conn *conn;
    struct pg_request request;
    struct loop_timer timer;
    void (*next)(struct pg_migration *m, const PGresult *res); /* takes the running step's result */
    struct buf sql, plan, said;
    size_t file;          /* the next one */
    bool with[PARTS_MAX]; /* the parts of the SQL surface that we have, or are to have */
    int64_t version;
    int tries;
    char engine[256];
    char *schema; /* of the users' table: as configured, or where it was adopted, or public */
    struct loop_task end_task;
};

/* ---- versions ---- */

static int file_version(const char *name)
{
    return isdigit((unsigned char)name[0]) ? (int)strtol(name, NULL, 10) : 0;
}

int pg_schema_latest(void)
{
    int latest = 0;
    for (size_t i = 0; i < pg_migrations_count; i++) {
        int version = file_version(pg_migrations[i].name);
        latest = version > latest ? version : latest;
    }
    return latest;
}

enum err pg_schema_check(const char *server, int64_t version, struct errmsg *msg)
{
    int latest = pg_schema_latest();
    if (version > latest + 1)
        return err_set(msg, ERR_NEWER,
                       "%s: prepared by a newer scriptorium (schema %lld, this one knows %d); "
                       "upgrade this program",
                       server, (long long)version, latest);
    if (version < latest)
        return err_set(msg, ERR_UNSUPPORTED,
                       "%s: schema %lld is older than this program's %d; run `scriptorium migrate`",
                       server, (long long)version, latest);
    return OK;
}

/* ---- the text of a file ---- */

static void put_quoted(struct buf *b, const char *s, char quote)
{
    if (quote == '\'' && strchr(s, '\\') != NULL)
        buf_puts(b, " E");
    buf_put(b, &quote, 1);
    for (; *s != '\0'; s++) {
        if (*s == quote || (quote == '\'' && *s == '\\'))
            buf_put(b, s, 1);
        buf_put(b, s, 1);
    }
    buf_put(b, &quote, 1);
}

/* {{plan_joins}} is the text of plan_joins.set. */
static void put_settings(struct pg_migration *m, const char *name, size_t n)
{
    for (size_t i = 0; i < pg_migrations_count; i++) {
        const struct embedded_file *file = &pg_migrations[i];
        if (strncmp(file->name, name, n) == 0 && strcmp(file->name + n, ".set") == 0)
            buf_puts(&m->sql, (const char *)file->data);
    }
}

static void put_name(struct pg_migration *m, const char *name, size_t n)
{
    const struct {
        const char *name, *text;
        char quote;
        const char *then;
    } names[] = {{"jobs", m->schema, '"', ".script_generation_jobs"},
                 {"schema", m->schema, '"', ""},
                 {"schema_text", m->schema, '\'', ""},
                 {"engine", m->engine, '"', ""},
                 {"engine_text", m->engine, '\'', ""}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i].name) == n && strncmp(names[i].name, name, n) == 0) {
            put_quoted(&m->sql, names[i].text, names[i].quote);
            buf_puts(&m->sql, names[i].then);
            return;
        }
    }
    put_settings(m, name, n);
}

/* {{jobs}} and friends are filled in. */
static void put_file(struct pg_migration *m, const struct embedded_file *file)
{
    const char *at = (const char *)file->data, *open, *close;
    while ((open = strstr(at, "{{")) != NULL && (close = strstr(open, "}}")) != NULL) {
        buf_put(&m->sql, at, (size_t)(open - at));
        put_name(m, open + 2, (size_t)(close - open - 2));
        at = close + 2;
    }
    buf_puts(&m->sql, at);
}

/* ---- the end ---- */

static void destroy(struct pg_migration *m)
{
    m->store->migration = NULL;
    timer_stop(m->store->base.loop, &m->timer);
    loop_cancel(m->store->base.loop, &m->end_task);
    pg_conn_free(m->conn);
    buf_free(&m->sql);
    buf_free(&m->plan);
    buf_free(&m->said);
    free(m->schema);
    free(m);
}

static void end(void *ctx)
{
    struct pg_migration *m = ctx;
    struct pg_store *s = m->store;
    struct store_op *op = m->op;
    destroy(m);
    store_op_done(&s->base, op);
    if (!s->closing)
        pg_pool_schema_changed(s);
}

/* Not here: the connection is on the stack. */
static void end_soon(struct pg_migration *m)
{
    m->end_task = (struct loop_task){.fn = end, .ctx = m};
    loop_defer(m->store->base.loop, &m->end_task);
}

static void refuse(struct pg_migration *m, enum err e, const char *text)
{
    store_op_fail(m->op, e, "%s", text);
    end_soon(m);
}

void pg_migrate_abandon(struct pg_store *s)
{
    struct pg_migration *m = s->migration;
    if (m == NULL)
        return;
    struct store_op *op = m->op;
    store_op_fail(op, ERR_CLOSED, "%s: the store is closed", s->url->label);
    destroy(m);
    store_op_done(&s->base, op);
}

/* ---- steps ---- */

static void try_again(void *ctx)
{
    struct pg_migration *m = ctx;
    pg_conn_open(m->conn);
}

static void after_adopt(struct pg_migration *m, const PGresult *res);

static void after_recount(struct pg_migration *m, const PGresult *res)
{
    (void)res;
    end_soon(m);
}

static void on_step(void *ctx, const PGresult *res, const struct pg_failure *f)
{
    struct pg_migration *m = ctx;
    if (res != NULL) {
        m->next(m, res);
        return;
    }
    if (f->again && ++m->tries < TRIES) { /* the transaction ends with its connection */
        pg_conn_fail(m->conn, f);
        return;
    }
    if (m->next == after_adopt)
        store_op_fail(m->op, f->err,
                      "the table is adopted, but not all of its pending rows are queued: %s; then "
                      "run `scriptorium migrate` again",
                      f->msg.text);
    if (m->next == after_recount)
        store_op_fail(m->op, f->err,
                      "the table is adopted, but its rows are not counted: %s; then run "
                      "`scriptorium migrate` again",
                      f->msg.text);
    refuse(m, f->err, f->msg.text);
}

static void run_step(struct pg_migration *m,
                     void (*next)(struct pg_migration *m, const PGresult *res))
{
    m->next = next;
    m->request = (struct pg_request){.timeout_us = STEP_US, .done = on_step, .ctx = m};
    pg_conn_script(m->conn, &m->request, buf_str(&m->sql));
    buf_clear(&m->sql);
}

static int64_t first_int(const PGresult *res)
{
    return PQntuples(res) > 0 && PQgetisnull(res, 0, 0) == 0
               ? strtoll(PQgetvalue(res, 0, 0), NULL, 10)
               : 0;
}

static void after_rollback(struct pg_migration *m, const PGresult *res)
{
    (void)res;
    end_soon(m);
}

static void roll_back(struct pg_migration *m)
{
    buf_puts(&m->sql, "ROLLBACK");
    run_step(m, after_rollback);
}

/* Rows that were pending before our triggers came get their queue rows, some at a time; then all
 * are counted, once. */
static void after_adopt(struct pg_migration *m, const PGresult *res)
{
    if (first_int(res) == 0) {
        buf_puts(&m->sql, "SELECT scriptorium.tally_recount()");
        run_step(m, after_recount);
        return;
    }
    buf_puts(&m->sql, "SELECT scriptorium.adopt(" ADOPT_AT_ONCE ")");
    run_step(m, after_adopt);
}

static void after_commit(struct pg_migration *m, const PGresult *res)
{
    (void)res;
    buf_puts(&m->sql, "SELECT scriptorium.adopt(" ADOPT_AT_ONCE ")");
    run_step(m, after_adopt);
}

static bool is_due(const struct pg_migration *m, const struct embedded_file *file)
{
    int version = file_version(file->name);
    if (strcmp(file->name, "inspect.sql") == 0 || strcmp(file->name, "surface_inspect.sql") == 0 ||
        strstr(file->name, ".set") != NULL)
        return false;
    for (size_t i = 0; i < PARTS_MAX; i++) {
        if (strcmp(file->name, parts[i].file) == 0)
            return m->with[i];
    }
    return version == 0 || version > m->version;
}

static void after_file(struct pg_migration *m, const PGresult *res)
{
    (void)res;
    while (m->file < pg_migrations_count && !is_due(m, &pg_migrations[m->file]))
        m->file++;
    if (m->file == pg_migrations_count) {
        buf_puts(&m->sql, "COMMIT");
        run_step(m, after_commit);
        return;
    }
    const struct embedded_file *file = &pg_migrations[m->file++];
    put_file(m, file);
    if (file_version(file->name) > 0)
        buf_putf(&m->sql,
                 ";\nINSERT INTO scriptorium.migration (version, name) VALUES (%d, '%.*s')",
                 file_version(file->name), (int)strcspn(file->name, "."), file->name);
    run_step(m, after_file);
}

static bool is_dry(const struct pg_migration *m)
{
    return (m->op->in.migrate & STORE_MIGRATE_DRY_RUN) != 0;
}

static void end_dry(struct pg_migration *m, int latest)
{
    if (m->version > 0 && m->version < latest)
        buf_putf(&m->plan, "-- schema scriptorium: from version %lld to %d\n",
                 (long long)m->version, latest);
    m->op->result.text = arena_strdup(&m->op->arena, buf_str(&m->plan));
    roll_back(m);
}

/* What a newer program has put there stays. */
static void after_version(struct pg_migration *m, const PGresult *res)
{
    struct errmsg msg;
    m->version = first_int(res);
    int latest = pg_schema_latest();
    if (m->version > latest + 1)
        refuse(m, pg_schema_check(m->store->url->label, m->version, &msg), msg.text);
    else if (is_dry(m))
        end_dry(m, latest);
    else if (m->version > latest)
        roll_back(m);
    else
        after_file(m, NULL);
}

static void after_known(struct pg_migration *m, const PGresult *res)
{
    m->file = 0;
    if (first_int(res) == 0) {
        m->version = 0;
        if (is_dry(m))
            end_dry(m, pg_schema_latest());
        else
            after_file(m, NULL);
        return;
    }
    buf_puts(&m->sql, "SELECT coalesce(max(version), 0) FROM scriptorium.migration");
    run_step(m, after_version);
}

/* A plan has statements as they are and the rest as comments; what is left for people to do or to
 * know is said after a migration too. */
static enum err add_line(struct pg_migration *m, const char *kind, const char *line)
{
    if (strcmp(kind, "statement") == 0)
        return buf_addf(&m->plan, "%s;\n", line);
    if (strcmp(kind, "grant") == 0) {
        static const char who[] = "to be run by somebody who may, before the engine starts:";
        buf_putf(&m->said, "%s\n    %s;\n", who, line);
        return buf_addf(&m->plan, "-- %s\n%s;\n", who, line);
    }
    buf_putf(&m->said, "Note: %s\n", line);
    return buf_addf(&m->plan, "-- note: %s\n", line);
}

/* Notes alone are no plan. False: refused. */
static bool read_plan(struct pg_migration *m, const PGresult *res)
{
    bool only_notes = true;
    for (int i = 0; i < PQntuples(res); i++) {
        const char *kind = PQgetvalue(res, i, 0), *line = PQgetvalue(res, i, 1);
        if (strcmp(kind, "refuse") == 0) {
            refuse(m, ERR_INVALID, line);
            return false;
        }
        only_notes = only_notes && strcmp(kind, "note") == 0;
        enum err e = add_line(m, kind, line);
        if (e != OK) {
            refuse(m, e, PLAN_TOO_LONG);
            return false;
        }
    }
    if (only_notes)
        buf_clear(&m->plan);
    return true;
}

/* One row of scriptorium_surface(); see its file. */
static enum err read_part(struct pg_migration *m, const PGresult *res, int row)
{
    const char *part = PQgetvalue(res, row, 0), *kind = PQgetvalue(res, row, 1);
    const char *line = PQgetvalue(res, row, 2);
    bool install = strcmp(kind, "install") == 0;
    for (size_t i = 0; i < PARTS_MAX; i++) {
        if (strcmp(part, parts[i].name) == 0)
            m->with[i] = install || strcmp(kind, "update") == 0;
    }
    if (install)
        buf_putf(&m->said, "Schema %s is installed; see docs/cron-sql.md.\n", part);
    else if (strcmp(kind, "keep") == 0)
        buf_putf(&m->said, "%s.\n", line);
    else
        return OK;
    return buf_addf(&m->plan, "%s%s\n", install ? "" : "-- note: ", line);
}

static void after_surface(struct pg_migration *m, const PGresult *res)
{
    for (int i = 0; i < PQntuples(res); i++) {
        if (strcmp(PQgetvalue(res, i, 1), "refuse") == 0) {
            refuse(m, ERR_INVALID, PQgetvalue(res, i, 2));
            return;
        }
        if (read_part(m, res, i) != OK) {
            refuse(m, ERR_TOO_BIG, PLAN_TOO_LONG);
            return;
        }
    }
    m->op->result.text = arena_strdup(&m->op->arena, buf_str(&m->plan));
    m->op->result.said = arena_strdup(&m->op->arena, buf_str(&m->said));
    if (!is_dry(m))
        buf_puts(&m->sql, "SELECT pg_advisory_xact_lock(6002718398);");
    buf_puts(&m->sql, "SELECT count(*) FROM pg_class WHERE oid = "
                      "to_regclass('scriptorium.migration')");
    run_step(m, after_known);
}

static void after_inspect(struct pg_migration *m, const PGresult *res)
{
    buf_clear(&m->plan);
    buf_clear(&m->said);
    if (!read_plan(m, res))
        return;
    buf_putf(&m->sql, "SELECT part, kind, line FROM pg_temp.scriptorium_surface(%s)",
             (m->op->in.migrate & STORE_MIGRATE_CRON) != 0 ? "true" : "false");
    run_step(m, after_surface);
}

/* Text of the first row; borrowed from the result. */
static const char *first_text(const PGresult *res, int column)
{
    bool given = PQntuples(res) > 0 && PQgetisnull(res, 0, column) == 0;
    return given ? PQgetvalue(res, 0, column) : NULL;
}

static void after_functions(struct pg_migration *m, const PGresult *res)
{
    const char *adopted = first_text(res, 0);
    m->schema = mem_strdup(m->store->schema != NULL ? m->store->schema
                           : adopted != NULL        ? adopted
                                                    : "public");
    buf_puts(&m->sql, "SELECT kind, line FROM pg_temp.scriptorium_inspect(");
    put_quoted(&m->sql, m->schema, '\'');
    buf_puts(&m->sql, ", ");
    put_quoted(&m->sql, m->engine, '\'');
    buf_puts(&m->sql, ")");
    run_step(m, after_inspect);
}

/* What inspects lives in the session's temporary schema; it knows no table before it has looked. */
static void after_begin(struct pg_migration *m, const PGresult *res)
{
    const char *who = m->store->engine_role, *advice = first_text(res, 1);
    if (advice != NULL) {
        refuse(m, ERR_PERMISSION, advice);
        return;
    }
    if (who == NULL)
        who = first_text(res, 0);
    (void)snprintf(m->engine, sizeof m->engine, "%s", who != NULL ? who : "");
    for (size_t i = 0; i < pg_migrations_count; i++) {
        if (strstr(pg_migrations[i].name, "inspect.sql") == NULL)
            continue;
        put_file(m, &pg_migrations[i]);
        buf_puts(&m->sql, ";\n");
    }
    buf_puts(&m->sql, "SELECT pg_temp.scriptorium_adopted()");
    run_step(m, after_functions);
}

/* Whom to give the rights to when nobody is named: the one who had them, so that an upgrade does
 * not leave the engine behind; else who migrates. Then what is to be done before all else. */
static const char sql_engine[] =
    "SELECT coalesce((SELECT min(r.rolname) FROM pg_namespace n "
    "JOIN pg_class c ON c.relnamespace = n.oid, aclexplode(c.relacl) a "
    "JOIN pg_roles r ON r.oid = a.grantee WHERE n.nspname = 'scriptorium' AND c.relname = 'queue' "
    "AND a.privilege_type = 'INSERT' AND a.grantee <> c.relowner "
    "HAVING count(DISTINCT a.grantee) = 1), current_user), "
    "CASE WHEN NOT has_database_privilege(current_database(), 'TEMPORARY') THEN "
    "format('no right to temporary objects, which a migration needs: as the owner of the database, "
    "GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), current_user) END";

static void on_ready(void *ctx)
{
    struct pg_migration *m = ctx;
    free(m->schema); /* of a try before */
    m->schema = NULL;
    buf_puts(&m->sql, "BEGIN; SET LOCAL lock_timeout = '3s';"
                      "SET LOCAL client_min_messages = 'warning';");
    buf_puts(&m->sql, sql_engine);
    run_step(m, after_begin);
}

static void on_closed(void *ctx, const struct pg_failure *f)
{
    struct pg_migration *m = ctx;
    struct pg_store *s = m->store;
    if (f->again)
        timer_set(s->base.loop, &m->timer, loop_now(s->base.loop) + TRY_AGAIN_US, try_again, m);
    else if (!m->end_task.queued)
        refuse(m, f->err, f->msg.text);
}

void pg_migrate_start(struct pg_store *s, struct store_op *op)
{
    if (s->migration != NULL) {
        store_op_fail(op, ERR_BUSY, "a migration is under way already; wait for it");
        pg_give_back(s, op);
        return;
    }
    struct pg_migration *m = mem_alloc(sizeof *m);
    struct pg_conn_config config = {.url = s->url,
                                    .name = s->name,
                                    .options = "-c statement_timeout=0",
                                    .script = true,
                                    .on_ready = on_ready,
                                    .on_closed = on_closed,
                                    .ctx = m};
    m->store = s;
    m->op = op;
    m->sql = BUF_INIT(SQL_MAX);
    m->plan = BUF_INIT(PLAN_MAX);
    m->said = BUF_INIT(PLAN_MAX);
    m->conn = pg_conn_new(s->base.loop, &config);
    s->migration = m;
    pg_conn_open(m->conn);
}
