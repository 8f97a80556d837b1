/* In: clients that want to hear of all jobs that they may see. Out: each of those jobs, as it comes
 * up, told by the stream that they have. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/streams_impl.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/sse.h"

#define SUBS_MAX 2000 /* jobs that a client may wait to hear of */

/* ---- one job of many ---- */

/* Of those that run, what they are writing, from its start; of ended ones, that they have; of both
 * the steps that the client can have missed. */
static void serve(struct client *c, struct sub *sub)
{
    const struct watch *w = sub->cursor.watch;
    if (c->over || !w->loaded)
        return;
    if (!sub->begun) {
        sub->begun = true;
        cursor_skip_steps(&sub->cursor, sub->from_us);
        if (watch_is_over(w) && sub->cursor.part == w->done)
            cursor_skip_text(&sub->cursor);
    }
    if (!w->gone && !stream_may_see(c, w)) {
        stream_sub_free(sub);
        return;
    }
    if (stream_pump(c, sub) && sub->cursor.done)
        stream_sub_free(sub);
}

/* Ends of the record wait for their turn. */
void streams_all_serve(struct client *c, struct sub *sub)
{
    if (!sub->ended)
        serve(c, sub);
}

/* In their order, so that an id can say up to which they were told. */
void streams_all_serve_ended(struct client *c)
{
    struct sub *sub, *next;
    DL_FOREACH_SAFE (c->subs, sub, next) {
        const struct watch *w = sub->cursor.watch;
        size_t before = c->n_ending;
        if (!sub->ended)
            continue;
        if (c->over || !w->loaded)
            return;
        if (!w->gone && !watch_is_over(w)) { /* it was run again since */
            sub->ended = false;
            c->n_ending--;
            serve(c, sub);
            continue;
        }
        serve(c, sub);
        if (c->n_ending == before)
            return;
    }
}

/* ---- which jobs ---- */

static bool has_sub(const struct client *c, const struct uuid *job)
{
    const struct watch *w = feed_find(c->streams->feed, job);
    for (const struct cursor *at = w != NULL ? w->cursors : NULL; at != NULL; at = at->next) {
        if (((const struct sub *)at->owner)->client == c)
            return true;
    }
    return false;
}

/* A client that does not read is not owed more and more: it comes back, and says from where. */
static struct sub *offer(struct client *c, const struct uuid *job)
{
    if (c->over || has_sub(c, job))
        return NULL;
    if (c->n_subs < SUBS_MAX) {
        struct sub *sub = stream_sub_new(c, job);
        sub->from_us = c->since_us;
        return sub;
    }
    c->over = true;
    http_cut(c->rq->x);
    return NULL;
}

static bool is_earlier(const struct told_point *a, const struct told_point *b)
{
    if (a->us != b->us)
        return a->us < b->us;
    return memcmp(a->job.bytes, b->job.bytes, sizeof a->job.bytes) < 0;
}

struct told_point streams_all_until(const struct client *c)
{
    struct told_point until = {.us = loop_wall(c->streams->api->loop)};
    if (c->catching_up && is_earlier(&c->owed, &until))
        until = c->owed;
    if (c->behind_us > 0 && c->behind_us < until.us)
        until = (struct told_point){.us = c->behind_us};
    if (c->n_ending == 0)
        return until;
    for (const struct sub *sub = c->subs; sub != NULL; sub = sub->next) {
        if (sub->ended && !sub->cursor.done && is_earlier(&sub->before, &until))
            until = sub->before;
    }
    return until;
}

/* Of the record's own clock: who goes on from here need not look back further, as from a time. */
static struct told_point before(const struct told_point *end)
{
    struct told_point point = {.us = end->us - 1};
    memset(point.job.bytes, 0xff, sizeof point.job.bytes);
    return point;
}

/* In the order of their ends. */
static void offer_ended(struct client *c, const struct store_live_job *job)
{
    struct told_point end = {job->ended_us, job->id};
    bool offered = c->catching_up && c->exact && !is_earlier(&c->owed, &end);
    if (offered || end.us < c->since_us)
        return;
    /* An end that was told since then is this one, by whatever clock. */
    if (told_has(&c->told, &job->id, job->ended_us - TOLD_SLACK_US))
        return;
    struct sub *sub = offer(c, &job->id);
    if (sub == NULL)
        return;
    sub->ended = true;
    sub->before =
        c->share->latest.us > 0 ? c->share->latest : (struct told_point){.us = job->ended_us};
    if (c->catching_up && is_earlier(&sub->before, &c->owed))
        sub->before = c->share->latest.us > 0 ? c->share->latest : before(&end);
    c->n_ending++;
}

static void on_job(void *ctx, struct scope *scope, const struct store_live_job *job)
{
    struct streams *s = ctx;
    struct scope_share *share = NULL;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (c->share == NULL || c->share->scope != scope)
            continue;
        share = c->share;
        if (job->ended_us > 0)
            offer_ended(c, job);
        else if (!told_has(&c->told, &job->id, scope_wall_us(scope))) /* it has ended meanwhile */
            (void)offer(c, &job->id);
    }
    if (share != NULL && job->ended_us > 0)
        share->latest = (struct told_point){job->ended_us, job->id};
}

/* It was there when this look began. */
static bool is_looked_for(const struct client *c, const struct scope *scope)
{
    return c->share != NULL && c->share->scope == scope && c->opened_us <= scope_began_us(scope);
}

/* Who catches up takes what there is before more is read. */
static bool on_page(void *ctx, struct scope *scope)
{
    struct streams *s = ctx;
    bool room = true;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (!c->catching_up || c->over || !is_looked_for(c, scope))
            continue;
        room = room && c->n_subs <= SUBS_MAX / 2;
        if (!is_earlier(&c->owed, &c->share->latest))
            continue;
        c->owed = c->share->latest;
        c->exact = true;
    }
    return room;
}

/* Ends since it left are not remembered any more: it cannot go on without a gap. */
static void tell_gap(struct client *c)
{
    char id[TOLD_ID_SIZE], since[CLOCK_ISO_SIZE];
    struct buf data = BUF_INIT(256), out = BUF_INIT(1024);
    struct told_point until = streams_all_until(c);
    buf_putf(&data, "{\"job_id\":null,\"since\":\"%s\"}", clock_iso(c->since_us, since));
    (void)!sse_write(&out, "gap", told_id(&c->told, &until, id), buf_str(&data), data.len);
    stream_write(c, &out);
    buf_free(&data);
    buf_free(&out);
}

static void on_looked(void *ctx, struct scope *scope)
{
    struct streams *s = ctx;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (!is_looked_for(c, scope))
            continue;
        if (c->catching_up && scope_forgot(scope) && !c->over)
            tell_gap(c);
        c->catching_up = false;
        c->share->latest.us = 0;
        if (c->since_us < scope_wall_us(scope) - TOLD_SLACK_US)
            c->since_us = scope_wall_us(scope) - TOLD_SLACK_US;
        told_forget(&c->told, c->since_us - TOLD_SLACK_US);
    }
}

static struct scope_share *share_of(struct streams *s, const struct principal *who)
{
    static const struct scope_handlers handlers = {on_job, on_page, on_looked};
    struct uuid user = {0};
    struct scope_share *share;
    if (who->role == ROLE_USER)
        user = who->user_id;
    DL_FOREACH (s->shares, share)
        if (uuid_equal(scope_user(share->scope), &user))
            return share;
    share = mem_alloc(sizeof *share);
    share->streams = s;
    share->scope = scope_new(s->api->loop, s->api->store, &user, &handlers, s);
    DL_APPEND(s->shares, share);
    return share;
}

void streams_all_leave(struct scope_share *share)
{
    if (share == NULL || --share->clients > 0)
        return;
    DL_DELETE(share->streams->shares, share);
    scope_free(share->scope);
    free(share);
}

/* A job that begins and ends between two looks is told of all the same. */
static void offer_all(struct streams *s, const struct scope_share *share, const struct uuid *job)
{
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (c->share == share)
            (void)offer(c, job);
    }
}

void streams_all_claimed(struct streams *s, const struct uuid *job, const struct uuid *user)
{
    struct scope_share *share;
    DL_FOREACH (s->shares, share) {
        const struct uuid *whose = scope_user(share->scope);
        if (uuid_is_nil(whose) || uuid_equal(whose, user))
            offer_all(s, share, job);
    }
}

/* ---- requests ---- */

/* Behind the id that it comes back with, or from now on. */
static void begin_all(struct client *c, const char *last)
{
    struct streams *s = c->streams;
    c->since_us = loop_wall(s->api->loop);
    c->share = share_of(s, &c->rq->who);
    c->share->clients++;
    s->n_all++;
    stream_open(c);
    if (last != NULL && told_parse(&c->told, last, c->since_us, &c->owed) == OK) {
        /* Of the last moments ends may still come to the record before those that were told. */
        c->exact = !uuid_is_nil(&c->owed.job) && c->owed.us < c->since_us - 2 * TOLD_SLACK_US;
        c->since_us = c->exact ? c->owed.us : c->owed.us - TOLD_SLACK_US;
        c->catching_up = true;
        scope_since(c->share->scope, c->owed.us);
    }
    scope_hint(c->share->scope);
}

void handle_events(struct api_request *rq)
{
    const char *text = api_request_query(rq, "text");
    bool texts = true;
    if (text != NULL && !api_read_flag(text, &texts)) {
        api_answer_error(rq, 400, "Bad request", "text: true or false");
        return;
    }
    if (stream_is_head(rq))
        return;
    struct client *c = stream_client_new(rq, true);
    if (c == NULL)
        return;
    c->texts = texts;
    begin_all(c, http_request_header(rq->x, "Last-Event-ID"));
}
