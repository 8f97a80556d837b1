/* In: a schedule as cron writes it. Out: its fields as bits, or the place where it is wrong. */
#include "text/cron.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "text/cron_impl.h"

static const char blank[] = " \t";

struct field {
    const char *what, *values; /* for people */
    int low, high;
    const char *const *names; /* of low, low + 1, ...; ends with NULL; NULL = none */
};

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                     "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};
static const struct field fields[CRON_FIELD_MAX] = {
    [CRON_MINUTE] = {"minute", "0 to 59", 0, 59, NULL},
    [CRON_HOUR] = {"hour", "0 to 23", 0, 23, NULL},
    [CRON_DAY] = {"day of the month", "1 to 31", 1, 31, NULL},
    [CRON_MONTH] = {"month", "1 to 12 or jan to dec", 1, 12, months},
    [CRON_WEEKDAY] = {"weekday", "0 to 7 or sun to sat", 0, 7, weekdays},
};

struct parser {
    const char *text, *at;
    const struct field *field;
    struct errmsg *msg;
};

static enum err refuse(const struct parser *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* "minute, at character 3: ..." */
static enum err refuse(const struct parser *p, const char *fmt, ...)
{
    char why[256];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return err_set(p->msg, ERR_INVALID, "%s%sat character %d: %s",
                   p->field != NULL ? p->field->what : "", p->field != NULL ? ", " : "",
                   (int)(p->at - p->text) + 1, why);
}

static bool at_end(char c)
{
    return c == '\0' || strchr(blank, c) != NULL;
}

/* ---- one field ---- */

static size_t word_length(const char *at)
{
    size_t n = 0;
    while (isalnum((unsigned char)at[n]))
        n++;
    return n;
}

static enum err parse_value(struct parser *p, int *ret_value)
{
    const struct field *f = p->field;
    size_t n = word_length(p->at);
    int value = 0;
    bool number = n > 0 && n == strspn(p->at, "0123456789");
    if (number) {
        for (size_t i = 0; i < n && value <= f->high; i++)
            value = value * 10 + p->at[i] - '0';
        if (value < f->low || value > f->high)
            return refuse(p, "%.*s is out of range: %s", (int)n, p->at, f->values);
        *ret_value = value;
        p->at += n;
        return OK;
    }
    for (int i = 0; f->names != NULL && f->names[i] != NULL; i++) {
        if (n == strlen(f->names[i]) && strncasecmp(p->at, f->names[i], n) == 0) {
            *ret_value = f->low + i;
            p->at += n;
            return OK;
        }
    }
    if (n == 0 && at_end(*p->at))
        return refuse(p, "a value is missing: %s", f->values);
    return refuse(p, "'%.*s' is no value: %s", (int)(n > 0 ? n : 1), p->at, f->values);
}

/* After a range or a star. */
static enum err parse_step(struct parser *p, int *ret_step)
{
    *ret_step = 1;
    if (*p->at != '/')
        return OK;
    p->at++;
    size_t n = strspn(p->at, "0123456789");
    int step = 0;
    for (size_t i = 0; i < n && step < 1000; i++)
        step = step * 10 + p->at[i] - '0';
    if (n == 0 || step == 0)
        return refuse(p, "a step is a number from 1");
    *ret_step = step;
    p->at += n;
    return OK;
}

static enum err parse_element(struct parser *p, uint64_t *bits)
{
    const struct field *f = p->field;
    int low = f->low, high = f->high, step;
    enum err e = OK;
    if (*p->at == '*') {
        p->at++;
    } else {
        e = parse_value(p, &low);
        high = low;
        if (e == OK && *p->at == '-') {
            p->at++;
            e = parse_value(p, &high);
            if (e == OK && high < low)
                return refuse(p, "the range runs backwards%s",
                              f->high == 7 ? "; the week ends with 7, Sunday" : "");
        } else if (e == OK && *p->at == '/') {
            return refuse(p, "a step needs a range before it: %d-%d/...", low, f->high);
        }
    }
    if (e == OK)
        e = parse_step(p, &step);
    for (int v = low; e == OK && v <= high; v += step)
        *bits |= (uint64_t)1 << v;
    return e;
}

static enum err parse_field(struct parser *p, struct cron *c, enum cron_field which)
{
    p->field = &fields[which];
    p->at += strspn(p->at, blank);
    if (*p->at == '\0')
        return refuse(p, "it is missing: five fields are needed");
    c->star[which] = *p->at == '*';
    if (which == CRON_DAY && *p->at == '$' && at_end(p->at[1])) {
        c->last_day = true;
        p->at++;
        return OK;
    }
    enum err e = parse_element(p, &c->bits[which]);
    while (e == OK && *p->at == ',') {
        p->at++;
        e = parse_element(p, &c->bits[which]);
    }
    if (e == OK && !at_end(*p->at))
        return refuse(p, "'%.1s' cannot stand here", p->at);
    if (which == CRON_WEEKDAY && (c->bits[which] >> 7 & 1) != 0)
        c->bits[which] = (c->bits[which] | 1) & 0x7f;
    return e;
}

static enum err parse_fields(struct parser *p, struct cron *c)
{
    enum err e = OK;
    for (int i = 0; i < CRON_FIELD_MAX && e == OK; i++)
        e = parse_field(p, c, (enum cron_field)i);
    if (e != OK)
        return e;
    p->field = NULL;
    p->at += strspn(p->at, blank);
    if (*p->at != '\0')
        return refuse(p, "there are five fields, and nothing after them");
    if (cron_match(c, 0) < 0)
        return err_set(p->msg, ERR_INVALID, "it never fires: no year has such a day");
    return OK;
}

/* ---- the other forms ---- */

static enum err parse_nickname(struct parser *p, struct cron *c)
{
    static const struct {
        const char *name, *fields;
    } nicknames[] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
        {"@hourly", "0 * * * *"}, {"@reboot", NULL},
    };
    size_t n = strcspn(p->at, blank);
    if (p->at[n + strspn(p->at + n, blank)] != '\0')
        return refuse(p, "nothing may follow %.*s", (int)n, p->at);
    for (size_t i = 0; i < sizeof nicknames / sizeof nicknames[0]; i++) {
        if (n != strlen(nicknames[i].name) || strncasecmp(p->at, nicknames[i].name, n) != 0)
            continue;
        c->reboot = nicknames[i].fields == NULL;
        if (c->reboot)
            return OK;
        struct parser inner = {.text = nicknames[i].fields, .at = nicknames[i].fields};
        return parse_fields(&inner, c);
    }
    return refuse(p,
                  "'%.*s' is none of @yearly @annually @monthly @weekly @daily @midnight "
                  "@hourly @reboot",
                  (int)(n < 40 ? n : 40), p->at);
}

/* "30 seconds": a number, and the word. False: it is something else. */
static bool is_interval(const char *at)
{
    size_t n = strspn(at, "0123456789"), gap = strspn(at + n, blank);
    const char *word = at + n + gap;
    size_t len = strncasecmp(word, "seconds", 7) == 0  ? 7
                 : strncasecmp(word, "second", 6) == 0 ? 6
                                                       : 0;
    return n > 0 && gap > 0 && len > 0 && word[len + strspn(word + len, blank)] == '\0';
}

static enum err parse_interval(struct parser *p, struct cron *c)
{
    int n = 0;
    for (const char *at = p->at; isdigit((unsigned char)*at) && n < 1000; at++)
        n = n * 10 + *at - '0';
    if (n < 1 || n > 59)
        return refuse(p, "seconds are 1 to 59; for longer times use the five fields");
    c->interval_us = n * USEC_PER_SEC;
    return OK;
}

static enum err parse_zone(struct parser *p, struct cron *c)
{
    static const char prefix[] = "CRON_TZ=";
    if (strncmp(p->at, prefix, sizeof prefix - 1) != 0)
        return OK;
    p->at += sizeof prefix - 1;
    size_t n = strcspn(p->at, blank);
    char *name = mem_printf("%.*s", (int)n, p->at);
    c->zone = zone_new(name);
    free(name);
    if (c->zone == NULL)
        return refuse(p, "there is no time zone '%.*s'; name one like Europe/Berlin",
                      (int)(n < 64 ? n : 64), p->at);
    p->at += n;
    p->at += strspn(p->at, blank);
    return OK;
}

static enum err parse(struct parser *p, struct cron *c)
{
    p->at += strspn(p->at, blank);
    if (*p->at == '\0')
        return err_set(p->msg, ERR_INVALID, "the schedule is empty");
    enum err e = parse_zone(p, c);
    if (e != OK)
        return e;
    if (*p->at == '@')
        return parse_nickname(p, c);
    if (is_interval(p->at))
        return parse_interval(p, c);
    return parse_fields(p, c);
}

enum err cron_parse(const char *text, struct cron **ret_cron, struct errmsg *msg)
{
    struct parser p = {.text = text, .at = text, .msg = msg};
    if (strnlen(text, CRON_TEXT_MAX + 1) > CRON_TEXT_MAX)
        return err_set(msg, ERR_INVALID, "a schedule has at most %d characters", CRON_TEXT_MAX);
    struct cron *c = mem_alloc(sizeof *c);
    enum err e = parse(&p, c);
    if (e == OK)
        *ret_cron = c;
    else
        cron_free(c);
    return e;
}

void cron_free(struct cron *c)
{
    if (c == NULL)
        return;
    zone_free(c->zone);
    free(c);
}

bool cron_is_reboot(const struct cron *c)
{
    return c->reboot;
}

int64_t cron_interval_us(const struct cron *c)
{
    return c->interval_us;
}
