/* In: an answer and a pace. Out: its events as they fall due, several tokens at a time, until it is
 * whole, the client has gone, or its fate strikes. One timer a stream. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "provider/sim/sim_core.h"
#include "provider/sim/sim_events.h"

#define GRID_US (10 * USEC_PER_MSEC) /* streams due in one slot are written in one turn */
#define PING_US (15 * USEC_PER_SEC)
#define MARKS   16 /* the latest writes, to tell how many tokens were delivered */

enum stage {
    STAGE_WAITING,  /* for the first token */
    STAGE_THINKING, /* begun, and silent but for pings */
    STAGE_WRITING,
    STAGE_PINGS, /* nothing but pings, for ever */
    STAGE_OVER   /* nothing more will be written */
};

struct mark { /* after so many bytes, so many tokens had been written */
    uint64_t bytes;
    int64_t tokens;
};

struct sim_stream {
    struct sim *sim;
    struct http_exchange *x;
    struct sim_stream *prev, *next;
    struct sim_answering a;
    struct loop_timer timer;
    struct rng rng;
    enum stage stage;
    bool whole;          /* message_stop was written, or the whole reply */
    bool cut;            /* the connection was closed by us */
    bool struck;         /* its fate has been carried out */
    int64_t begin_us;    /* when the first token is made */
    double us_per_token; /* from then on */
    int64_t made;        /* tokens so far */
    int64_t next_tokens; /* of the next event */
    size_t part;         /* the content block being written */
    int64_t part_made;   /* tokens of it */
    int64_t ping_us;     /* when the next one is due */
    uint64_t written;    /* bytes */
    struct mark marks[MARKS];
    size_t n_marks;
};

static void tick(void *ctx);

static struct truth_entry *entry_of(struct sim_stream *s)
{
    struct truth_entry *e = truth_find(s->sim->truth, s->a.n);
    return e != NULL ? e : &s->sim->forgotten;
}

static void wake_at(struct sim_stream *s, int64_t at_us)
{
    int64_t grid = (at_us + GRID_US - 1) / GRID_US * GRID_US;
    timer_set(s->sim->loop, &s->timer, grid, tick, s);
}

static int64_t token_due_us(const struct sim_stream *s, int64_t token)
{
    return s->begin_us + (int64_t)((double)token * s->us_per_token);
}

/* Sends what the turn has put together. */
static void flush(struct sim_stream *s)
{
    struct buf *out = &s->sim->scratch;
    if (out->len > 0 && http_stream_write(s->x, out->data, out->len) != OK)
        s->stage = STAGE_OVER; /* gone; the exchange will say so */
    s->written += out->len;
    s->marks[s->n_marks++ % MARKS] = (struct mark){.bytes = s->written, .tokens = s->made};
    buf_clear(out);
}

/* Tokens whose bytes have left this machine's socket. */
static int64_t delivered_tokens(const struct sim_stream *s)
{
    size_t unsent = http_stream_unsent(s->x);
    uint64_t sent = unsent < s->written ? s->written - unsent : 0;
    int64_t tokens = 0;
    for (size_t i = 0; i < MARKS && i < s->n_marks; i++)
        if (s->marks[i].bytes <= sent && s->marks[i].tokens > tokens)
            tokens = s->marks[i].tokens;
    return tokens;
}

static void charge(struct sim_stream *s, int64_t tokens)
{
    s->made += tokens;
    entry_of(s)->generated = s->made;
    limits_output(s->sim->limits, s->a.model->rate_class, tokens, loop_now(s->sim->loop));
}

static void on_gone(void *ctx, bool complete)
{
    struct sim_stream *s = ctx;
    struct sim *sim = s->sim;
    struct truth_entry *e = entry_of(s);
    int64_t now = loop_now(sim->loop);
    if (!s->a.stream && s->stage == STAGE_WAITING && now > s->begin_us) {
        /* A reply in one piece was under way, and nobody saw it. */
        int64_t so_far = (int64_t)((double)(now - s->begin_us) / s->us_per_token);
        charge(s, so_far < s->a.answer.tokens ? so_far : s->a.answer.tokens);
        e->billed = true;
    }
    e->completed = complete && s->whole;
    e->aborted = !complete && !s->cut;
    e->delivered = complete ? s->made : s->a.stream ? delivered_tokens(s) : 0;
    e->ended_us = loop_wall(sim->loop);
    timer_stop(sim->loop, &s->timer);
    DL_DELETE(sim->streams, s);
    sim_answer_free(&s->a.answer);
    free(s);
}

static void finish(struct sim_stream *s)
{
    s->stage = STAGE_OVER;
    http_stream_end(s->x);
}

/* Ends the open content block and the message. `stop_reason` NULL: only what came so far. */
static void put_end(struct sim_stream *s, const char *stop_reason, bool message_stop)
{
    struct buf *out = &s->sim->scratch;
    bool thinking = s->part < s->a.answer.n && s->a.answer.parts[s->part].thinking;
    events_put_block_stop(out, s->part, thinking);
    events_put_message_delta(out, stop_reason, s->a.answer.stop_sequence, s->a.input_tokens,
                             s->made);
    if (message_stop)
        events_put_message_stop(out);
    entry_of(s)->stop_reason = stop_reason;
    s->whole = message_stop;
}

/* An error in the middle of the stream. */
static void put_overloaded(struct sim_stream *s)
{
    char id[TRUTH_ID_SIZE];
    char *body = sim_error_body("overloaded_error", "Overloaded", NULL,
                                truth_id("req", s->sim->seed, s->a.n, id));
    events_put_error(&s->sim->scratch, body);
    free(body);
}

/* Half of an event, cut inside a character. */
static void put_half_event(struct buf *out)
{
    size_t had = out->len;
    events_put_delta(out, 0, false, "caf\xC3\xA9", 5);
    out->len -= strlen("\xA9\"}}\n\n");
    if (out->len < had)
        out->len = had;
}

/* What its fate ordered for this token. */
static void strike(struct sim_stream *s)
{
    s->struck = true;
    switch (s->a.fate.fault) {
    case FAULT_529_STREAM:
    case FAULT_ERROR:
        put_overloaded(s);
        flush(s);
        finish(s);
        return;
    case FAULT_FIN:
        flush(s);
        finish(s);
        return;
    case FAULT_NO_STOP:
    case FAULT_REFUSAL:
        put_end(s, s->a.fate.fault == FAULT_REFUSAL ? "refusal" : s->a.answer.stop_reason,
                s->a.fate.fault == FAULT_REFUSAL);
        flush(s);
        finish(s);
        return;
    case FAULT_PINGS:
        s->stage = STAGE_PINGS;
        wake_at(s, s->ping_us);
        return;
    case FAULT_STALL:
        s->stage = STAGE_OVER;
        return;
    default: /* cut, rst */
        if (s->a.fate.fault == FAULT_RST)
            put_half_event(&s->sim->scratch);
        flush(s);
        s->stage = STAGE_OVER;
        s->cut = true;
        http_cut(s->x);
    }
}

static bool strikes_in_stream(const struct sim_stream *s)
{
    return !s->struck && s->a.fate.fault != FAULT_NONE && s->a.fate.fault != FAULT_THINK;
}

/* One event of at most `tokens` tokens of the current block, and the frame around the block. */
static void put_tokens(struct sim_stream *s, int64_t tokens)
{
    struct buf *out = &s->sim->scratch;
    const struct sim_part *p = &s->a.answer.parts[s->part];
    if (tokens > p->tokens - s->part_made)
        tokens = p->tokens - s->part_made;
    size_t from = sim_part_bytes(p, s->part_made), to = sim_part_bytes(p, s->part_made + tokens);
    if (to > from)
        events_put_delta(out, s->part, p->thinking, p->text + from, to - from);
    s->part_made += tokens;
    charge(s, tokens);
    if (s->part_made == p->tokens && s->part + 1 < s->a.answer.n) {
        events_put_block_stop(out, s->part, p->thinking);
        s->part++;
        s->part_made = 0;
        events_put_block_start(out, s->part, s->a.answer.parts[s->part].thinking);
    }
}

/* Writes every event that is due by now. */
static void write_due(struct sim_stream *s)
{
    int64_t now = loop_now(s->sim->loop);
    int64_t total = s->a.answer.tokens;
    int64_t stop =
        strikes_in_stream(s) && s->a.fate.after_tokens < total ? s->a.fate.after_tokens : total;
    while (s->made < stop) {
        int64_t tokens = s->next_tokens < stop - s->made ? s->next_tokens : stop - s->made;
        if (token_due_us(s, s->made + tokens) > now)
            break;
        put_tokens(s, tokens);
        s->next_tokens = latency_event_tokens(s->us_per_token, &s->rng);
    }
    if (s->made < stop) {
        flush(s);
        int64_t left = stop - s->made;
        if (s->stage == STAGE_WRITING)
            wake_at(s, token_due_us(s, s->made + (s->next_tokens < left ? s->next_tokens : left)));
        return;
    }
    if (strikes_in_stream(s)) {
        flush(s);
        strike(s);
        return;
    }
    put_end(s, s->a.answer.stop_reason, true);
    flush(s);
    finish(s);
}

static void put_ping_if_due(struct sim_stream *s)
{
    int64_t now = loop_now(s->sim->loop);
    if (now < s->ping_us)
        return;
    events_put_ping(&s->sim->scratch);
    s->ping_us = now + (int64_t)((double)PING_US / s->sim->latency.speed);
}

static void open_stream(struct sim_stream *s)
{
    struct sim *sim = s->sim;
    char id[TRUTH_ID_SIZE];
    sim_begin_events(sim, s->x, s->a.n, s->a.model->rate_class);
    entry_of(s)->status = 200;
    s->stage = STAGE_WRITING;
    s->ping_us = loop_now(sim->loop) + (int64_t)((double)PING_US / sim->latency.speed);
    if (s->a.fate.fault == FAULT_529_STREAM) {
        strike(s);
        return;
    }
    entry_of(s)->billed = true;
    events_put_message_start(&sim->scratch, truth_id("msg", sim->seed, s->a.n, id), s->a.model->id,
                             s->a.input_tokens);
    if (s->a.fate.fault == FAULT_THINK) {
        s->stage = STAGE_THINKING;
        s->begin_us += (int64_t)(s->a.fate.seconds * 1e6 / sim->latency.speed);
    }
    events_put_block_start(&sim->scratch, 0, s->a.answer.parts[0].thinking);
    events_put_ping(&sim->scratch);
    flush(s);
}

static void reply_whole(struct sim_stream *s)
{
    struct sim *sim = s->sim;
    char id[TRUTH_ID_SIZE];
    if (s->a.fate.fault != FAULT_NONE && s->a.fate.fault != FAULT_THINK) {
        s->stage = STAGE_OVER;
        s->cut = true;
        http_cut(s->x);
        return;
    }
    charge(s, s->a.answer.tokens);
    events_put_message(&sim->scratch, truth_id("msg", sim->seed, s->a.n, id), s->a.model->id,
                       &s->a.answer, s->a.input_tokens);
    struct truth_entry *e = entry_of(s);
    e->status = 200;
    e->billed = true;
    e->stop_reason = s->a.answer.stop_reason;
    s->whole = true;
    s->stage = STAGE_OVER;
    sim_reply_json(sim, s->x, s->a.n, s->a.model->rate_class, sim->scratch.data, sim->scratch.len);
    buf_clear(&sim->scratch);
}

static void tick(void *ctx)
{
    struct sim_stream *s = ctx;
    int64_t now = loop_now(s->sim->loop);
    if (s->stage == STAGE_WAITING && !s->a.stream) {
        reply_whole(s);
        return;
    }
    if (s->stage == STAGE_WAITING)
        open_stream(s);
    if (s->stage == STAGE_OVER)
        return;
    put_ping_if_due(s);
    if (s->stage == STAGE_THINKING && now >= s->begin_us)
        s->stage = STAGE_WRITING;
    if (s->stage == STAGE_WRITING) {
        write_due(s);
        return;
    }
    flush(s);
    bool thinks = s->stage == STAGE_THINKING && s->begin_us < s->ping_us;
    if (s->stage != STAGE_OVER)
        wake_at(s, thinks ? s->begin_us : s->ping_us);
}

void sim_stream_start(struct sim *sim, struct http_exchange *x, struct sim_answering *a)
{
    struct sim_stream *s = mem_alloc(sizeof(*s));
    s->sim = sim;
    s->x = x;
    s->a = *a;
    memset(&a->answer, 0, sizeof(a->answer));
    s->rng = rng_seed(sim->seed, a->n);
    struct latency latency = latency_draw(&sim->latency, &s->rng);
    s->us_per_token = latency.us_per_token;
    s->begin_us = loop_now(sim->loop) + latency.first_us;
    s->next_tokens = latency_event_tokens(s->us_per_token, &s->rng);
    DL_APPEND(sim->streams, s);
    http_on_gone(x, on_gone, s);
    if (s->a.fate.fault == FAULT_SILENT)
        return;
    wake_at(s, s->a.stream ? s->begin_us : token_due_us(s, s->a.answer.tokens));
}

void sim_stream_free_all(struct sim *sim)
{
    while (sim->streams != NULL) {
        struct sim_stream *s = sim->streams;
        DL_DELETE(sim->streams, s);
        timer_stop(sim->loop, &s->timer);
        sim_answer_free(&s->a.answer);
        free(s);
    }
}
