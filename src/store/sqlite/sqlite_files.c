/* In: a database's path. Out: the file, and the locks beside it. */
#include "store/sqlite/sqlite_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum err sqlite_files_error(const char *path, int sys, struct errmsg *msg)
{
    switch (sys) {
    case ENOENT:
    case ENOTDIR:
        return err_set(msg, ERR_NOT_FOUND,
                       "%s: the directory does not exist; create it, or name another file with "
                       "--database",
                       path);
    case EACCES:
    case EPERM:
    case EROFS:
        return err_set(msg, ERR_PERMISSION,
                       "%s: no permission to write here; change it or name another file with "
                       "--database",
                       path);
    case ENOSPC:
    case EDQUOT:
        return err_set(msg, ERR_FULL, "%s: no space left on the device; free some and try again",
                       path);
    default:
        return err_set(msg, ERR_IO, "%s: %s", path, strerror(sys));
    }
}

/* Two names of one file must lead to one lock: links are followed. */
enum err sqlite_files_find(const char *path, char **ret_path, bool *ret_exists, struct errmsg *msg)
{
    char full[PATH_MAX];
    struct stat st;
    if (path[0] == '\0')
        return err_set(msg, ERR_INVALID, "the database needs a file name");
    if (realpath(path, full) != NULL) {
        if (stat(full, &st) == 0 && !S_ISREG(st.st_mode))
            return err_set(msg, ERR_INVALID, "%s: not a file; name another with --database", path);
        *ret_path = mem_strdup(full);
        *ret_exists = true;
        return OK;
    }
    if (errno != ENOENT)
        return sqlite_files_error(path, errno, msg);
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL ? mem_strdup(".") : mem_strndup(path, (size_t)(slash - path) + 1);
    bool found = realpath(dir, full) != NULL;
    int sys = errno;
    free(dir);
    if (!found)
        return sqlite_files_error(path, sys, msg);
    *ret_path =
        mem_printf("%s/%s", strcmp(full, "/") == 0 ? "" : full, slash == NULL ? path : slash + 1);
    *ret_exists = false;
    return OK;
}

enum err sqlite_files_make(const char *path, struct errmsg *msg)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? OK : sqlite_files_error(path, errno, msg);
    (void)close(fd);
    return OK;
}

/* What root makes beside somebody's database is theirs, as SQLite's own files are: an operator who
 * looks must not lock the daemon out. */
static void give_to_owner(const char *path, int fd)
{
    struct stat st, own;
    if (geteuid() == 0 && stat(path, &st) == 0 && fstat(fd, &own) == 0 &&
        (st.st_uid != own.st_uid || st.st_gid != own.st_gid) &&
        fchown(fd, st.st_uid, st.st_gid) != 0)
        errno = 0; /* then it stays root's */
}

static enum err open_beside(const char *path, const char *suffix, int *ret_fd, struct errmsg *msg)
{
    char *name = mem_printf("%s%s", path, suffix);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    int sys = errno;
    free(name);
    if (fd < 0)
        return sqlite_files_error(path, sys, msg);
    give_to_owner(path, fd);
    *ret_fd = fd;
    return OK;
}

static enum err refuse_second(const char *path, int fd, struct errmsg *msg)
{
    char pid[16] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
    return err_set(msg, ERR_BUSY,
                   "%s: another run or serve is working on it%s%s; stop that one, or name another "
                   "file with --database",
                   path, pid[0] != '\0' ? ", process " : "", pid);
}

enum err sqlite_files_lock_engine(const char *path, int *ret_fd, struct errmsg *msg)
{
    int fd = -1;
    enum err e = open_beside(path, ".lock", &fd, msg);
    if (e != OK)
        return e;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        e = errno == EWOULDBLOCK ? refuse_second(path, fd, msg)
                                 : sqlite_files_error(path, errno, msg);
        close(fd);
        return e;
    }
    /* For people only: a full disk may leave it empty. */
    char pid[16];
    int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        errno = 0;
    *ret_fd = fd;
    return OK;
}

enum err sqlite_files_open_writers(const char *path, int *ret_fd, struct errmsg *msg)
{
    return open_beside(path, ".writers", ret_fd, msg);
}

void sqlite_files_share_writers(int fd)
{
    while (flock(fd, LOCK_SH) != 0 && errno == EINTR)
        ;
}

bool sqlite_files_lock_writers(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

void sqlite_files_unlock_writers(int fd)
{
    (void)flock(fd, LOCK_UN);
}
