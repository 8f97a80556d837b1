/* In: a database's path. Out: the file, and the locks beside it. */
#ifndef STORE_SQLITE_SQLITE_FILES_H
#define STORE_SQLITE_SQLITE_FILES_H

#include <stdbool.h>

#include "base/err.h"

/* The error of a call that failed with that errno, in words. */
enum err sqlite_files_error(const char *path, int sys, struct errmsg *msg);

/* Does the file exist? Its full name is owned by the caller. ERR_NOT_FOUND: its directory does not
 * exist. */
enum err sqlite_files_find(const char *path, char **ret_path, bool *ret_exists,
                           struct errmsg *msg) MUST_CHECK;

/* Makes an empty file that only its owner may read, for it will hold what users wrote; SQLite gives
 * its log the same rights. One that is there meanwhile stays as it is. */
enum err sqlite_files_make(const char *path, struct errmsg *msg) MUST_CHECK;

/* <path>.lock, for the one engine; it holds its process id. ERR_BUSY names the holder. */
enum err sqlite_files_lock_engine(const char *path, int *ret_fd, struct errmsg *msg) MUST_CHECK;

/* <path>.writers: shared by all who are not the engine, while they write; exclusive to the engine
 * while it moves the log. Who only reads takes nothing. */
enum err sqlite_files_open_writers(const char *path, int *ret_fd, struct errmsg *msg) MUST_CHECK;
void sqlite_files_share_writers(int fd); /* waits */
bool sqlite_files_lock_writers(int fd);  /* without waiting */
void sqlite_files_unlock_writers(int fd);

#endif
