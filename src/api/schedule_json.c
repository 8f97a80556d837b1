/* In: schedules and their runs. Out: JSON; and what people write, checked. */
#include "api/schedule_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "text/cron.h"
#include "text/json.h"
#include "text/utf8.h"
#include "store/store_schedules.h"

/* ---- what people write ---- */

enum err schedule_read_missed(const char *text, struct store_schedule *schedule, struct errmsg *msg)
{
    char *end = NULL;
    schedule->missed_max = 1;
    if (strcmp(text, "skip") == 0) {
        schedule->missed = STORE_MISSED_SKIP;
        return OK;
    }
    if (strcmp(text, "once") == 0) {
        schedule->missed = STORE_MISSED_ONCE;
        return OK;
    }
    if (strncmp(text, "all:", 4) == 0 && text[4] >= '1' && text[4] <= '9') {
        long n = strtol(text + 4, &end, 10);
        if (*end == '\0' && n <= STORE_MISSED_LIMIT) {
            schedule->missed = STORE_MISSED_ALL;
            schedule->missed_max = (int)n;
            return OK;
        }
    }
    return err_set(msg, ERR_INVALID, "missed is skip, once or all:N, N from 1 to %d",
                   STORE_MISSED_LIMIT);
}

char *schedule_missed(const struct store_schedule *s, char *out)
{
    static const char *const names[STORE_MISSED_MAX] = {"skip", "once", "all"};
    if (s->missed == STORE_MISSED_ALL)
        (void)snprintf(out, SCHEDULE_MISSED_SIZE, "all:%d", s->missed_max);
    else
        (void)snprintf(out, SCHEDULE_MISSED_SIZE, "%s", names[s->missed]);
    return out;
}

static bool is_text(const char *text)
{
    return text[0] != '\0' && utf8_is_label(text, STORE_LABEL_MAX);
}

enum err schedule_check(const struct store_schedule *s, struct errmsg *msg)
{
    struct cron *cron = NULL;
    struct errmsg why = {""};
    if (!is_text(s->name) || strchr(s->name, '/') != NULL)
        return err_set(msg, ERR_INVALID,
                       "a schedule's name has 1 to %d bytes of text, and no slash",
                       STORE_LABEL_MAX);
    if (s->label != NULL && !is_text(s->label))
        return err_set(msg, ERR_INVALID, "a worker id has 1 to %d bytes of text", STORE_LABEL_MAX);
    if (cron_parse(s->expr, &cron, &why) != OK)
        return err_set(msg, ERR_INVALID, "the schedule cannot be read: %s", why.text);
    cron_free(cron);
    return OK;
}

/* ---- JSON ---- */

static void put_time(struct buf *out, const char *name, int64_t us)
{
    char text[CLOCK_ISO_SIZE];
    json_put_member(out, name, us > 0 ? clock_iso(us, text) : NULL);
}

void schedule_put_json(struct buf *out, const struct store_schedule *s)
{
    char missed[SCHEDULE_MISSED_SIZE];
    buf_puts(out, "{\"name\":");
    json_put_string(out, s->name, strlen(s->name));
    json_put_member(out, "schedule", s->expr);
    json_put_member(out, "worker_id", s->label);
    json_put_member(out, "missed", schedule_missed(s, missed));
    buf_putf(out, ",\"active\":%s", s->active ? "true" : "false");
    put_time(out, "next", s->active ? s->due_us : 0);
    json_put_member(out, "error", s->error);
    put_time(out, "created_at", s->created_us);
    buf_puts(out, "}");
}

void schedule_put_sql(struct buf *out, const struct store_schedule *s)
{
    buf_putf(out, "{\"jobid\":%" PRId64, s->id);
    json_put_member(out, "name", s->name);
    json_put_member(out, "schedule", s->expr);
    json_put_member(out, "user", s->label);
    buf_putf(out, ",\"active\":%s", s->active ? "true" : "false");
    put_time(out, "next", s->active && s->error == NULL ? s->due_us : 0);
    if (s->error != NULL)
        json_put_member(out, "error", s->error);
    buf_puts(out, "}");
}

const char *schedule_run_state(enum store_run_state state)
{
    static const char *const names[STORE_RUN_STATE_MAX] = {"running", "succeeded", "failed",
                                                           "skipped", "lost"};
    return names[state];
}

void schedule_put_run(struct buf *out, const struct store_run *run)
{
    char id[UUID_TEXT_SIZE];
    buf_putf(out, "{\"id\":%" PRId64, run->id);
    json_put_member(out, "schedule", run->name);
    put_time(out, "time", run->fire_us);
    json_put_member(out, "worker_id", run->label);
    json_put_member(out, "state", schedule_run_state(run->state));
    buf_putf(out, ",\"attempt\":%d", run->attempt);
    put_time(out, "started_at", run->claimed_us);
    put_time(out, "ended_at", run->ended_us);
    json_put_member(out, "invocation",
                    uuid_is_nil(&run->invocation) ? NULL : uuid_text(&run->invocation, id));
    json_put_member(out, "node", run->node);
    json_put_member(out, "message", run->message);
    buf_puts(out, "}");
}
