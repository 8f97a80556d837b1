/* In: watched jobs, and clients that want to hear of them. Out: server-sent events, as fast as each
 * client takes them. */
#include "api/streams.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/metric_table.h"
#include "api/streams_impl.h"
#include "base/clock.h"
#include "io/sse.h"

#define UNSENT_MAX   ((size_t)64 * 1024)  /* a client that owes more gets nothing new */
#define EVENT_BYTES  ((size_t)256 * 1024) /* of one event, escapes and all */
#define STALLED_US   (30 * USEC_PER_SEC)  /* ... and is cut after so long */
#define HEARTBEAT_US (15 * USEC_PER_SEC)
#define LIFE_US      (3600 * USEC_PER_SEC) /* then it asks again, with a key that still holds */

static int64_t now_of(const struct client *c)
{
    return loop_now(c->streams->api->loop);
}

/* ---- writing ---- */

void stream_write(struct client *c, const struct buf *bytes)
{
    struct metrics *metrics = c->streams->api->metrics;
    if (http_stream_write(c->rq->x, bytes->data, bytes->len) != OK)
        c->over = true;
    metrics_add(metrics, METRIC_STREAM_BYTES, 0, (int64_t)bytes->len);
    c->sent_us = now_of(c);
}

void stream_end(struct client *c)
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
        if (c->behind_us == 0)
            c->behind_us = loop_wall(c->streams->api->loop);
    }
    return room;
}

/* In the stream of all jobs an id is a time and what ended before it: where each job is would not
 * fit. */
static const char *id_of(const struct client *c, const struct cursor *cursor, char *out)
{
    struct event_id id;
    if (c->share != NULL) {
        struct told_point until = streams_all_until(c);
        return told_id(&c->told, &until, out);
    }
    cursor_id(cursor, &id);
    return event_id_text(&id, out);
}

/* False: the client takes no more for now. */
bool stream_pump(struct client *c, struct sub *sub)
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
        stream_write(c, &out);
        metrics_add(c->streams->api->metrics, METRIC_STREAM_EVENTS, event, 1);
    }
    buf_free(&data);
    buf_free(&out);
    return !c->blocked;
}

/* ---- subs ---- */

struct sub *stream_sub_new(struct client *c, const struct uuid *job)
{
    struct sub *sub = mem_alloc(sizeof *sub);
    sub->client = c;
    DL_APPEND(c->subs, sub);
    c->n_subs++;
    feed_join(c->streams->feed, job, &sub->cursor, sub);
    return sub;
}

void stream_sub_free(struct sub *sub)
{
    DL_DELETE(sub->client->subs, sub);
    sub->client->n_subs--;
    sub->client->n_ending -= sub->ended;
    feed_leave(sub->client->streams->feed, &sub->cursor);
    free(sub);
}

bool stream_may_see(const struct client *c, const struct watch *w)
{
    const struct principal *who = &c->rq->who;
    return who->role == ROLE_OPERATOR || uuid_equal(&who->user_id, &w->user_id);
}

/* ---- one job ---- */

void stream_open(struct client *c)
{
    static const char hello[] = "retry: 2000\n\n";
    c->open = true;
    c->opened_us = now_of(c);
    api_answer_stream(c->rq);
    struct buf out = BUF_INIT(sizeof hello);
    buf_puts(&out, hello);
    stream_write(c, &out);
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
    if (w->gone || !stream_may_see(c, w)) {
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
    stream_open(c);
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
    if (!w->gone && !stream_may_see(c, w)) {
        stream_end(c);
        return;
    }
    if (stream_pump(c, sub) && sub->cursor.done)
        stream_end(c);
}

/* ---- news ---- */

static void on_news(void *ctx, struct watch *w)
{
    struct cursor *at, *next;
    (void)ctx;
    DL_FOREACH_SAFE (w->cursors, at, next) {
        struct sub *sub = at->owner;
        if (sub->client->share != NULL)
            streams_all_serve(sub->client, sub);
        else
            serve_one(sub->client, sub);
    }
}

/* ---- clients ---- */

static void on_gone(struct api_request *rq)
{
    struct client *c = rq->state;
    struct streams *s = c->streams;
    struct sub *sub, *next;
    DL_FOREACH_SAFE (c->subs, sub, next)
        stream_sub_free(sub);
    s->n--;
    s->n_all -= c->share != NULL;
    streams_all_leave(c->share);
    told_free(&c->told);
    DL_DELETE(s->clients, c);
    free(c);
}

struct client *stream_client_new(struct api_request *rq, bool all)
{
    struct streams *s = rq->api->streams;
    if (s->draining || s->n >= s->max || (all && s->n_all >= STREAMS_ALL_MAX)) {
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
    stream_write(c, &out);
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
            streams_all_serve(c, sub);
        else
            serve_one(c, sub);
    }
    if (!c->blocked)
        c->behind_us = 0;
}

static void on_tick(void *ctx)
{
    struct streams *s = ctx;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (!c->open || c->over)
            continue;
        if (c->blocked)
            catch_up(c);
        if (!c->over && !c->blocked && c->n_ending > 0)
            streams_all_serve_ended(c);
        if (!c->over)
            keep_alive(c);
        if (!c->over && now_of(c) - c->opened_us > LIFE_US)
            stream_end(c);
    }
}

/* ---- requests ---- */

bool stream_is_head(struct api_request *rq)
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
    if (!api_request_id(rq, 0, &id) || stream_is_head(rq))
        return;
    struct client *c = stream_client_new(rq, false);
    if (c == NULL)
        return;
    /* An id that is not ours is as good as none: everything is told. */
    c->has_id = last != NULL && event_id_parse(last, &c->id) == OK;
    api_request_set_deadline(rq, API_ANSWER_US);
    (void)stream_sub_new(c, &id);
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
            stream_end(c);
    }
}

void streams_drain(struct streams *s)
{
    s->draining = true;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (c->open)
            stream_end(c);
        else
            api_answer_error(c->rq, 503, "Service unavailable", "the server is about to end");
        c->over = true;
    }
}

size_t streams_open(const struct streams *s)
{
    return s->n;
}

void streams_event(struct streams *s, const struct engine_event *event)
{
    if (s->n == 0 || uuid_is_nil(&event->job))
        return;
    if (event->kind == ENGINE_JOB_CLAIMED)
        streams_all_claimed(s, &event->job, &event->user_id);
    if (event->kind != ENGINE_JOB_PROGRESS)
        feed_hint(s->feed, &event->job);
}
