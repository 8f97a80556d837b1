/* In: a store. Out: what is to be known of its file, by name; nothing judged. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "store/sqlite/sqlite.h"

#define FACTS_MAX 16
#define LATE_US   (600 * USEC_PER_SEC)

static const char sql_server[] = "SELECT 'SQLite ' || sqlite_version()";
static const char sql_unqueued[] =
    "SELECT count(*) FROM (SELECT 1 FROM script_generation_jobs j"
    " INDEXED BY script_generation_jobs_status WHERE j.status = 'pending' AND NOT EXISTS"
    " (SELECT 1 FROM scriptorium_queue q WHERE q.job_id = j.id) LIMIT 1000)";
static const char sql_triggers[] =
    "SELECT group_concat(column1, ', ') FROM (VALUES ('scriptorium_insert_pending'),"
    " ('scriptorium_insert_other'), ('scriptorium_set_status'), ('scriptorium_set_id'),"
    " ('scriptorium_set_place'), ('scriptorium_delete')) WHERE NOT EXISTS"
    " (SELECT 1 FROM sqlite_schema s WHERE s.type = 'trigger' AND s.name = column1)";
static const char sql_foreign[] = "SELECT min(since) FROM scriptorium_foreign";
static const char sql_stuck[] =
    "SELECT count(*), min(j.id) FROM scriptorium_queue q"
    " INDEXED BY scriptorium_queue_running JOIN script_generation_jobs j ON j.id = q.job_id"
    " WHERE q.state = 1 AND q.claimed_at < ? AND j.updated_at < ?";
static const char sql_expired[] =
    "SELECT count(*) FROM scriptorium_worker WHERE expires < ? - lease";

struct facts {
    struct store_op *op;
    struct store_fact *all;
    size_t n;
};

__attribute__((format(printf, 3, 4))) static void add(struct facts *f, const char *name,
                                                      const char *fmt, ...)
{
    va_list args;
    char text[256];
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    f->all[f->n++] = (struct store_fact){name, arena_strdup(&f->op->arena, text)};
}

static void add_files(struct facts *f, const char *path)
{
    struct stat st;
    struct statvfs disk;
    char log[4096];
    if (stat(path, &st) == 0)
        add(f, "file_bytes", "%" PRId64, (int64_t)st.st_size);
    int n = snprintf(log, sizeof log, "%s-wal", path);
    if (n > 0 && (size_t)n < sizeof log && stat(log, &st) == 0)
        add(f, "log_bytes", "%" PRId64, (int64_t)st.st_size);
    if (statvfs(path, &disk) == 0) {
        add(f, "disk_free_bytes", "%" PRIu64, (uint64_t)disk.f_bavail * disk.f_frsize);
        add(f, "disk_bytes", "%" PRIu64, (uint64_t)disk.f_blocks * disk.f_frsize);
    }
}

/* One row, and of it what is not null. */
static void add_row(struct facts *f, struct query *q, const char *first, const char *second)
{
    if (!query_next(q))
        return;
    if (!query_is_null(q, 0))
        add(f, first, "%s", query_get_text(q, 0));
    if (second != NULL && !query_is_null(q, 1))
        add(f, second, "%s", query_get_text(q, 1));
    query_end(q);
}

enum err sqlite_examine(struct sqlite_store *s, struct store_op *op)
{
    struct facts f = {.op = op, .all = arena_array(&op->arena, FACTS_MAX, sizeof *f.all)};
    char late[CLOCK_ISO_SIZE];
    add(&f, "now_us", "%" PRId64, op->now_us);
    add_row(&f, db_query(s->db, sql_server), "server", NULL);
    add_row(&f, db_query(s->db, sql_triggers), "triggers_off", NULL);
    add_row(&f, db_query(s->db, sql_unqueued), "unqueued_jobs", NULL);
    add_row(&f, db_query(s->db, sql_foreign), "foreign_since_us", NULL);
    struct query *q = db_query(s->db, sql_stuck);
    query_int(q, op->now_us - LATE_US);
    query_text(q, clock_iso(op->now_us - LATE_US, late));
    add_row(&f, q, "stuck_jobs", "stuck_job");
    q = db_query(s->db, sql_expired);
    query_int(q, op->now_us);
    add_row(&f, q, "leases_expired", NULL);
    add_files(&f, s->path);
    op->result.facts = f.all;
    op->result.n = f.n;
    return db_error(s->db);
}
