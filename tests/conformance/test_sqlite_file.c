/* In: files in every condition, other processes, a full disk. Out: a clear refusal or a consistent
 * store, and never a file overwritten that is not ours. */
#include "sqlite_plug.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/temp_dir.h"
#include "base/clock.h"
#include "base/rng.h"
#include "store/sqlite/store_sqlite.h"

#define NOBODY 65534

/* ---- files without a store ---- */

struct place { /* an empty directory */
    struct loop *loop;
    char dir[200], path[240];
    struct errmsg msg;
};

static int place_setup(void **state)
{
    struct place *p = mem_alloc(sizeof *p);
    temp_dir(p->dir, sizeof p->dir, "file");
    assert_int_equal(chmod(p->dir, 0755), 0);
    (void)snprintf(p->path, sizeof p->path, "%s/jobs.db", p->dir);
    p->loop = loop_new_manual(0, clock_wall());
    *state = p;
    return 0;
}

static int place_teardown(void **state)
{
    struct place *p = *state;
    static const char *const names[] = {"jobs.db",      "jobs.db-wal",     "jobs.db-shm",
                                        "jobs.db.lock", "jobs.db.writers", "filler"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *name = mem_printf("%s/%s", p->dir, names[i]);
        (void)unlink(name);
        free(name);
    }
    assert_int_equal(rmdir(p->dir), 0);
    loop_free(p->loop);
    free(p);
    return 0;
}

static enum err try_open(struct place *p, bool engine, bool create)
{
    struct store_sqlite_config config = {.path = p->path, .engine = engine, .create = create};
    struct store *store = NULL;
    p->msg.text[0] = '\0';
    enum err e = store_sqlite_open(p->loop, &config, &store, &p->msg);
    if (e == OK) {
        store_free(store);
        return OK;
    }
    assert_null(store);
    assert_true(strlen(p->msg.text) > 0);
    assert_null(strchr(p->msg.text, '\n'));
    return e;
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static size_t read_file(const char *path, char *bytes, size_t max)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(bytes, 1, max, file);
    (void)fclose(file);
    return n;
}

static void sql_on_file(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t number_in_file(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}

static void a_missing_file_is_not_found_unless_it_may_be_made(void **state)
{
    struct place *p = *state;
    assert_int_equal(try_open(p, false, false), ERR_NOT_FOUND);
    assert_int_equal(access(p->path, F_OK), -1);
    assert_int_equal(try_open(p, false, true), OK);
    assert_int_equal(try_open(p, false, false), OK);
}

static mode_t mode_of(const struct place *p, const char *suffix)
{
    char *name = mem_printf("%s%s", p->path, suffix);
    struct stat st;
    assert_int_equal(stat(name, &st), 0);
    free(name);
    return st.st_mode & 07777;
}

static void a_new_file_is_its_owners_alone_and_others_keep_their_rights(void **state)
{
    struct place *p = *state;
    struct store_sqlite_config config = {.path = p->path, .engine = true, .create = true};
    mode_t mask = umask(022);
    for (int pass = 0; pass < 2; pass++) {
        mode_t want = pass == 0 ? 0600 : 0640;
        struct store *store = NULL;
        assert_int_equal(store_sqlite_open(p->loop, &config, &store, &p->msg), OK);
        assert_int_equal(mode_of(p, ""), want);
        assert_int_equal(mode_of(p, "-wal"), want);
        assert_int_equal(mode_of(p, "-shm"), want);
        store_free(store);
        assert_int_equal(chmod(p->path, 0640), 0); /* somebody wants it so: it stays */
    }
    (void)umask(mask);
}

static void a_missing_directory_is_named(void **state)
{
    struct place *p = *state;
    (void)snprintf(p->path, sizeof p->path, "%s/no/such/jobs.db", p->dir);
    assert_int_equal(try_open(p, true, true), ERR_NOT_FOUND);
    assert_non_null(strstr(p->msg.text, "directory"));
    assert_non_null(strstr(p->msg.text, p->path));
    (void)snprintf(p->path, sizeof p->path, "%s", p->dir);
    assert_int_equal(try_open(p, true, true), ERR_INVALID);
}

static void assert_refused_untouched(struct place *p, enum err want)
{
    static char before[1 << 18], after[1 << 18];
    size_t n = read_file(p->path, before, sizeof before);
    assert_int_equal(try_open(p, true, true), want);
    assert_int_equal(try_open(p, false, true), want);
    assert_int_equal(read_file(p->path, after, sizeof after), n);
    assert_memory_equal(before, after, n);
}

static void what_is_no_database_is_refused_and_left_alone(void **state)
{
    struct place *p = *state;
    static char noise[8192];
    struct rng rng = rng_seed(7, 1);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)rng_u32(&rng);
    write_file(p->path, "hello", 5);
    assert_refused_untouched(p, ERR_CORRUPT);
    write_file(p->path, noise, sizeof noise);
    assert_refused_untouched(p, ERR_CORRUPT);
    static const char magic[] = "SQLite format 3";
    memcpy(noise, magic, sizeof magic); /* the right start, and nonsense after it */
    write_file(p->path, noise, sizeof noise);
    assert_refused_untouched(p, ERR_CORRUPT);
}

static void a_cut_off_database_is_refused_and_left_alone(void **state)
{
    struct place *p = *state;
    assert_int_equal(try_open(p, true, true), OK);
    assert_int_equal(truncate(p->path, 10000), 0);
    assert_refused_untouched(p, ERR_CORRUPT);
}

static void a_newer_schema_asks_for_an_upgrade(void **state)
{
    struct place *p = *state;
    assert_int_equal(try_open(p, true, true), OK);
    sql_on_file(p->path, "PRAGMA user_version = 99");
    assert_int_equal(try_open(p, true, true), ERR_NEWER);
    assert_non_null(strstr(p->msg.text, "upgrade"));
    assert_int_equal(try_open(p, false, false), ERR_NEWER);
}

static void another_programs_database_is_left_alone(void **state)
{
    struct place *p = *state;
    sql_on_file(p->path, "CREATE TABLE t (x); PRAGMA user_version = 1");
    assert_refused_untouched(p, ERR_INVALID);
}

/* Runs fn as an ordinary user; its return value, or -1 when we cannot become one. */
static int as_nobody(int (*fn)(struct place *p), struct place *p)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(255);
        _exit(fn(p));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 255 ? -1 : WEXITSTATUS(status);
}

static int open_as_engine(struct place *p)
{
    return (int)try_open(p, true, true);
}

static void without_permission_it_says_so(void **state)
{
    struct place *p = *state;
    assert_int_equal(chmod(p->dir, 0555), 0);
    int e = as_nobody(open_as_engine, p);
    assert_int_equal(chmod(p->dir, 0755), 0);
    if (e < 0)
        skip();
    assert_int_equal(e, ERR_PERMISSION);
    assert_int_equal(try_open(p, true, true), OK); /* now it is root's */
    e = as_nobody(open_as_engine, p);
    if (geteuid() == 0)
        assert_int_equal(e, ERR_PERMISSION);
}

static void an_older_schema_is_migrated_by_request(void **state)
{
    struct place *p = *state;
    write_file(p->path, "", 0);
    struct fixture f = {.loop = p->loop};
    struct store_sqlite_config config = {.path = p->path};
    assert_int_equal(store_sqlite_open(p->loop, &config, &f.store, &p->msg), OK);
    assert_int_equal(CALL0(&f, store_stats)->err, ERR_UNSUPPORTED);
    const struct store_result *plan = CALL(&f, store_migrate, STORE_MIGRATE_DRY_RUN);
    assert_non_null(strstr(plan->text, "CREATE TABLE script_generation_jobs"));
    assert_int_equal(CALL0(&f, store_stats)->err, ERR_UNSUPPORTED);
    assert_int_equal(CALL(&f, store_migrate, 0)->err, OK);
    assert_int_equal(CALL0(&f, store_stats)->err, OK);
    store_free(f.store);
    arena_free(&f.arena);
}

/* ---- a full disk ---- */

static void fill(const char *path)
{
    static const char zeros[4096];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    while (write(fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros)
        ;
    close(fd);
}

static void a_full_disk_loses_nothing_and_is_survived(void **state)
{
    struct place *p = *state;
    char filler[240];
    if (mount("none", p->dir, "tmpfs", 0, "size=2m") != 0) {
        print_message("a tmpfs cannot be mounted here\n");
        skip();
    }
    (void)snprintf(filler, sizeof filler, "%s/filler", p->dir);
    struct fixture f = {.loop = p->loop};
    struct store_sqlite_config config = {.path = p->path, .engine = true};
    assert_int_equal(store_sqlite_open(p->loop, &config, &f.store, &p->msg), OK);
    add_job(&f, 1);
    fill(filler);
    int64_t stored = 1;
    enum err e = OK;
    for (int i = 0; i < 1000 && e == OK; i++) {
        struct store_new_job j = {.user_id = user_id(1), .params = "{}"};
        const struct store_result *r = CALL(&f, store_insert, &j, 1);
        e = r->err;
        stored += e == OK;
        if (e != OK)
            assert_non_null(strstr(r->message, "space"));
    }
    assert_int_equal(e, ERR_FULL);
    assert_int_equal(CALL0(&f, store_stats)->stats->count[JOB_PENDING], stored);
    assert_int_equal(unlink(filler), 0);
    add_job(&f, 1);
    assert_int_equal(CALL0(&f, store_stats)->stats->count[JOB_PENDING], stored + 1);
    store_free(f.store);
    arena_free(&f.arena);
    assert_int_equal(umount(p->dir), 0);
}

/* ---- several at one file ---- */

static void the_second_engine_is_refused_and_told_who_is_there(void **state)
{
    struct fixture *f = fixture(state);
    struct store_sqlite_config config = {.path = sqlite_plug_path(f->db), .engine = true};
    struct store *second = NULL;
    struct errmsg msg = {0};
    char pid[16];
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_int_equal(store_sqlite_open(f->loop, &config, &second, &msg), ERR_BUSY);
    assert_non_null(strstr(msg.text, pid));
    config.engine = false; /* a command may look beside it */
    assert_int_equal(store_sqlite_open(f->loop, &config, &second, &msg), OK);
    store_free(second);
}

static void commands_see_and_feed_a_running_engine(void **state)
{
    struct fixture *f = fixture(state);
    struct store *engine = f->store, *command = f->plug->open(f->db, f->loop, false);
    f->store = command;
    struct uuid id = add_job(f, 1);
    f->store = engine;
    struct store_claimed c = claim_one(f);
    assert_true(uuid_equal(&c.id, &id));
    f->store = command;
    assert_int_equal(get_job(f, &id)->status, JOB_PROCESSING);
    assert_int_equal(CALL(f, store_cancel, &id)->err, OK);
    f->store = engine;
    assert_int_equal(check_one(f, &c), STORE_CANCELLED);
    store_free(command);
}

static void insert_large(struct fixture *f, int megabytes)
{
    char *params = mem_alloc((1 << 20) + 1);
    memset(params, ' ', 1 << 20);
    params[0] = '{';
    params[1] = '}';
    for (int i = 0; i < megabytes; i++) {
        struct store_new_job j = {.user_id = user_id(1), .params = params};
        assert_int_equal(CALL(f, store_insert, &j, 1)->err, OK);
    }
    free(params);
}

static int64_t file_size(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void the_log_is_moved_only_while_nobody_else_writes(void **state)
{
    struct fixture *f = fixture(state);
    const char *path = sqlite_plug_path(f->db);
    struct store *reader = f->plug->open(f->db, f->loop, false);
    char *name = mem_printf("%s.writers", path);
    int writer = open(name, O_RDWR | O_CLOEXEC);
    free(name);
    assert_int_equal(flock(writer, LOCK_SH), 0);
    insert_large(f, 40); /* past the size at which the engine moves it */
    assert_true(file_size(path) < 1 << 20);
    assert_int_equal(close(writer), 0);
    insert_large(f, 1); /* the one that only reads is in nobody's way */
    store_free(reader);
    insert_large(f, 1);
    assert_true(file_size(path) > 30 << 20);
}

static void who_reads_does_not_wait_for_who_writes(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(sqlite_plug_path(f->db), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct answer *write = answer_new(f);
    store_setting_set(f->store, "paused", "yes", answer_take, write); /* waits for the other */
    assert_int_equal(CALL(f, store_get, &id)->n, 1);
    assert_int_equal(CALL(f, store_steps, &id, 1)->n, 0);
    assert_null(CALL(f, store_setting_get, "paused")->text);
    assert_int_equal(CALL0(f, store_stats)->stats->count[JOB_PENDING], 1);
    assert_int_equal(CALL0(f, store_workers)->n, 1);
    assert_false(write->done);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(answer_wait(f, write)->err, OK);
    assert_string_equal(CALL(f, store_setting_get, "paused")->text, "yes");
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

static void note_change(void *ctx)
{
    ++*(int *)ctx;
}

static void another_process_is_noticed(void **state)
{
    struct fixture *f = fixture(state);
    int changes = 0;
    store_on_change(f->store, note_change, &changes);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sqlite3 *db = NULL;
        bool ok = sqlite3_open(sqlite_plug_path(f->db), &db) == SQLITE_OK &&
                  sqlite3_busy_timeout(db, 5000) == SQLITE_OK &&
                  sqlite3_exec(db,
                               "INSERT INTO script_generation_jobs (user_id)"
                               " VALUES ('01900000-0000-7000-8000-000000000001')",
                               NULL, NULL, NULL) == SQLITE_OK;
        _exit(ok ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    int64_t end = clock_mono() + 10 * SECOND;
    while (changes == 0 && clock_mono() < end) {
        loop_turn(f->loop, 0);
        usleep(1000);
    }
    assert_true(changes > 0);
    store_on_change(f->store, NULL, NULL);
    assert_int_equal(claim(f, 5, 0)->n, 1);
}

/* ---- rows that clients wrote past the rules ---- */

static int64_t number(struct fixture *f, const char *sql)
{
    return number_in_file(sqlite_plug_path(f->db), sql);
}

static void an_id_that_is_no_uuid_is_refused(void **state)
{
    struct fixture *f = fixture(state);
    static const char *const bad[] = {
        "job-00000000000000000000000000000001", "0190000000007000800000000000000000ab",
        "01900000-0000-7000-8000-00000000000G", "01900000-0000-7000-8000-0000000000AB",
        "01900000-0000-7000-8000-0000000000a",  "01900000-0000-7000-8000-0000000000ab0",
        "00000000-0000-0000-0000-000000000000", "0190-000-0000-7000-8000-0000000000ab",
        "01900000-0000-7000-8000-0000000000-b",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char sql[200];
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO script_generation_jobs (id, user_id) VALUES ('%s',"
                       " '01900000-0000-7000-8000-000000000001')",
                       bad[i]);
        assert_false(raw(f, sql, NULL));
    }
    assert_false(raw(f,
                     "INSERT INTO script_generation_jobs (user_id)"
                     " VALUES ('job-00000000000000000000000000000001')",
                     NULL));
    assert_int_equal(claim(f, 5, 0)->n, 0);
}

#define BAD_ID "job-00000000000000000000000000000001"
#define BAD_JOB                                                                                    \
    "PRAGMA ignore_check_constraints = ON;"                                                        \
    " INSERT INTO script_generation_jobs (id, user_id)"                                            \
    " VALUES ('" BAD_ID "', '01900000-0000-7000-8000-000000000001')"

static void a_job_with_a_bad_id_fails_and_the_others_go_on(void **state)
{
    struct fixture *f = fixture(state);
    assert_true(raw(f, BAD_JOB, NULL));
    struct uuid id = add_job(f, 2);
    const struct store_result *r = claim(f, 5, 0);
    assert_int_equal(r->n, 1);
    assert_true(uuid_equal(&r->claimed[0].id, &id));
    assert_int_equal(number(f, "SELECT count(*) FROM script_generation_jobs WHERE id = '" BAD_ID
                               "' AND status = 'failed' AND error_message LIKE '%UUID%'"),
                     1);
    assert_int_equal(claim(f, 5, 0)->n, 0);
}

/* As an older version claimed it. */
static void a_running_job_with_a_bad_id_is_given_back_and_rescued(void **state)
{
    struct fixture *f = fixture(state);
    static const char run[] = "UPDATE scriptorium_queue SET state = 1, fence = 77, worker = '%s';"
                              " UPDATE script_generation_jobs SET status = 'processing'";
    assert_true(raw(f, BAD_JOB, NULL));
    assert_true(raw(f, run, &f->worker));
    assert_int_equal(CALL(f, store_worker_close, &f->worker)->count, 1);
    f->worker = open_worker(f, 15 * SECOND);
    struct uuid nobody = user_id(7);
    assert_true(raw(f, run, &nobody));
    static const struct uuid nil;
    assert_int_equal(CALL(f, store_rescue, &nil)->count, 1);
    assert_int_equal(number(f, "SELECT count(*) FROM script_generation_jobs WHERE status ="
                               " 'pending'"),
                     1);
}

#define GUARD(name, of)                                                                            \
    "CREATE TRIGGER " name " BEFORE UPDATE OF status ON script_generation_jobs WHEN NEW.status ="  \
    " '" of "' AND NEW.priority = 3 BEGIN SELECT RAISE(ABORT, 'not this one'); END"

static void a_row_that_may_not_run_is_put_off_and_disturbs_no_other(void **state)
{
    struct fixture *f = fixture(state);
    assert_true(raw(f, GUARD("g", "processing"), NULL));
    struct uuid refused = add_job_at(f, 1, 3, 0);
    add_job_at(f, 1, 2, 0); /* behind it */
    add_job_at(f, 2, 1, 0);
    const struct store_result *r = claim(f, 3, 0);
    assert_int_equal(r->n, 2);
    assert_int_equal(r->next_due_us, wall(f) + 60 * SECOND);
    assert_non_null(strstr(r->message, "not this one"));
    assert_int_equal(get_job(f, &refused)->status, JOB_PENDING);
    assert_int_equal(claim(f, 3, 0)->n, 0);
    assert_true(raw(f, "DROP TRIGGER g", NULL));
    pass(f, 61 * SECOND);
    assert_int_equal(CALL(f, store_worker_renew, &f->worker)->err, OK);
    assert_int_equal(claim(f, 3, 0)->n, 1);
}

static void a_row_that_may_not_be_given_back_disturbs_no_other(void **state)
{
    struct fixture *f = fixture(state);
    add_job_at(f, 1, 3, 0);
    struct uuid other = add_job_at(f, 2, 5, 0);
    assert_int_equal(claim(f, 3, 0)->n, 2);
    assert_true(raw(f, GUARD("g", "pending"), NULL));
    const struct store_result *r = CALL(f, store_worker_close, &f->worker);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->count, 1);
    assert_int_equal(get_job(f, &other)->status, JOB_PENDING);
    f->worker = open_worker(f, 15 * SECOND);
    assert_int_equal(claim(f, 3, 0)->n, 1); /* the other waits a minute */
    assert_int_equal(number(f, "SELECT count(*) FROM scriptorium_queue WHERE state = 1"), 1);
}

static void a_replaced_row_is_a_new_job(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid id = add_job(f, 1);
    struct store_claimed c = claim_one(f);
    struct store_held held = {c.id, c.fence};
    struct store_step step = {.key = "outline", .input_hash = "h", .output = "{}"};
    assert_int_equal(CALL(f, store_step_save, &held, 1, &step, NULL)->lost[0], STORE_HELD);
    assert_int_equal(finish_one(f, &c, STORE_COMPLETE), STORE_HELD);
    assert_true(raw(f,
                    "INSERT OR REPLACE INTO script_generation_jobs (id, user_id)"
                    " VALUES ('%s', '01900000-0000-7000-8000-000000000001')",
                    &id));
    c = claim_one(f);
    assert_int_equal(CALL(f, store_steps, &id, c.run)->n, 0); /* written anew */
}

/* Of 800 calls each was saved every 200 ms: 1000 tokens in, and of 100 tokens/s half of 380 ms (a
 * read, a save, the way there and back) more than the 80 that were seen. */
static void calls_that_are_cut_together_were_saved_less_often(void **state)
{
    struct fixture *f = fixture(state);
    enum { N = 800 };
    struct store_progress *items = arena_array(&f->arena, N, sizeof *items);
    for (int i = 0; i < N; i++)
        add_job(f, i % 7);
    const struct store_result *r = claim(f, N, 0);
    assert_int_equal(r->n, N);
    for (int i = 0; i < N; i++)
        items[i] = (struct store_progress){.job = r->claimed[i].id,
                                           .fence = r->claimed[i].fence,
                                           .call = open_call_of(f, &r->claimed[i], &f->worker),
                                           .output_tokens = 80,
                                           .tokens_per_second = 100};
    assert_int_equal(CALL(f, store_progress, items, N)->lost[N - 1], STORE_HELD);
    struct uuid by = open_worker(f, 3600 * SECOND);
    pass(f, 3599 * SECOND);
    assert_int_equal(CALL(f, store_worker_renew, &by)->err, OK);
    pass(f, 2 * SECOND);
    assert_int_equal(CALL(f, store_rescue, &by)->count, N);
    const struct store_stats *s = CALL0(f, store_stats)->stats;
    assert_int_equal(s->calls_estimated, N);
    assert_int_equal(s->usage.output, N * (80 + 19));
}

static void the_users_indexes_may_go(void **state)
{
    struct fixture *f = fixture(state);
    add_job(f, 1);
    assert_true(raw(f,
                    "DROP INDEX script_generation_jobs_status;"
                    " DROP INDEX script_generation_jobs_user;"
                    " DROP INDEX script_generation_jobs_created",
                    NULL));
    assert_int_equal(CALL0(f, store_stats)->stats->count[JOB_PENDING], 1);
    for (int i = 0; i < 4; i++) {
        struct store_filter filter = {.status = i & 1 ? JOB_PENDING : JOB_STATUS_MAX, .limit = 5};
        if (i & 2)
            filter.user_id = user_id(1);
        assert_int_equal(CALL(f, store_list, &filter)->n, 1);
    }
}

/* ---- backup ---- */

static void remove_copy(char *copy)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char *name = mem_printf("%s%s", copy, suffixes[i]);
        (void)unlink(name);
        free(name);
    }
    free(copy);
}

/* More than a backup takes at once, and a commit by another program between any two pieces. */
static void a_backup_ends_while_others_write_on(void **state)
{
    struct fixture *f = fixture(state);
    insert_large(f, 12);
    char *copy = mem_printf("%s.copy", sqlite_plug_path(f->db));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sqlite3 *db = NULL;
        int rc = sqlite3_open(sqlite_plug_path(f->db), &db);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(db, "PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF", NULL, NULL,
                              NULL);
        sqlite3_busy_timeout(db, 5000);
        while (rc == SQLITE_OK)
            rc = sqlite3_exec(db, "UPDATE scriptorium_seq SET fence = fence + 1", NULL, NULL, NULL);
        _exit(1);
    }
    const struct store_result *r = CALL(f, store_backup, copy);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(r->err, OK);
    assert_int_equal(number_in_file(copy, "SELECT count(*) FROM script_generation_jobs"), 12);
    remove_copy(copy);
}

static void a_backup_follows_no_link_and_is_its_owners_alone(void **state)
{
    struct fixture *f = fixture(state);
    char *copy = mem_printf("%s.copy", sqlite_plug_path(f->db));
    char *part = mem_printf("%s.part", copy), *victim = mem_printf("%s.victim", copy);
    struct stat st;
    write_file(victim, "precious", 8);
    assert_int_equal(symlink(victim, part), 0);
    assert_int_equal(CALL(f, store_backup, copy)->err, OK);
    assert_int_equal(stat(victim, &st), 0);
    assert_int_equal(st.st_size, 8);
    assert_int_equal(lstat(copy, &st), 0);
    assert_true(S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0600);
    assert_int_equal(unlink(victim), 0);
    free(victim);
    free(part);
    remove_copy(copy);
}

static void a_backup_made_while_writing_is_consistent(void **state)
{
    struct fixture *f = fixture(state);
    insert_large(f, 8);
    char *copy = mem_printf("%s.copy", sqlite_plug_path(f->db));
    struct answer *done = answer_new(f);
    store_backup(f->store, copy, answer_take, done);
    int64_t n = 8;
    while (!done->done && n < 5000) {
        add_job(f, 1);
        n++;
    }
    assert_int_equal(answer_wait(f, done)->err, OK);
    assert_int_equal(number_in_file(copy, "SELECT count(*) FROM pragma_integrity_check"
                                          " WHERE integrity_check = 'ok'"),
                     1);
    int64_t copied = number_in_file(copy, "SELECT count(*) FROM script_generation_jobs");
    assert_true(copied >= 8 && copied <= n);
    assert_int_equal(number_in_file(copy, "SELECT count(*) FROM scriptorium_queue"), copied);
    assert_int_equal(CALL(f, store_backup, copy)->err, ERR_EXISTS);
    assert_int_equal(CALL(f, store_backup, "/no/such/place/copy.db")->err, ERR_NOT_FOUND);
    remove_copy(copy);
}

/* ---- kill -9 ---- */

/* Inserts, claims and finishes until it is killed; tells each acknowledged insert. */
static void work_for_ever(struct place *p, int tell)
{
    struct fixture f = {.loop = p->loop};
    struct store_sqlite_config config = {.path = p->path, .engine = true};
    if (store_sqlite_open(p->loop, &config, &f.store, &p->msg) != OK)
        _exit(1);
    f.worker = open_worker(&f, 3600 * SECOND);
    for (;;) {
        add_job(&f, 1);
        add_job(&f, 2);
        if (write(tell, "xx", 2) != 2)
            _exit(1);
        const struct store_result *r = claim(&f, 2, 0);
        if (r->n > 0)
            (void)finish_one(&f, &r->claimed[0], STORE_COMPLETE);
        if (r->n > 1)
            (void)finish_one(&f, &r->claimed[1], STORE_RETRY);
    }
}

static void a_killed_writer_leaves_a_consistent_file(void **state)
{
    struct place *p = *state;
    struct rng rng = rng_seed(rng_seed_from_os(), 2);
    int64_t acknowledged = 0;
    for (int round = 0; round < 6; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            work_for_ever(p, ends[1]);
        }
        close(ends[1]);
        char c[2];
        for (uint32_t i = 0, n = 5 + rng_below(&rng, 40); i < n; i++) {
            assert_int_equal(read(ends[0], c, 1), 1);
            acknowledged++;
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (read(ends[0], c, 1) == 1)
            acknowledged++;
        close(ends[0]);
        assert_int_equal(number_in_file(p->path, "SELECT count(*) FROM pragma_integrity_check"
                                                 " WHERE integrity_check = 'ok'"),
                         1);
        int64_t jobs = number_in_file(p->path, "SELECT count(*) FROM script_generation_jobs");
        assert_true(jobs >= acknowledged && jobs <= acknowledged + 2 * (round + 1));
        assert_int_equal(
            number_in_file(p->path,
                           "SELECT count(*) FROM script_generation_jobs j"
                           " LEFT JOIN scriptorium_queue q ON q.job_id = j.id WHERE"
                           " (j.status IN ('pending', 'processing')) <> (q.job_id IS NOT NULL)"
                           " OR (j.status = 'processing') <> coalesce(q.state = 1, 0)"),
            0);
    }
}

int main(void)
{
#define AT_PLACE(fn) cmocka_unit_test_setup_teardown(fn, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        AT_PLACE(a_missing_file_is_not_found_unless_it_may_be_made),
        AT_PLACE(a_new_file_is_its_owners_alone_and_others_keep_their_rights),
        AT_PLACE(a_missing_directory_is_named),
        AT_PLACE(what_is_no_database_is_refused_and_left_alone),
        AT_PLACE(a_cut_off_database_is_refused_and_left_alone),
        AT_PLACE(a_newer_schema_asks_for_an_upgrade),
        AT_PLACE(another_programs_database_is_left_alone),
        AT_PLACE(without_permission_it_says_so),
        AT_PLACE(an_older_schema_is_migrated_by_request),
        AT_PLACE(a_full_disk_loses_nothing_and_is_survived),
        CASE(the_second_engine_is_refused_and_told_who_is_there),
        CASE(commands_see_and_feed_a_running_engine),
        CASE(the_log_is_moved_only_while_nobody_else_writes),
        CASE(who_reads_does_not_wait_for_who_writes),
        CASE(another_process_is_noticed),
        CASE(an_id_that_is_no_uuid_is_refused),
        CASE(a_job_with_a_bad_id_fails_and_the_others_go_on),
        CASE(a_running_job_with_a_bad_id_is_given_back_and_rescued),
        CASE(a_row_that_may_not_run_is_put_off_and_disturbs_no_other),
        CASE(a_row_that_may_not_be_given_back_disturbs_no_other),
        CASE(a_replaced_row_is_a_new_job),
        CASE(calls_that_are_cut_together_were_saved_less_often),
        CASE(the_users_indexes_may_go),
        CASE(a_backup_ends_while_others_write_on),
        CASE(a_backup_follows_no_link_and_is_its_owners_alone),
        CASE(a_backup_made_while_writing_is_consistent),
        AT_PLACE(a_killed_writer_leaves_a_consistent_file),
    };
    conformance_use(&sqlite_plug);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
