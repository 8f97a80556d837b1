/* In: an error code and a format. Out: its name, or the filled message. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

const char *err_name(enum err e)
{
    static const char *const names[ERR_MAX] = {
        [OK] = "ok",
        [ERR_INVALID] = "invalid",
        [ERR_TOO_BIG] = "too big",
        [ERR_NOT_FOUND] = "not found",
        [ERR_EXISTS] = "already exists",
        [ERR_BUSY] = "busy",
        [ERR_LOST] = "lost",
        [ERR_FULL] = "no space left",
        [ERR_PERMISSION] = "permission denied",
        [ERR_CORRUPT] = "corrupt",
        [ERR_NEWER] = "newer version",
        [ERR_IO] = "input/output error",
        [ERR_CONNECT] = "cannot connect",
        [ERR_TIMEOUT] = "timed out",
        [ERR_CLOSED] = "closed",
        [ERR_PROTOCOL] = "protocol error",
        [ERR_UNSUPPORTED] = "not supported",
    };
    if ((unsigned)e >= ERR_MAX || names[e] == NULL)
        return "unknown error";
    return names[e];
}

bool err_passes(enum err e)
{
    return e == ERR_BUSY || e == ERR_CONNECT || e == ERR_TIMEOUT || e == ERR_CLOSED;
}

enum err err_set(struct errmsg *msg, enum err e, const char *fmt, ...)
{
    if (msg == NULL)
        return e;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(msg->text, sizeof msg->text, fmt, ap);
    va_end(ap);
    return e;
}
