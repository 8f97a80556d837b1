/* In: failures so far, a server's wish, a random number. Out: how long to wait. */
#include "job/retry.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "job/date.h"

#define JOB_DELAY_FIRST_US  (5 * USEC_PER_SEC)
#define JOB_DELAY_MAX_US    (600 * USEC_PER_SEC)
#define CALL_DELAY_FIRST_US (500 * USEC_PER_MSEC)
#define CALL_DELAY_MAX_US   (8 * USEC_PER_SEC)

static int64_t doubled(int64_t first_us, int64_t max_us, int failed)
{
    int64_t delay = first_us;
    for (int i = 1; i < failed && delay < max_us; i++)
        delay *= 2;
    return delay < max_us ? delay : max_us;
}

int64_t retry_job_delay_us(int attempts, struct rng *rng)
{
    int64_t delay = doubled(JOB_DELAY_FIRST_US, JOB_DELAY_MAX_US, attempts);
    return (int64_t)((double)delay * (0.8 + 0.4 * rng_unit(rng)));
}

int64_t retry_call_delay_us(int tries, int64_t retry_after_us, struct rng *rng)
{
    if (retry_after_us >= 0)
        return retry_after_us < RETRY_AFTER_MAX_US ? retry_after_us : RETRY_AFTER_MAX_US;
    int64_t delay = doubled(CALL_DELAY_FIRST_US, CALL_DELAY_MAX_US, tries);
    return (int64_t)((double)delay * (1.0 - 0.25 * rng_unit(rng)));
}

/* ---- reading, byte by byte: libc's readers follow the locale ---- */

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool space(char c)
{
    return c == ' ' || c == '\t';
}

static const char *skip_spaces(const char *s)
{
    while (space(*s))
        s++;
    return s;
}

static bool at_end(const char *s)
{
    return *skip_spaces(s) == '\0';
}

static bool read_exponent(const char **s, int *exponent)
{
    const char *p = *s + 1; /* past the 'e' */
    bool negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    if (!digit(*p))
        return false;
    int e = 0;
    for (; digit(*p); p++)
        e = e < 1000 ? e * 10 + (*p - '0') : e;
    *exponent += negative ? -e : e;
    *s = p;
    return true;
}

/* A plain decimal number, not negative: "2", "0.5", "1e9". Huge ones become infinite. */
static bool read_number(const char *s, double *ret)
{
    double value = 0;
    int exponent = 0, digits = 0;
    s = skip_spaces(s);
    if (*s == '+')
        s++;
    for (; digit(*s); s++, digits++)
        value = value * 10 + (*s - '0');
    if (*s == '.') {
        for (s++; digit(*s); s++, digits++) {
            if (exponent <= -300) /* far below a microsecond: the rest cannot matter */
                continue;
            value = value * 10 + (*s - '0');
            exponent--;
        }
    }
    if (digits == 0 || ((*s == 'e' || *s == 'E') && !read_exponent(&s, &exponent)) || !at_end(s))
        return false;
    for (; exponent > 0 && value > 0 && value < 1e30; exponent--)
        value *= 10;
    for (; exponent < 0 && value > 0; exponent++)
        value /= 10;
    *ret = value;
    return true;
}

static bool read_int(const char **s, int min_digits, int max_digits, int *ret)
{
    int n = 0, value = 0;
    for (; n < max_digits && digit(**s); n++, (*s)++)
        value = value * 10 + (**s - '0');
    *ret = value;
    return n >= min_digits;
}

static bool read_char(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

static bool read_month(const char **s, int *ret)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++) {
        if (strncasecmp(*s, names + (size_t)i * 3, 3) == 0) {
            *s += 3;
            *ret = i + 1;
            return true;
        }
    }
    return false;
}

static bool read_clock(const char **s, struct date *d)
{
    return read_int(s, 2, 2, &d->hour) && read_char(s, ':') && read_int(s, 2, 2, &d->minute) &&
           read_char(s, ':') && read_int(s, 2, 2, &d->second);
}

static bool read_gmt(const char *s)
{
    return strncasecmp(s, " GMT", 4) == 0 && at_end(s + 4);
}

/* "06 Nov 1994 08:49:37 GMT" */
static bool read_imf(const char *s, struct date *d)
{
    return read_int(&s, 1, 2, &d->day) && read_char(&s, ' ') && read_month(&s, &d->month) &&
           read_char(&s, ' ') && read_int(&s, 4, 4, &d->year) && read_char(&s, ' ') &&
           read_clock(&s, d) && read_gmt(s);
}

/* "06-Nov-94 08:49:37 GMT": two digits of a year, at most 50 years ahead of now. */
static bool read_rfc850(const char *s, int64_t wall_us, struct date *d)
{
    if (!(read_int(&s, 2, 2, &d->day) && read_char(&s, '-') && read_month(&s, &d->month) &&
          read_char(&s, '-') && read_int(&s, 2, 2, &d->year) && read_char(&s, ' ') &&
          read_clock(&s, d) && read_gmt(s)))
        return false;
    int64_t this_year = 1970 + wall_us / ((int64_t)31556952 * USEC_PER_SEC);
    d->year += (int)(this_year / 100 * 100);
    if (d->year > this_year + 50)
        d->year -= 100;
    else if (d->year + 50 <= this_year)
        d->year += 100;
    return true;
}

/* "Nov  6 08:49:37 1994" */
static bool read_asctime(const char *s, struct date *d)
{
    if (!read_month(&s, &d->month) || !read_char(&s, ' '))
        return false;
    s = skip_spaces(s);
    return read_int(&s, 1, 2, &d->day) && read_char(&s, ' ') && read_clock(&s, d) &&
           read_char(&s, ' ') && read_int(&s, 4, 4, &d->year) && at_end(s);
}

/* The three forms of RFC 9110, 5.6.7. The day's name is skipped: it adds nothing. */
static bool read_http_date(const char *s, int64_t wall_us, int64_t *ret_us)
{
    struct date d = {.year = 0};
    s = skip_spaces(s);
    const char *name = s;
    while ((*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z'))
        s++;
    if (s - name < 3)
        return false;
    bool comma = read_char(&s, ',');
    if (!read_char(&s, ' '))
        return false;
    bool ok = comma ? read_imf(s, &d) || read_rfc850(s, wall_us, &d) : read_asctime(s, &d);
    if (!ok || !date_valid(&d))
        return false;
    *ret_us = date_wall_us(&d);
    return true;
}

static int64_t clamp_us(double us)
{
    return us < (double)RETRY_AFTER_MAX_US ? (int64_t)(us + 0.5) : RETRY_AFTER_MAX_US;
}

int64_t retry_after_parse(const char *retry_after_ms, const char *retry_after, int64_t wall_us)
{
    double number;
    int64_t date_us;
    if (retry_after_ms != NULL && read_number(retry_after_ms, &number))
        return clamp_us(number * (double)USEC_PER_MSEC);
    if (retry_after == NULL)
        return -1;
    if (read_number(retry_after, &number))
        return clamp_us(number * (double)USEC_PER_SEC);
    if (!read_http_date(retry_after, wall_us, &date_us))
        return -1;
    if (date_us <= wall_us)
        return 0;
    int64_t wait_us = date_us - wall_us;
    return wait_us < RETRY_AFTER_MAX_US ? wait_us : RETRY_AFTER_MAX_US;
}
