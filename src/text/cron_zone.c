/* In: the name of a time zone, a time. Out: how far its clocks are from UTC. */
#include <ctype.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/cron_impl.h"

#define NAME_MAX_BYTES 64
#define DAY            86400

struct zone {
    GTimeZone *tz;
};

/* GLib looks the name up as a file: nothing that leads elsewhere. */
static bool is_name(const char *name)
{
    if (strlen(name) > NAME_MAX_BYTES || !isalpha((unsigned char)name[0]))
        return false;
    for (const char *at = name; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("_+-/", *at) == NULL)
            return false;
    }
    return true;
}

struct zone *zone_new(const char *name)
{
    GTimeZone *tz = is_name(name) ? g_time_zone_new_identifier(name) : NULL;
    if (tz == NULL)
        return NULL;
    struct zone *z = mem_alloc(sizeof *z);
    z->tz = tz;
    return z;
}

void zone_free(struct zone *z)
{
    if (z == NULL)
        return;
    g_time_zone_unref(z->tz);
    free(z);
}

int64_t zone_offset(const struct zone *z, int64_t utc)
{
    if (z == NULL)
        return 0;
    gint interval = g_time_zone_find_interval(z->tz, G_TIME_TYPE_UNIVERSAL, utc);
    return interval < 0 ? 0 : g_time_zone_get_offset(z->tz, interval);
}

/* Somewhere in (from, to] it is another one. */
static int64_t bisect(const struct zone *z, int64_t from, int64_t to)
{
    int64_t before = zone_offset(z, from);
    while (to - from > 1) {
        int64_t middle = from + (to - from) / 2;
        if (zone_offset(z, middle) == before)
            from = middle;
        else
            to = middle;
    }
    return to;
}

int64_t zone_change(const struct zone *z, int64_t from, int64_t to)
{
    if (z == NULL)
        return to + 1;
    int64_t before = zone_offset(z, from);
    for (int64_t at = from; at < to;) {
        int64_t next = at + DAY < to ? at + DAY : to;
        if (zone_offset(z, next) != before)
            return bisect(z, at, next);
        at = next;
    }
    return to + 1;
}
