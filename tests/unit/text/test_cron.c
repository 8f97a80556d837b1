/* In: schedules. Out: their times, held against tables made by hand and against a plain scan of all
 * minutes by the C library's clock; or the place where they are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/rng.h"
#include "text/cron.h"

static struct cron *parsed(const char *text)
{
    struct cron *c = NULL;
    struct errmsg msg = {""};
    if (cron_parse(text, &c, &msg) != OK)
        fail_msg("%s: %s", text, msg.text);
    return c;
}

/* "2026-11-23 17:00" in UTC, perhaps with seconds. */
static int64_t at(const char *text)
{
    struct tm tm = {0};
    int n = sscanf(text, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                   &tm.tm_min, &tm.tm_sec);
    assert_true(n >= 5);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t)timegm(&tm) * USEC_PER_SEC;
}

/* ---- what is read ---- */

static void refuses_with_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "empty"},
        {"   ", "empty"},
        {"* * * *", "weekday, at character 8: it is missing"},
        {"* * * * * *", "at character 11: there are five fields"},
        {"60 * * * *", "minute, at character 1: 60 is out of range: 0 to 59"},
        {"* 24 * * *", "hour, at character 3: 24 is out of range"},
        {"* * 0 * *", "day of the month, at character 5: 0 is out of range: 1 to 31"},
        {"* * 32 * *", "32 is out of range"},
        {"* * * 13 *", "month, at character 7: 13 is out of range"},
        {"* * * * 8", "weekday, at character 9: 8 is out of range"},
        {"* * * * foo", "weekday, at character 9: 'foo' is no value: 0 to 7 or sun to sat"},
        {"* * * mon *", "month, at character 7: 'mon' is no value"},
        {"5-1 * * * *", "at character 4: the range runs backwards"},
        {"* * * * sat-sun", "the week ends with 7"},
        {"5/15 * * * *", "at character 2: a step needs a range before it: 5-59/..."},
        {"*/0 * * * *", "minute, at character 3: a step is a number from 1"},
        {"*/ * * * *", "a step is a number"},
        {"1,,2 * * * *", "at character 3: ',' is no value"},
        {"1, * * * *", "at character 3: a value is missing"},
        {"1- * * * *", "a value is missing"},
        {"*x * * * *", "at character 2: 'x' cannot stand here"},
        {"99999999999999999999 * * * *", "out of range"},
        {"-1 * * * *", "'-' is no value"},
        {"* * $,1 * *", "day of the month, at character 5: '$' is no value"},
        {"* * 1,$ * *", "'$' is no value"},
        {"$ * * * *", "'$' is no value"},
        {"0 0 30 2 *", "it never fires"},
        {"0 0 31 4,6,9,11 *", "it never fires"},
        {"0 seconds", "seconds are 1 to 59"},
        {"60 seconds", "seconds are 1 to 59"},
        {"5 minutes", "'minutes' is no value"},
        {"@often", "'@often' is none of"},
        {"@daily 5", "nothing may follow @daily"},
        {"CRON_TZ=Nowhere/City * * * * *", "at character 9: there is no time zone 'Nowhere/City'"},
        {"CRON_TZ=../../etc/passwd * * * * *", "there is no time zone"},
        {"CRON_TZ=/etc/localtime * * * * *", "there is no time zone"},
        {"CRON_TZ= * * * * *", "there is no time zone ''"},
        {"CRON_TZ=UTC", "minute, at character 12: it is missing"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cron *c = NULL;
        struct errmsg msg = {""};
        if (cron_parse(rows[i].text, &c, &msg) != ERR_INVALID)
            fail_msg("'%s' was taken", rows[i].text);
        if (strstr(msg.text, rows[i].says) == NULL)
            fail_msg("'%s': %s", rows[i].text, msg.text);
        assert_null(c);
    }
}

static void refuses_what_is_too_long(void **state)
{
    (void)state;
    char text[CRON_TEXT_MAX + 20];
    struct cron *c = NULL;
    memset(text, ' ', sizeof text);
    (void)snprintf(text + CRON_TEXT_MAX - 9, 20, "* * * * *");
    assert_int_equal(cron_parse(text + 0, &c, NULL), OK); /* 200 */
    cron_free(c);
    (void)snprintf(text + CRON_TEXT_MAX - 8, 20, "* * * * *");
    assert_int_equal(cron_parse(text, &c, NULL), ERR_INVALID);
}

static void knows_reboot_and_seconds(void **state)
{
    (void)state;
    struct cron *c = parsed("@reboot");
    assert_true(cron_is_reboot(c));
    assert_true(cron_next(c, at("2026-11-23 17:00")) == 0);
    cron_free(c);
    static const char *const tens[] = {"10 seconds", "10 SECOND", " 10  seconds ",
                                       "CRON_TZ=Asia/Tokyo 10 seconds"};
    for (size_t i = 0; i < 4; i++) {
        c = parsed(tens[i]);
        assert_false(cron_is_reboot(c));
        assert_true(cron_interval_us(c) == 10000000);
        assert_true(cron_next(c, 1234567) == 11234567);
        cron_free(c);
    }
    c = parsed("* * * * *");
    assert_true(cron_interval_us(c) == 0);
    cron_free(c);
}

/* ---- times, by hand ---- */

struct row {
    const char *text, *after, *times[6];
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct cron *c = parsed(rows[i].text);
        int64_t t = at(rows[i].after);
        for (size_t k = 0; k < 6 && rows[i].times[k] != NULL; k++) {
            char got[CLOCK_ISO_SIZE], want[CLOCK_ISO_SIZE];
            t = cron_next(c, t);
            clock_iso(t, got);
            clock_iso(at(rows[i].times[k]), want);
            if (strcmp(got, want) != 0)
                fail_msg("%s after %s, %zu: %s, not %s", rows[i].text, rows[i].after, k + 1, got,
                         want);
        }
        cron_free(c);
    }
}
#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof(rows)[0])

static void fires_by_the_fields(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"* * * * *", "2026-11-23 17:00", {"2026-11-23 17:01", "2026-11-23 17:02"}},
        {"* * * * *", "2026-11-23 17:00:59", {"2026-11-23 17:01"}},
        {"*/15 * * * *", "2026-11-23 17:40", {"2026-11-23 17:45", "2026-11-23 18:00"}},
        {"5-59/15 * * * *", "2026-11-23 17:40", {"2026-11-23 17:50", "2026-11-23 18:05"}},
        {"0,30 9-10 * * *",
         "2026-11-23 09:30",
         {"2026-11-23 10:00", "2026-11-23 10:30", "2026-11-24 09:00"}},
        {"30 4 1,15 * *", "2026-11-23 00:00", {"2026-12-01 04:30", "2026-12-15 04:30"}},
        {"0 0 * jan *", "2026-11-23 00:00", {"2027-01-01 00:00", "2027-01-02 00:00"}},
        {"0 0 * FEB-apr/2 *", "2027-02-28 00:00", {"2027-04-01 00:00"}},
        {"0 22 * * 1-5", "2026-11-20 22:00", {"2026-11-23 22:00"}}, /* Friday, Monday */
        {"0 22 * * mon-fri", "2026-11-20 22:00", {"2026-11-23 22:00"}},
        {"5 4 * * sun", "2026-11-23 00:00", {"2026-11-29 04:05"}},
        {"5 4 * * 7", "2026-11-23 00:00", {"2026-11-29 04:05"}},
        {"5 4 * * 0", "2026-11-23 00:00", {"2026-11-29 04:05"}},
        {"0 0 * * 6-7", "2026-11-23 00:00", {"2026-11-28 00:00", "2026-11-29 00:00"}},
        {"@yearly", "2026-11-23 00:00", {"2027-01-01 00:00", "2028-01-01 00:00"}},
        {"@Annually", "2026-11-23 00:00", {"2027-01-01 00:00"}},
        {"@monthly", "2026-11-23 00:00", {"2026-12-01 00:00", "2027-01-01 00:00"}},
        {"@weekly", "2026-11-23 00:00", {"2026-11-29 00:00", "2026-12-06 00:00"}},
        {"@daily", "2026-11-23 00:00", {"2026-11-24 00:00"}},
        {"@midnight", "2026-11-23 00:00", {"2026-11-24 00:00"}},
        {"@hourly", "2026-11-23 00:00", {"2026-11-23 01:00"}},
        {"\t0 0\t*  * * ", "2026-12-31 23:59", {"2027-01-01 00:00"}},
        {"*/1000 */100 * * *", "2026-11-23 00:00", {"2026-11-24 00:00"}},
    };
    CHECK(rows);
}

static void day_and_weekday_are_ored_unless_one_begins_with_a_star(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* crontab(5)'s own example: the 1st, the 15th, and each Friday */
        {"30 4 1,15 * 5",
         "2026-11-23 00:00",
         {"2026-11-27 04:30", "2026-12-01 04:30", "2026-12-04 04:30", "2026-12-11 04:30",
          "2026-12-15 04:30", "2026-12-18 04:30"}},
        {"0 0 13 * fri", "2026-11-01 00:00", {"2026-11-06 00:00", "2026-11-13 00:00"}},
        /* odd days that are Mondays */
        {"0 0 */2 * mon",
         "2026-11-01 00:00",
         {"2026-11-09 00:00", "2026-11-23 00:00", "2026-12-07 00:00"}},
        /* the 13th, when it is a Sunday, Wednesday or Saturday: 0, 3, 6 */
        {"0 0 13 * */3", "2026-11-01 00:00", {"2026-12-13 00:00", "2027-01-13 00:00"}},
        {"0 0 30 2 mon", "2026-11-23 00:00", {"2027-02-01 00:00", "2027-02-08 00:00"}},
    };
    CHECK(rows);
}

static void months_end_as_the_calendar_says(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0 12 $ * *",
         "2027-01-31 12:00",
         {"2027-02-28 12:00", "2027-03-31 12:00", "2027-04-30 12:00"}},
        {"0 12 $ 2 *", "2027-03-01 00:00", {"2028-02-29 12:00", "2029-02-28 12:00"}},
        {"0 0 29 2 *", "2028-02-29 00:00", {"2032-02-29 00:00"}},
        {"0 0 29 2 *", "2096-03-01 00:00", {"2104-02-29 00:00"}}, /* 2100 has none */
        {"0 0 31 * *", "2027-01-31 00:00", {"2027-03-31 00:00", "2027-05-31 00:00"}},
        {"59 23 31 12 *", "2026-12-31 23:58", {"2026-12-31 23:59", "2027-12-31 23:59"}},
        {"0 0 $ * 1", "2027-01-25 00:00", {"2027-01-31 00:00", "2027-02-01 00:00"}},
        /* on a Sunday: 28 years, and 40 over 2100 */
        {"0 0 29 2 */7", "2026-11-23 00:00", {"2032-02-29 00:00", "2060-02-29 00:00"}},
        {"0 0 29 2 */7", "2088-03-01 00:00", {"2128-02-29 00:00"}},
    };
    CHECK(rows);
}

static void zones_have_their_own_day(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"CRON_TZ=Asia/Kolkata 0 9 * * *", "2026-11-23 00:00", {"2026-11-23 03:30"}},
        {"CRON_TZ=Asia/Kathmandu 0 0 * * *", "2026-11-23 00:00", {"2026-11-23 18:15"}},
        {"CRON_TZ=Pacific/Kiritimati 0 0 1 * *", "2026-11-23 00:00", {"2026-11-30 10:00"}},
        {"CRON_TZ=America/Los_Angeles 30 17 $ * *", "2026-11-23 00:00", {"2026-12-01 01:30"}},
        {"CRON_TZ=UTC 0 9 * * *", "2026-11-23 00:00", {"2026-11-23 09:00"}},
        {"CRON_TZ=Europe/Berlin @daily", "2026-07-01 00:00", {"2026-07-01 22:00"}},
    };
    CHECK(rows);
}

/* United States: 2026-03-08 02:00 EST -> 03:00 EDT (07:00 UTC), 2026-11-01 02:00 EDT -> 01:00 EST
 * (06:00 UTC). Berlin: 2026-03-29 01:00 UTC, 2026-10-25 01:00 UTC. */
static void what_a_gap_leaves_out_fires_once_at_its_end(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"CRON_TZ=America/New_York 30 2 * * *",
         "2026-03-07 00:00",
         {"2026-03-07 07:30", "2026-03-08 07:00", "2026-03-09 06:30"}},
        {"CRON_TZ=America/New_York 0,15,30,45 2 * * *",
         "2026-03-07 07:45",
         {"2026-03-08 07:00", "2026-03-09 06:00"}},
        {"CRON_TZ=America/New_York 0 2,3 * * *",
         "2026-03-07 08:00",
         {"2026-03-08 07:00", "2026-03-09 06:00"}},
        {"CRON_TZ=America/New_York 30 1,2,3 * * *",
         "2026-03-08 00:00",
         {"2026-03-08 06:30", "2026-03-08 07:00", "2026-03-08 07:30", "2026-03-09 05:30"}},
        {"CRON_TZ=Europe/Berlin 30 2 29 3 *",
         "2026-01-01 00:00",
         {"2026-03-29 01:00", "2027-03-29 00:30"}},
        /* midnight itself is left out: Beirut, 2026-03-29 00:00 -> 01:00 */
        {"CRON_TZ=Asia/Beirut 0 0 * * *",
         "2026-03-28 12:00",
         {"2026-03-28 22:00", "2026-03-29 21:00"}},
        /* by half an hour: Lord Howe, 2026-10-04 02:00 -> 02:30 (15:30 UTC the day before) */
        {"CRON_TZ=Australia/Lord_Howe 15 2 * * *",
         "2026-10-03 12:00",
         {"2026-10-03 15:30", "2026-10-04 15:15"}},
        /* a whole day: Samoa had no 2011-12-30; the 31st began at 10:00 UTC */
        {"CRON_TZ=Pacific/Apia 0 12 30 12 *", "2011-12-01 00:00", {"2011-12-30 10:00"}},
        {"CRON_TZ=Pacific/Apia 0 12 * * *",
         "2011-12-29 00:00",
         {"2011-12-29 22:00", "2011-12-30 10:00", "2011-12-30 22:00"}},
        /* the hour is a star: it follows the time that passes */
        {"CRON_TZ=America/New_York 30 * * * *",
         "2026-03-08 06:00",
         {"2026-03-08 06:30", "2026-03-08 07:30"}},
        {"CRON_TZ=America/New_York */30 */2 * * *",
         "2026-03-08 05:30",
         {"2026-03-08 08:00", "2026-03-08 08:30"}},
    };
    CHECK(rows);
}

static void what_a_repeat_shows_twice_fires_once(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"CRON_TZ=America/New_York 30 1 * * *",
         "2026-10-31 12:00",
         {"2026-11-01 05:30", "2026-11-02 06:30"}},
        {"CRON_TZ=America/New_York 30 1 * * *", "2026-11-01 05:30", {"2026-11-02 06:30"}},
        {"CRON_TZ=America/New_York 30 1 * * *", "2026-11-01 06:10", {"2026-11-02 06:30"}},
        {"CRON_TZ=America/New_York */20 1 * * *",
         "2026-11-01 00:00",
         {"2026-11-01 05:00", "2026-11-01 05:20", "2026-11-01 05:40", "2026-11-02 06:00"}},
        {"CRON_TZ=America/New_York 0 1-2 * * *",
         "2026-11-01 00:00",
         {"2026-11-01 05:00", "2026-11-01 07:00", "2026-11-02 06:00"}},
        {"CRON_TZ=Europe/Berlin 30 2 * * *",
         "2026-10-24 12:00",
         {"2026-10-25 00:30", "2026-10-26 01:30"}},
        /* midnight comes twice: Havana, 2026-11-01 01:00 -> 00:00 */
        {"CRON_TZ=America/Havana 0 0 * * *",
         "2026-10-31 12:00",
         {"2026-11-01 04:00", "2026-11-02 05:00"}},
        /* the hour is a star: both hours count */
        {"CRON_TZ=America/New_York 30 * * * *",
         "2026-11-01 05:00",
         {"2026-11-01 05:30", "2026-11-01 06:30", "2026-11-01 07:30"}},
        {"CRON_TZ=America/New_York */30 * * * *",
         "2026-11-01 05:00",
         {"2026-11-01 05:30", "2026-11-01 06:00", "2026-11-01 06:30", "2026-11-01 07:00"}},
        {"CRON_TZ=America/New_York 30 * 1 11 *",
         "2026-11-01 05:00",
         {"2026-11-01 05:30", "2026-11-01 06:30"}},
        {"CRON_TZ=America/Havana 30 * 31 10 *", "2026-11-01 03:00", {"2026-11-01 03:30"}},
    };
    CHECK(rows);
}

/* ---- times, by a scan of all minutes ---- */

struct plain { /* what the random text means */
    uint64_t bits[5];
    bool star[5], last;
};

static const int lows[] = {0, 0, 1, 1, 0}, highs[] = {59, 23, 31, 12, 6};

static void random_field(struct rng *rng, int i, struct plain *p, struct buf *out)
{
    int low = lows[i], high = highs[i], span = high - low + 1;
    uint32_t kind = rng_below(rng, i == 2 ? 5 : 4);
    if (kind == 0 || (i >= 2 && rng_below(rng, 2) == 0)) {
        int step = rng_below(rng, 2) == 0 ? 1 : 1 + (int)rng_below(rng, (uint32_t)span);
        p->star[i] = true;
        for (int v = low; v <= high; v += step)
            p->bits[i] |= (uint64_t)1 << v;
        buf_putf(out, step > 1 ? "*/%d " : "* ", step);
    } else if (kind == 4) {
        p->last = true;
        buf_puts(out, "$ ");
    } else {
        for (uint32_t k = 0; k < kind; k++) {
            int a = low + (int)rng_below(rng, (uint32_t)span);
            int b = a + (int)rng_below(rng, (uint32_t)(high - a + 1));
            int step = 1 + (int)rng_below(rng, 9);
            for (int v = a; v <= b; v += step)
                p->bits[i] |= (uint64_t)1 << v;
            buf_putf(out, "%s%d-%d/%d", k > 0 ? "," : "", a, b, step);
        }
        buf_puts(out, " ");
    }
}

/* The minute whose local time is that many seconds, as if in UTC. */
static bool plain_matches(const struct plain *p, int64_t local)
{
    time_t t = (time_t)local, tomorrow = t + 86400;
    struct tm tm, next;
    gmtime_r(&t, &tm);
    gmtime_r(&tomorrow, &next);
    bool day = p->last ? next.tm_mday == 1 : (p->bits[2] >> tm.tm_mday & 1) != 0;
    bool week = (p->bits[4] >> tm.tm_wday & 1) != 0;
    bool either = p->star[2] || p->star[4] ? day && week : day || week;
    return either && (p->bits[0] >> tm.tm_min & 1) != 0 && (p->bits[1] >> tm.tm_hour & 1) != 0 &&
           (p->bits[3] >> (tm.tm_mon + 1) & 1) != 0;
}

static int64_t local_of(int64_t utc)
{
    time_t t = (time_t)utc;
    struct tm tm;
    localtime_r(&t, &tm);
    return utc + tm.tm_gmtoff;
}

#define WARM_UP (2 * 1440) /* minutes before, to know what clocks have shown already */

/* Walks minute by minute; `from` and `to` are seconds, whole minutes. */
static size_t scan(const struct plain *p, int64_t from, int64_t to, int64_t *times, size_t max)
{
    size_t n = 0;
    int64_t seen = local_of(from - WARM_UP * 60);
    for (int64_t utc = from - WARM_UP * 60 + 60; utc <= to && n < max; utc += 60) {
        int64_t local = local_of(utc);
        bool fire = plain_matches(p, local);
        if (!p->star[1]) {
            fire = fire && local > seen;
            for (int64_t left_out = seen + 60; left_out < local && !fire; left_out += 60)
                fire = plain_matches(p, left_out);
        }
        if (fire && utc > from)
            times[n++] = utc;
        if (local > seen)
            seen = local;
    }
    return n;
}

/* A time near which clocks change, in that year; or any. */
static int64_t interesting(struct rng *rng)
{
    int64_t start =
        at("2000-01-01 00:00") / USEC_PER_SEC + (int64_t)rng_below(rng, 36u * 365) * 86400;
    if (rng_below(rng, 4) == 0)
        return start + (int64_t)rng_below(rng, 1440) * 60;
    for (int64_t t = start; t < start + (int64_t)400 * 86400; t += 43200) {
        if (local_of(t) - t != local_of(t + 43200) - t - 43200)
            return t - (int64_t)rng_below(rng, 2880) * 60;
    }
    return start;
}

#define TIMES 12000

static void one_random_schedule(struct rng *rng, const char *zone)
{
    static int64_t times[TIMES];
    struct plain p = {0};
    struct buf text = BUF_INIT(CRON_TEXT_MAX);
    struct cron *c = NULL;
    buf_putf(&text, "CRON_TZ=%s ", zone);
    for (int i = 0; i < 5; i++)
        random_field(rng, i, &p, &text);
    if (cron_parse(buf_str(&text), &c, NULL) == OK) {
        int64_t from = interesting(rng), to = from + (int64_t)4 * 86400;
        size_t n = scan(&p, from, to, times, TIMES);
        int64_t t = from * USEC_PER_SEC + (int64_t)rng_below(rng, 60000000);
        for (size_t i = 0; i < n; i++) {
            t = cron_next(c, t);
            if (t != times[i] * USEC_PER_SEC)
                fail_msg("%s from %lld: %lld, not %lld", buf_str(&text), (long long)from,
                         (long long)(t / USEC_PER_SEC), (long long)times[i]);
        }
        t = cron_next(c, t);
        if (n < TIMES && t != 0 && t <= to * USEC_PER_SEC)
            fail_msg("%s from %lld: %lld too", buf_str(&text), (long long)from,
                     (long long)(t / USEC_PER_SEC));
        cron_free(c);
    }
    buf_free(&text);
}

static void agrees_with_a_scan_of_all_minutes(void **state)
{
    (void)state;
    static const char *const zones[] = {
        "UTC",          "America/New_York",  "Europe/Berlin",       "Europe/London",
        "Asia/Kolkata", "Asia/Kathmandu",    "Australia/Lord_Howe", "America/Sao_Paulo",
        "Asia/Tehran",  "Africa/Casablanca", "Pacific/Apia",        "America/Havana",
        "Asia/Beirut",  "Pacific/Chatham",   "Africa/Cairo",        "America/St_Johns",
    };
    uint64_t seed =
        getenv("SEED") != NULL ? strtoull(getenv("SEED"), NULL, 10) : rng_seed_from_os();
    struct rng rng = rng_seed(seed, 1);
    print_message("SEED=%llu\n", (unsigned long long)seed);
    for (int i = 0; i < 640; i++) {
        const char *zone = zones[i % 16];
        assert_int_equal(setenv("TZ", zone, 1), 0);
        tzset();
        one_random_schedule(&rng, zone);
    }
    (void)unsetenv("TZ");
    tzset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_with_the_place),
        cmocka_unit_test(refuses_what_is_too_long),
        cmocka_unit_test(knows_reboot_and_seconds),
        cmocka_unit_test(fires_by_the_fields),
        cmocka_unit_test(day_and_weekday_are_ored_unless_one_begins_with_a_star),
        cmocka_unit_test(months_end_as_the_calendar_says),
        cmocka_unit_test(zones_have_their_own_day),
        cmocka_unit_test(what_a_gap_leaves_out_fires_once_at_its_end),
        cmocka_unit_test(what_a_repeat_shows_twice_fires_once),
        cmocka_unit_test(agrees_with_a_scan_of_all_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
