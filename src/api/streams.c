/* In: watched jobs, and clients that want to hear of them. Out: server-sent events, as fast as each
 * client takes them. */
#include "api/streams.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "api/answer.h"
#include "api/feed.h"
#include "api/handlers.h"
#include "api/metric_table.h"
#include "api/scope.h"
#include "api/told.h"
#include "base/clock.h"
#include "io/sse.h"

#define UNSENT_MAX   ((size_t)64 * 1024)  /* a client that owes more gets nothing new */
#define EVENT_BYTES  ((size_t)256 * 1024) /* of one event, escapes and all */
#define STALLED_US   (30 * USEC_PER_SEC)  /* ... and is cut after so long */
#define HEARTBEAT_US (15 * USEC_PER_SEC)
#define LIFE_US      (3600 * USEC_PER_SEC) /* then it asks again, with a key that still holds */
#define ALL_MAX      128                   /* clients that see many jobs */
#define SUBS_MAX     2000                  /* jobs that one of them may wait to hear of */

struct sub { /* one job that a client hears of */
    struct sub *prev, *next;
    struct client *client;
    struct cursor cursor;
    bool begun; /* the cursor stands where it should begin */
};

struct client {
    struct client *prev, *next;
    struct streams *streams;
    struct api_request *rq;
    struct sub *subs;
    struct scope_share *share; /* hears of all that it may see; NULL = of one job */
    bool open;                 /* the stream was begun */
    bool over;                 /* ended or cut: gone soon */
    bool blocked, has_id, texts;
    struct event_id id; /* to go on behind; of one job */
    size_t n_subs;
    int64_t since_us;                       /* of all: what has ended since is new to it; wall */
    struct told told;                       /* ... but these */
    int64_t opened_us, sent_us, blocked_us; /* loop clock */
};

struct scope_share { /* clients that may see the same */
    struct scope_share *prev, *next;
    struct streams *streams;
    struct scope *scope;
    size_t clients;
};

struct streams {
    struct api *api;
    struct feed *feed;
    struct client *clients;
    struct scope_share *shares;
    size_t n, n_all, max;
    bool draining;
};

static int64_t now_of(const struct client *c)
{
    return loop_now(c->streams->api->loop);
}

/* ---- writing ---- */

static void write_bytes(struct client *c, const struct buf *bytes)
{
    struct metrics *metrics = c->streams->api->metrics;
    if (http_stream_write(c->rq->x, bytes->data, bytes->len) != OK)
        c->over = true;
    metrics_add(metrics, METRIC_STREAM_BYTES, 0, (int64_t)bytes->len);
    c->sent_us = now_of(c);
}

static void end(struct client *c)
{
    if (c->open && !c->over)
        http_stream_end(c->rq->x);
    c->over = true;
}

static bool takes_more(struct client *c)
{
    bool room = http_stream_unsent(c->rq->x) < UNSENT_MAX;
    if (room)
        c->blocked = false;
    else if (!c->blocked) {
        c->blocked = true;
        c->blocked_us = now_of(c);
    }
    return room;
}

/* In the stream of all jobs an id is a time and what ended before it: where each job is would not
 * fit. */
static const char *id_of(const struct client *c, const struct cursor *cursor, char *out)
{
    struct event_id id;
    if (c->share != NULL)
        return told_id(&c->told, loop_wall(c->streams->api->loop), out);
    cursor_id(cursor, &id);
    return event_id_text(&id, out);
}

/* False: the client takes no more for now. */
static bool pump(struct client *c, struct sub *sub)
{
    char id[TOLD_ID_SIZE];
    struct buf data = BUF_INIT(EVENT_BYTES), out = BUF_INIT(2 * EVENT_BYTES);
    enum watch_event event;
    while (!c->over && takes_more(c)) {
        if (!c->texts)
            cursor_skip_text(&sub->cursor);
        buf_clear(&data);
        buf_clear(&out);
        if (!cursor_next(&sub->cursor, &event, &data))
            break;
        if (event == WATCH_DONE && c->share != NULL)
            told_add(&c->told, &sub->cursor.watch->job, loop_wall(c->streams->api->loop));
        (void)!sse_write(&out, watch_event_name(event), id_of(c, &sub->cursor, id), buf_str(&data),
                         data.len);
        write_bytes(c, &out);
        metrics_add(c->streams->api->metrics, METRIC_STREAM_EVENTS, event, 1);
    }
    buf_free(&data);
    buf_free(&out);
    return !c->blocked;
}

/* ---- subs ---- */

static struct sub *sub_new(struct client *c, const struct uuid *job)
{
    struct sub *sub = mem_alloc(sizeof *sub);
    sub->client = c;
    DL_APPEND(c->subs, sub);
    c->n_subs++;
    feed_join(c->streams->feed, job, &sub->cursor, sub);
    return sub;
}

static void sub_free(struct sub *sub)
{
    DL_DELETE(sub->client->subs, sub);
    sub->client->n_subs--;
    feed_leave(sub->client->streams->feed, &sub->cursor);
    free(sub);
}

static bool may_see(const struct client *c, const struct watch *w)
{
    const struct principal *who = &c->rq->who;
    return who->role == ROLE_OPERATOR || uuid_equal(&who->user_id, &w->user_id);
}

/* ---- one job ---- */

static void open_stream(struct client *c)
{
    static const char hello[] = "retry: 2000\n\n";
    c->open = true;
    c->opened_us = now_of(c);
    api_answer_stream(c->rq);
    struct buf out = BUF_INIT(sizeof hello);
    buf_puts(&out, hello);
    write_bytes(c, &out);
    buf_free(&out);
}

/* The first look has come: there is such a job and it may be seen, or not. */
static void begin_one(struct client *c, struct sub *sub)
{
    const struct watch *w = sub->cursor.watch;
    if (c->rq->answered) { /* it took too long */
        c->over = true;
        return;
    }
    if (w->gone || !may_see(c, w)) {
        api_answer_error(c->rq, 404, "Not found", "there is no such job");
        c->over = true;
        return;
    }
    sub->begun = true;
    if (c->has_id)
        cursor_resume(&sub->cursor, &c->id);
    if (sub->cursor.done) { /* nothing will come: the client need not ask again */
        api_answer(c->rq, 204, NULL, NULL, "", 0);
        c->over = true;
        return;
    }
    open_stream(c);
}

static void serve_one(struct client *c, struct sub *sub)
{
    struct watch *w = sub->cursor.watch;
    /* A client that comes from another node may know more than we have asked for yet. */
    if (!sub->begun && (!w->loaded || w->looked <= sub->cursor.since))
        return;
    if (!c->over && !sub->begun)
        begin_one(c, sub);
    if (c->over)
        return;
    if (!w->gone && !may_see(c, w)) {
        end(c);
        return;
    }
    if (pump(c, sub) && sub->cursor.done)
        end(c);
}

/* ---- all jobs ---- */

/* Of those that run, what they are writing, from its start; of ended ones, that they have. */
static void serve_all(struct client *c, struct sub *sub)
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
    if (!w->gone && !may_see(c, w)) {
        sub_free(sub);
        return;
    }
    if (pump(c, sub) && sub->cursor.done)
        sub_free(sub);
}

static void on_news(void *ctx, struct watch *w)
{
    struct cursor *at, *next;
    (void)ctx;
    DL_FOREACH_SAFE (w->cursors, at, next) {
        struct sub *sub = at->owner;
        if (sub->client->share != NULL)
            serve_all(sub->client, sub);
        else
            serve_one(sub->client, sub);
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
static void offer(struct client *c, const struct uuid *job)
{
    if (c->over || has_sub(c, job))
        return;
    if (c->n_subs < SUBS_MAX) {
        (void)sub_new(c, job);
        return;
    }
    c->over = true;
    http_cut(c->rq->x);
}

static void on_job(void *ctx, struct scope *scope, const struct store_job *job)
{
    struct streams *s = ctx;
    bool ended = scope_tells_ended(scope);
    /* What was asked before the end that was told since is old. */
    int64_t since = ended ? 0 : scope_wall_us(scope);
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (c->share == NULL || c->share->scope != scope)
            continue;
        if (ended && scope_ended_us(job) < c->since_us)
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

static void share_leave(struct scope_share *share)
{
    if (share == NULL || --share->clients > 0)
        return;
    DL_DELETE(share->streams->shares, share);
    scope_free(share->scope);
    free(share);
}

/* ---- clients ---- */

static void on_gone(struct api_request *rq)
{
    struct client *c = rq->state;
    struct streams *s = c->streams;
    struct sub *sub, *next;
    DL_FOREACH_SAFE (c->subs, sub, next)
        sub_free(sub);
    s->n--;
    s->n_all -= c->share != NULL;
    share_leave(c->share);
    told_free(&c->told);
    DL_DELETE(s->clients, c);
    free(c);
}

static struct client *client_new(struct api_request *rq, bool all)
{
    struct streams *s = rq->api->streams;
    if (s->draining || s->n >= s->max || (all && s->n_all >= ALL_MAX)) {
        api_answer_error(rq, 503, "Service unavailable", "%s",
                         s->draining ? "the server is about to end"
                                     : "too many event streams are open; try again later");
        return NULL;
    }
    struct client *c = mem_alloc(sizeof *c);
    *c = (struct client){.streams = s, .rq = rq, .texts = true};
    DL_APPEND(s->clients, c);
    s->n++;
    rq->state = c;
    rq->gone = on_gone;
    return c;
}

static void keep_alive(struct client *c)
{
    static const char beat[] = ":\n\n";
    struct buf out = BUF_INIT(sizeof beat);
    if (now_of(c) - c->sent_us < HEARTBEAT_US || c->blocked)
        return;
    buf_puts(&out, beat);
    write_bytes(c, &out);
    buf_free(&out);
}

/* What has waited for a client that reads slowly goes on; one that does not read is cut. */
static void catch_up(struct client *c)
{
    struct sub *sub, *next;
    if (!takes_more(c)) {
        if (now_of(c) - c->blocked_us > STALLED_US) {
            c->over = true;
            http_cut(c->rq->x);
        }
        return;
    }
    DL_FOREACH_SAFE (c->subs, sub, next) {
        if (c->share != NULL)
            serve_all(c, sub);
        else
            serve_one(c, sub);
    }
}

static void on_tick(void *ctx)
{
    struct streams *s = ctx;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (!c->open || c->over)
            continue;
        if (c->blocked)
            catch_up(c);
        if (!c->over)
            keep_alive(c);
        if (!c->over && now_of(c) - c->opened_us > LIFE_US)
            end(c);
    }
}

/* ---- requests ---- */

static bool is_head(struct api_request *rq)
{
    if (strcmp(http_method(rq->x), "HEAD") != 0)
        return false;
    api_answer(rq, 200, "text/event-stream", NULL, "", 0);
    return true;
}

void handle_job_events(struct api_request *rq)
{
    struct uuid id;
    const char *last = http_request_header(rq->x, "Last-Event-ID");
    if (!api_request_id(rq, 0, &id) || is_head(rq))
        return;
    struct client *c = client_new(rq, false);
    if (c == NULL)
        return;
    /* An id that is not ours is as good as none: everything is told. */
    c->has_id = last != NULL && event_id_parse(last, &c->id) == OK;
    api_request_set_deadline(rq, API_ANSWER_US);
    (void)sub_new(c, &id);
}

/* Behind the id that it comes back with, or from now on. */
static void begin_all(struct client *c, const char *last)
{
    struct streams *s = c->streams;
    int64_t told_us;
    c->since_us = loop_wall(s->api->loop);
    c->share = share_of(s, &c->rq->who);
    c->share->clients++;
    s->n_all++;
    open_stream(c);
    if (last != NULL && told_parse(&c->told, last, c->since_us, &told_us) == OK) {
        c->since_us = told_us - TOLD_SLACK_US;
        scope_since(c->share->scope, told_us);
    }
    scope_hint(c->share->scope);
}

void handle_events(struct api_request *rq)
{
    const char *text = api_request_query(rq, "text");
    if (text != NULL && strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        api_answer_error(rq, 400, "Bad request", "text: true or false");
        return;
    }
    if (is_head(rq))
        return;
    struct client *c = client_new(rq, true);
    if (c == NULL)
        return;
    c->texts = text == NULL || strcmp(text, "true") == 0;
    begin_all(c, http_request_header(rq->x, "Last-Event-ID"));
}

/* ---- life ---- */

struct streams *streams_new(struct api *api, size_t max)
{
    static const struct feed_handlers handlers = {on_news, on_tick};
    struct streams *s = mem_alloc(sizeof *s);
    s->api = api;
    s->max = max > 0 ? max : STREAMS_MAX;
    s->feed = feed_new(api->loop, api->store, &handlers, s);
    return s;
}

void streams_free(struct streams *s)
{
    if (s == NULL)
        return;
    feed_free(s->feed);
    free(s);
}

void streams_check_keys(struct streams *s)
{
    const struct api *api = s->api;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        struct principal who = auth_check(api->auth, c->rq->x, loop_wall(api->loop));
        bool same = who.role == c->rq->who.role && uuid_equal(&who.user_id, &c->rq->who.user_id);
        if (c->open && !same)
            end(c);
    }
}

void streams_drain(struct streams *s)
{
    s->draining = true;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (c->open)
            end(c);
        else
            api_answer_error(c->rq, 503, "Service unavailable", "the server is about to end");
        c->over = true;
    }
}

size_t streams_open(const struct streams *s)
{
    return s->n;
}

/* A job that begins and ends between two looks is told of all the same. */
static void offer_all(struct streams *s, const struct scope_share *share, const struct uuid *job)
{
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (c->share == share)
            offer(c, job);
    }
}

void streams_event(struct streams *s, const struct engine_event *event)
{
    struct scope_share *share;
    if (s->n == 0 || uuid_is_nil(&event->job))
        return;
    if (event->kind == ENGINE_JOB_CLAIMED) {
        DL_FOREACH (s->shares, share) {
            const struct uuid *user = scope_user(share->scope);
            if (uuid_is_nil(user) || uuid_equal(user, &event->user_id))
                offer_all(s, share, &event->job);
        }
    }
    if (event->kind != ENGINE_JOB_PROGRESS)
        feed_hint(s->feed, &event->job);
}
