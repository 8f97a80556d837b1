/* In: a level and a message. Out: one line on stderr. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#define LOG_LINE_MAX (16u * 1024u)

static _Atomic int current_level = LOG_INFO;
static _Atomic bool as_json;
static char worker[64]; /* set before other threads log */

static const char *const level_names[LOG_LEVEL_MAX] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level level)
{
    current_level = (int)level;
}

void log_set_json(bool json)
{
    as_json = json;
}

void log_set_worker(const char *name)
{
    (void)snprintf(worker, sizeof worker, "%s", name);
}

enum err log_level_parse(const char *name, enum log_level *ret)
{
    for (int i = 0; i < LOG_LEVEL_MAX; i++) {
        if (strcasecmp(name, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return OK;
        }
    }
    return ERR_INVALID;
}

static void put_json_string(struct buf *b, const char *s)
{
    buf_puts(b, "\"");
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_putf(b, "\\%c", c);
        else if (c < 0x20)
            buf_putf(b, "\\u%04x", c);
        else
            buf_put(b, s, 1);
    }
    buf_puts(b, "\"");
}

void log_write(enum log_level level, const char *job, const char *fmt, ...)
{
    if ((int)level < current_level)
        return;
    char text[2048], when[CLOCK_ISO_SIZE];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    clock_iso(clock_wall(), when);

    struct buf line = BUF_INIT(LOG_LINE_MAX);
    if (as_json) {
        buf_putf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":", when, level_names[level]);
        put_json_string(&line, text);
        if (worker[0] != '\0') {
            buf_puts(&line, ",\"worker\":");
            put_json_string(&line, worker);
        }
        if (job != NULL) {
            buf_puts(&line, ",\"job\":");
            put_json_string(&line, job);
        }
        buf_puts(&line, "}\n");
    } else if (job != NULL) {
        buf_putf(&line, "%s %-5s [%s] %s\n", when, level_names[level], job, text);
    } else {
        buf_putf(&line, "%s %-5s %s\n", when, level_names[level], text);
    }
    (void)fwrite(line.data, 1, line.len, stderr);
    buf_free(&line);
}
