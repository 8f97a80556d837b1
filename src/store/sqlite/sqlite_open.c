/* In: a file name and whether this is the engine. Out: an open store, or one line that says why
 * not; and its end. */
#include "store/sqlite/store_sqlite.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/sqlite/sqlite.h"
#include "store/sqlite/sqlite_files.h"
#include "store/store_places.h"

static void close_all(struct sqlite_store *s)
{
    /* Alone with the file, the last one to close may tidy the log away; who has erased something,
     * when there is no engine to do it. */
    bool engine =
        s->engine || (s->erased && sqlite_files_lock_engine(s->path, &s->lock_fd, NULL) == OK);
    bool alone = engine && s->writers_fd >= 0 && sqlite_files_lock_writers(s->writers_fd);
    db_close(s->db, alone);
    if (s->writers_fd >= 0)
        close(s->writers_fd);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    store_places_free(&s->base);
    free(s->path);
    free(s);
}

static void sqlite_free(struct store *base)
{
    struct sqlite_store *s = (struct sqlite_store *)base;
    sqlite_thread_stop(s);
    close_all(s);
}

static const struct store_driver driver = {
    .submit = sqlite_thread_submit,
    .watch = sqlite_thread_watch,
    .free = sqlite_free,
};

/* The locks come first: nobody touches the file before it has them. */
static enum err open_files(struct sqlite_store *s, const struct store_sqlite_config *config,
                           struct errmsg *msg)
{
    bool exists = false, may_create = config->engine || config->create;
    enum err e = sqlite_files_find(config->path, &s->path, &exists, msg);
    if (e == OK && !exists && !may_create)
        e = err_set(msg, ERR_NOT_FOUND,
                    "%s: no such database; `scriptorium run` or `scriptorium enqueue` makes it, "
                    "--database names another",
                    config->path);
    if (e == OK && config->engine)
        e = sqlite_files_lock_engine(s->path, &s->lock_fd, msg);
    if (e == OK)
        e = sqlite_files_open_writers(s->path, &s->writers_fd, msg);
    if (e == OK && !exists)
        e = sqlite_files_make(s->path, msg);
    if (e != OK)
        return e;
    return db_open(s->path, may_create, &s->db, msg);
}

static enum err open_schema(struct sqlite_store *s, bool may_migrate, struct errmsg *msg)
{
    enum err e = sqlite_schema_read(s, msg);
    if (e != OK)
        return e;
    sqlite_write_begin(s);
    e = db_prepare(s->db, msg);
    if (e == OK && may_migrate && !sqlite_schema_is_current(s))
        e = sqlite_schema_migrate(s, msg);
    sqlite_write_end(s);
    return e;
}

enum err store_sqlite_open(struct loop *loop, const struct store_sqlite_config *config,
                           struct store **ret_store, struct errmsg *msg)
{
    struct sqlite_store *s = mem_alloc(sizeof *s);
    s->base.driver = &driver;
    s->base.loop = loop;
    s->engine = config->engine;
    s->lock_fd = s->writers_fd = -1;
    struct uuid opener = uuid_new(loop_wall(loop));
    uuid_text(&opener, s->opener);
    enum err e = open_files(s, config, msg);
    if (e == OK)
        e = open_schema(s, config->engine || config->create, msg);
    if (e == OK)
        e = sqlite_thread_start(s, msg);
    if (e != OK) {
        close_all(s);
        return e;
    }
    *ret_store = &s->base;
    return OK;
}
