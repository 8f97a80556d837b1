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

#define LOG_LINE_MAX (32u * 1024u)

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

static void put_member(struct buf *b, const char *name, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    buf_putf(b, ",\"%s\":", name);
    put_json_string(b, value);
}

static void put_json(struct buf *line, const char *when, enum log_level level,
                     const struct log_subject *about, const char *text)
{
    buf_putf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":", when, level_names[level]);
    put_json_string(line, text);
    put_member(line, "worker", worker);
    put_member(line, "job", about->job);
    put_member(line, "invocation", about->invocation);
    put_member(line, "details", about->details);
    buf_puts(line, "}\n");
}

static void put_text(struct buf *line, const char *when, enum log_level level,
                     const struct log_subject *about, const char *text)
{
    buf_putf(line, "%s %-5s ", when, level_names[level]);
    if (about->job != NULL)
        buf_putf(line, "[%s] ", about->job);
    buf_put_plain(line, text);
    if (about->details != NULL) {
        buf_puts(line, ": ");
        buf_put_plain(line, about->details);
    }
    buf_puts(line, "\n");
}

static void put_line(enum log_level level, const struct log_subject *about, const char *fmt,
                     va_list ap)
{
    char text[2048], when[CLOCK_ISO_SIZE];
    (void)vsnprintf(text, sizeof text, fmt, ap);
    clock_iso(clock_wall(), when);
    struct buf line = BUF_INIT(LOG_LINE_MAX);
    if (as_json)
        put_json(&line, when, level, about, text);
    else
        put_text(&line, when, level, about, text);
    (void)fwrite(line.data, 1, line.len, stderr);
    buf_free(&line);
}

void log_write(enum log_level level, const char *job, const char *fmt, ...)
{
    if ((int)level < current_level)
        return;
    va_list ap;
    va_start(ap, fmt);
    put_line(level, &(struct log_subject){.job = job}, fmt, ap);
    va_end(ap);
}

void log_about(enum log_level level, const struct log_subject *about, const char *fmt, ...)
{
    if ((int)level < current_level)
        return;
    va_list ap;
    va_start(ap, fmt);
    put_line(level, about, fmt, ap);
    va_end(ap);
}
