/* In: what the database tells of itself. Out: whether it is reachable, whole, and has room. */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "app/doctor.h"
#include "app/fmt.h"
#include "base/clock.h"

#define SKEW_NOTE_US        USEC_PER_SEC
#define SKEW_ILL_US         (30 * USEC_PER_SEC)
#define CONNECTIONS_LEFT    10
#define DISK_ILL_PERCENT    5
#define DISK_ILL_BYTES      ((int64_t)256 << 20)
#define DISK_NOTE_PERCENT   15
#define TRANSACTION_NOTE_US (600 * USEC_PER_SEC)

static const char *way_out(const struct doctor *d)
{
    switch (d->trouble_err) {
    case ERR_NOT_FOUND:
        return "name the one that the daemon uses with --database or DATABASE_URL; scriptorium "
               "migrate makes a new one";
    case ERR_NEWER:
        return "run the newer program, as the daemon's machine may do already";
    case ERR_PERMISSION:
        return d->postgres ? "mend what the line says; then ask again"
                           : "ask as the user that the daemon runs as";
    default:
        return "mend what the line says; then ask again";
    }
}

void look_at_database(struct doctor *d, struct finding *f)
{
    if (d->told == 0) {
        doctor_say(d, f, VERDICT_ILL, "%s", d->trouble);
        doctor_remedy(d, f, "%s", way_out(d));
        return;
    }
    int64_t age = doctor_number(d, "transaction_us", 0);
    char text[FMT_SIZE];
    if (d->trouble != NULL) {
        doctor_say(d, f, VERDICT_ILL, "reached, but: %s", d->trouble);
        doctor_remedy(d, f, "run scriptorium migrate with this version of the program");
    } else if (age > TRANSACTION_NOTE_US) {
        doctor_say(d, f, VERDICT_NOTE, "%s; a transaction has been open for %s",
                   doctor_fact(d, "server"), fmt_seconds(age, text));
        doctor_remedy(d, f,
                      "see pg_stat_activity, ordered by xact_start: an open transaction keeps "
                      "dead rows from being cleaned up");
    } else {
        doctor_say(d, f, VERDICT_WELL, "%s, schema up to date", doctor_fact(d, "server"));
    }
}

void look_at_table(struct doctor *d, struct finding *f)
{
    const char *off = doctor_fact(d, "triggers_off"), *strays = doctor_fact(d, "stray_tables");
    const char *rights = doctor_fact(d, "rights_lacking");
    int64_t hidden = doctor_number(d, "hidden_jobs", 0);
    int64_t unqueued = doctor_number(d, "unqueued_jobs", 0);
    int64_t unlisted = doctor_number(d, "unlisted_jobs", 0);
    if (strays != NULL) {
        doctor_say(d, f, VERDICT_ILL, "there is one queue, and another table feeds it too: %s",
                   strays);
        doctor_remedy(d, f,
                      "drop its triggers scriptorium_*; docs/postgresql.md has the statements");
    } else if (off != NULL) {
        doctor_say(d, f, VERDICT_ILL, "triggers are missing or disabled: %s", off);
        doctor_remedy(d, f, "scriptorium migrate makes them again and queues what went by");
    } else if (hidden > 0) {
        doctor_say(d, f, VERDICT_ILL,
                   "row security hides %" PRId64 "%s queued jobs from the engine", hidden,
                   hidden >= 1000 ? " or more" : "");
        doctor_remedy(d, f,
                      "scriptorium migrate --dry-run shows the policy that is missing; a "
                      "restrictive policy of yours must let the engine's role pass");
    } else if (unqueued > 0) {
        doctor_say(d, f, VERDICT_ILL, "%" PRId64 "%s pending rows are not queued", unqueued,
                   unqueued >= 1000 ? " or more" : "");
        doctor_remedy(d, f,
                      "scriptorium migrate queues them (they were written while the triggers "
                      "were off, as by a restore)");
    } else if (rights != NULL) {
        doctor_say(d, f, VERDICT_NOTE, "the engine may not %s rows of the table", rights);
        doctor_remedy(
            d, f,
            "only an INSERT is needed to enqueue, a DELETE to delete and for retention of "
            "whole rows; scriptorium migrate, run as the table's owner, grants both");
    } else if (unlisted > 0) {
        doctor_say(d, f, VERDICT_NOTE,
                   "a list of all jobs reads each of about %" PRId64 " rows: none of the table's "
                   "indexes begins with created_at",
                   unlisted);
        doctor_remedy(d, f, "scriptorium migrate --dry-run shows the CREATE INDEX");
    } else {
        doctor_say(d, f, VERDICT_WELL, "triggers in place, every pending row is queued");
    }
}

void look_at_connections(struct doctor *d, struct finding *f)
{
    int64_t used = doctor_number(d, "connections_used", -1);
    int64_t most = doctor_number(d, "connections_max", -1);
    if (!d->postgres) {
        doctor_say(d, f, VERDICT_WELL, "an embedded database has none");
        return;
    }
    bool full = used >= most - CONNECTIONS_LEFT / 2 || used * 20 >= most * 19;
    bool tight = used >= most - CONNECTIONS_LEFT || used * 5 >= most * 4;
    doctor_say(
        d, f,
        full    ? VERDICT_ILL
        : tight ? VERDICT_NOTE
                : VERDICT_WELL,
        "%" PRId64 " of %" PRId64 " used of what %.80s allows, %" PRId64 " of them by scriptorium",
        used, most, doctor_fact(d, "connections_of"), doctor_number(d, "connections_ours", 0));
    if (tight)
        doctor_remedy(d, f,
                      "a process takes SCRIPTORIUM_POOL (%" PRId64 ") and one; use a pooler, "
                      "fewer processes, or raise max_connections",
                      d->inv->set.pool);
}

void look_at_notifications(struct doctor *d, struct finding *f)
{
    if (!d->postgres) {
        doctor_say(d, f, VERDICT_WELL, "an embedded database is watched");
    } else if (d->hints == PG_HINTS_LISTENING && d->daemon_deaf) {
        doctor_say(d, f, VERDICT_NOTE,
                   "a NOTIFY from one connection reaches another, but the daemon at %s hears none: "
                   "it finds jobs by polling",
                   d->url);
        doctor_remedy(d, f,
                      "its log says why; it must have the same SCRIPTORIUM_LISTEN_URL as is "
                      "configured here, and comes back by itself once the connection holds");
    } else if (d->hints == PG_HINTS_LISTENING) {
        doctor_say(d, f, VERDICT_WELL, "a NOTIFY from one connection reaches another");
    } else {
        doctor_say(d, f, VERDICT_NOTE, "they do not arrive, jobs are found by polling: %s",
                   d->hints_why != NULL ? d->hints_why : "no answer in time");
        doctor_remedy(d, f,
                      "DATABASE_URL goes to a pooler in transaction mode: give the server's "
                      "own address as SCRIPTORIUM_LISTEN_URL");
    }
}

void look_at_clock(struct doctor *d, struct finding *f)
{
    int64_t skew = llabs(d->skew_us);
    char text[FMT_SIZE];
    if (!d->clock_known) {
        doctor_say(d, f, VERDICT_UNKNOWN, "the database did not tell its time");
        return;
    }
    doctor_say(d, f,
               skew > SKEW_ILL_US    ? VERDICT_ILL
               : skew > SKEW_NOTE_US ? VERDICT_NOTE
                                     : VERDICT_WELL,
               "this machine is %s %s the database", fmt_seconds(skew, text),
               d->skew_us < 0 ? "behind" : "ahead of");
    if (skew > SKEW_NOTE_US)
        doctor_remedy(d, f,
                      "let both follow a time server (chrony, systemd-timesyncd); tokens with "
                      "an expiry and deadlines are judged by this machine's clock");
}

/* Of an embedded store, or of a server whose directory is here; -1 = not known. */
static int64_t disk_figures(struct doctor *d, int64_t *ret_all)
{
    struct statvfs disk;
    const char *dir = doctor_fact(d, "data_directory");
    *ret_all = doctor_number(d, "disk_bytes", -1);
    if (dir == NULL || statvfs(dir, &disk) != 0)
        return doctor_number(d, "disk_free_bytes", -1);
    *ret_all = (int64_t)(disk.f_blocks * disk.f_frsize);
    return (int64_t)(disk.f_bavail * disk.f_frsize);
}

static int64_t database_mib(struct doctor *d)
{
    return (doctor_number(d, "database_bytes", 0) + doctor_number(d, "file_bytes", 0) +
            doctor_number(d, "log_bytes", 0)) >>
           20;
}

void look_at_disk(struct doctor *d, struct finding *f)
{
    int64_t all, left = disk_figures(d, &all);
    char count[FMT_SIZE];
    if (left < 0 || all <= 0) {
        doctor_say(d, f, VERDICT_UNKNOWN,
                   "the database takes %" PRId64
                   " MiB; how much is free a server does not tell, and "
                   "its disk is not seen from here",
                   database_mib(d));
        doctor_remedy(d, f,
                      "look at the host's own figures: df on the data directory (SHOW "
                      "data_directory), or the disk usage that your provider shows");
        return;
    }
    bool ill = left < DISK_ILL_BYTES || left * 100 < all * DISK_ILL_PERCENT;
    bool note = left * 100 < all * DISK_NOTE_PERCENT;
    doctor_say(d, f,
               ill    ? VERDICT_ILL
               : note ? VERDICT_NOTE
                      : VERDICT_WELL,
               "%s MiB free (%" PRId64 " %%), the database takes %" PRId64 " MiB",
               fmt_count(left >> 20, count), left * 100 / all, database_mib(d));
    if (ill || note)
        doctor_remedy(d, f,
                      "make room; a full disk stops the work, loses nothing, and is waited out");
}
