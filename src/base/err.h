/* In: nothing. Out: the error codes every fallible function returns, and a bounded message for
 * people. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))

enum err {
    OK = 0,
    ERR_INVALID,     /* the caller's or user's input is wrong; repeating it cannot help */
    ERR_TOO_BIG,     /* a stated limit was reached */
    ERR_NOT_FOUND,   /* no such thing */
    ERR_EXISTS,      /* it is there already */
    ERR_BUSY,        /* somebody else holds it; try again later */
    ERR_LOST,        /* the fence or lease is gone: stop working on it */
    ERR_FULL,        /* no space left on the device */
    ERR_PERMISSION,  /* the operating system or the database refuses */
    ERR_CORRUPT,     /* stored data cannot be read */
    ERR_NEWER,       /* the store was written by a newer version of this program */
    ERR_IO,          /* any other failure of a file, socket or database */
    ERR_CONNECT,     /* the peer cannot be reached */
    ERR_TIMEOUT,     /* a deadline passed */
    ERR_CLOSED,      /* the peer, or we, closed it before it was done */
    ERR_PROTOCOL,    /* the peer broke the rules of its protocol */
    ERR_UNSUPPORTED, /* this build, store or provider cannot do it */
    ERR_MAX
};

/* A short lower-case name ("not found"); never NULL. */
const char *err_name(enum err e);
/* Waiting may help, without anybody doing anything: a lock, a server that starts again. */
bool err_passes(enum err e);

/* What went wrong, for people: one line that says what to do. Empty when unset. */
struct errmsg {
    char text[512];
};

/* Sets the message (cut at the limit) and returns `e`, so that a failure is one statement:
 * `return err_set(msg, ERR_FULL, "%s: no space left; free some and run again", path);`
 * `msg` may be NULL. */
enum err err_set(struct errmsg *msg, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
