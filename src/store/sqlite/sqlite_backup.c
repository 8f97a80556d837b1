/* In: a path. Out: a consistent copy of the database there, made piece by piece while others go on
 * working. */
#include "store/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP_PAGES 256

struct sqlite_backup {
    struct store_op *op;
    struct db_copy *copy;
    char *part; /* the copy's name until it is whole */
};

static void fail_os(struct store_op *op, int sys)
{
    enum err e = sys == ENOSPC                   ? ERR_FULL
                 : sys == EACCES || sys == EROFS ? ERR_PERMISSION
                 : sys == ENOENT                 ? ERR_NOT_FOUND
                                                 : ERR_IO;
    store_op_fail(op, e, "%s: %s", op->in.path, strerror(sys));
}

/* Nothing that exists is overwritten. */
void sqlite_backup_start(struct sqlite_store *s, struct store_op *op)
{
    struct sqlite_backup *b = mem_alloc(sizeof *b);
    struct errmsg msg = {0};
    b->op = op;
    s->backup = b;
    if (op->result.err != OK)
        return;
    if (access(op->in.path, F_OK) == 0) {
        store_op_fail(op, ERR_EXISTS, "%s: exists already; name a new file", op->in.path);
        return;
    }
    b->part = mem_printf("%s.part", op->in.path);
    (void)unlink(b->part); /* of one that was cut off, or somebody's link to elsewhere */
    int fd = open(b->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        fail_os(op, errno);
        return;
    }
    close(fd);
    enum err e = db_copy_start(s->db, b->part, &b->copy, &msg);
    if (e != OK)
        store_op_fail(op, e, "%s", msg.text);
}

static struct store_op *end(struct sqlite_store *s)
{
    struct sqlite_backup *b = s->backup;
    struct store_op *op = b->op;
    db_copy_free(b->copy);
    if (op->result.err == OK && rename(b->part, op->in.path) != 0)
        fail_os(op, errno);
    if (op->result.err != OK && b->part != NULL)
        (void)unlink(b->part);
    free(b->part);
    free(b);
    s->backup = NULL;
    return op;
}

struct store_op *sqlite_backup_step(struct sqlite_store *s, bool cancel)
{
    struct sqlite_backup *b = s->backup;
    struct errmsg msg = {0};
    bool done = false;
    if (cancel)
        store_op_fail(b->op, ERR_CLOSED, "the store was closed during the backup");
    if (b->op->result.err != OK)
        return end(s);
    enum err e = db_copy_step(b->copy, STEP_PAGES, &done, &msg);
    if (e != OK)
        store_op_fail(b->op, e, "%s", msg.text);
    return e != OK || done ? end(s) : NULL;
}
