/* In: clients that want to hear of all jobs that they may see. Out: each of those jobs, as it comes
 * up, told by the stream that they have. */
#include <stdlib.h>
#include <utlist.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/streams_impl.h"
#include "base/mem.h"

#define SUBS_MAX 2000 /* jobs that a client may wait to hear of */

/* ---- one job of many ---- */

/* Of those that run, what they are writing, from its start; of ended ones, that they have. */
void streams_all_serve(struct client *c, struct sub *sub)
{
    const struct watch *w = sub->cursor.watch;
    if (c->over || !w->loaded)
        return;
    if (!sub->begun) {
        sub->begun = true;
        cursor_skip_steps(&sub->cursor);
        if (watch_is_over(w))
            cursor_skip_text(&sub->cursor);
    }
    if (!w->gone && !stream_may_see(c, w)) {
        stream_sub_free(sub);
        return;
    }
    if (stream_pump(c, sub) && sub->cursor.done)
        stream_sub_free(sub);
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
static void offer(struct client *c, const struct uuid *job)
{
    if (c->over || has_sub(c, job))
        return;
    if (c->n_subs < SUBS_MAX) {
        (void)stream_sub_new(c, job);
        return;
    }
    c->over = true;
    http_cut(c->rq->x);
}

static void on_job(void *ctx, struct scope *scope, const struct store_live_job *job)
{
    struct streams *s = ctx;
    bool ended = job->ended_us > 0;
    /* What was asked before the end that was told since is old. */
    int64_t since = ended ? 0 : scope_wall_us(scope);
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (c->share == NULL || c->share->scope != scope)
            continue;
        if (ended && job->ended_us < c->since_us)
            continue;
        if (!told_has(&c->told, &job->id, since))
            offer(c, &job->id);
    }
}

static void on_looked(void *ctx, struct scope *scope)
{
    struct streams *s = ctx;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (c->share == NULL || c->share->scope != scope || c->opened_us > scope_began_us(scope))
            continue;
        if (c->since_us < scope_wall_us(scope) - TOLD_SLACK_US)
            c->since_us = scope_wall_us(scope) - TOLD_SLACK_US;
        told_forget(&c->told, c->since_us - TOLD_SLACK_US);
    }
}

static struct scope_share *share_of(struct streams *s, const struct principal *who)
{
    static const struct scope_handlers handlers = {on_job, on_looked};
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
            offer(c, job);
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
    int64_t told_us;
    c->since_us = loop_wall(s->api->loop);
    c->share = share_of(s, &c->rq->who);
    c->share->clients++;
    s->n_all++;
    stream_open(c);
    if (last != NULL && told_parse(&c->told, last, c->since_us, &told_us) == OK) {
        c->since_us = told_us - TOLD_SLACK_US;
        scope_since(c->share->scope, told_us);
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
