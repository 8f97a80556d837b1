/* In: what is used and what waits, what is ours. Out: what to ask for, and buckets that keep to it.
 */
#include "provider/share.h"

#include <string.h>

#include "base/clock.h"
#include "provider/pacer_impl.h"

#define SURE_US  (10 * USEC_PER_SEC) /* a part lasts so long without anybody to confirm it ... */
#define HALF_US  (10 * USEC_PER_SEC) /* ... and is halved as often as this passes after that */
#define IDLE_US  (5 * USEC_PER_SEC)  /* unused for so long: its part is for others */
#define COUNT_US (250 * USEC_PER_MSEC)
#define SAME_US  (100 * USEC_PER_MSEC) /* two times that tell of the same refusal */
#define EVENT_US USEC_PER_SEC          /* an overload that is another one */
#define CUT_OLD  (60 * USEC_PER_SEC)

int64_t share_left(int64_t part, int64_t age_us)
{
    if (part <= 0 || age_us < SURE_US)
        return part;
    int64_t halvings = (age_us - SURE_US) / HALF_US + 1;
    return halvings < 62 ? part >> halvings : 0;
}

static struct bucket *bucket_of(struct pace_class *c, int limit)
{
    return limit == PACE_REQUESTS ? &c->requests
           : limit == PACE_INPUT  ? &c->input
                                  : &c->output.bucket;
}

void pacer_share_begin(struct pacer *p)
{
    p->shared = true;
}

void pacer_share_waits(struct pacer *p, const struct pacer_need *need)
{
    struct pace_share *s = NULL;
    for (struct pace_class *c = p->classes; c != NULL && s == NULL; c = c->next)
        s = strcmp(c->name, need->rate_class) == 0 ? &c->share : NULL;
    if (s == NULL) /* it has not asked for admission yet */
        return;
    s->waiting_requests++;
    s->waiting_input += need->input_tokens;
    s->waiting_streams += need->output_tokens > 0;
}

static int64_t left_us(int64_t until_us, int64_t now_us)
{
    return until_us > now_us ? until_us - now_us : 0;
}

static void ask(struct pace_class *c, struct share_ask *out, int64_t now_us)
{
    struct pace_share *s = &c->share;
    int64_t span_us = now_us - s->counted_us > COUNT_US ? now_us - s->counted_us : COUNT_US;
    double scale = 60.0 * (double)USEC_PER_SEC / (double)span_us;
    double rate = output_meter_rate(&c->output);
    double more = (double)s->waiting_streams * output_meter_average(&c->output);
    int64_t input = s->used_input > 0 ? s->used_input : 0; /* estimates are corrected later */
    *out = (struct share_ask){
        .rate_class = c->name,
        .wanted = {(int64_t)((double)s->used_requests * scale) + s->waiting_requests * 60,
                   (int64_t)((double)input * scale) + s->waiting_input * 60,
                   (int64_t)((rate + more) * 60)},
        .committed = (int64_t)(rate * 60),
        .told_us = s->told_us > 0 ? now_us - s->told_us : -1,
        .cut_us = s->cut_us > 0 && now_us - s->cut_us < CUT_OLD ? now_us - s->cut_us : -1,
    };
    for (int i = 0; i < PACE_LIMIT_MAX; i++) {
        out->limit[i] = bucket_of(c, i)->per_minute;
        out->frozen_us[i] = left_us(s->frozen_until_us[i], now_us);
    }
}

static void age(struct pace_class *c, int64_t now_us)
{
    for (int i = 0; i < PACE_LIMIT_MAX && c->share.agreed; i++)
        bucket_set_part(bucket_of(c, i), share_left(c->share.part[i], now_us - c->share.asked_us),
                        now_us);
}

size_t pacer_share_asks(struct pacer *p, struct share_ask *out, size_t max, int64_t now_us)
{
    size_t n = 0;
    for (struct pace_class *c = p->classes; c != NULL && n < max; c = c->next) {
        struct pace_share *s = &c->share;
        age(c, now_us);
        if (c->running > 0 || s->waiting_requests > 0 || s->used_requests > 0)
            s->used_us = now_us;
        if (now_us - s->used_us > IDLE_US)
            s->agreed = false;
        else
            ask(c, &out[n++], now_us);
        s->used_requests = s->used_input = 0;
        s->waiting_requests = s->waiting_input = s->waiting_streams = 0;
        s->counted_us = now_us;
        s->lacks = false;
    }
    return n;
}

/* What others were told and refused holds for us too. */
static void obey(struct pace_class *c, const struct share *share, int64_t now_us)
{
    struct pace_share *s = &c->share;
    for (int i = 0; i < PACE_LIMIT_MAX; i++) {
        struct bucket *b = bucket_of(c, i);
        if (share->frozen_us[i] > 0 && now_us + share->frozen_us[i] > b->frozen_until_us + SAME_US)
            bucket_freeze(b, now_us + share->frozen_us[i], 0, now_us);
    }
    if (share->cut_us < 0)
        return;
    int64_t at_us = now_us - share->cut_us;
    int64_t known_us = s->cut_us > s->obeyed_cut_us ? s->cut_us : s->obeyed_cut_us;
    if (at_us <= known_us + EVENT_US && known_us > 0)
        return;
    s->obeyed_cut_us = at_us;
    concurrency_cut(&c->concurrency, c->running, now_us);
}

void pacer_share_set(struct pacer *p, const char *rate_class, const struct share *share,
                     int64_t asked_us, int64_t now_us)
{
    struct pace_class *c = pacer_class(p, rate_class, now_us);
    struct pace_share *s = &c->share;
    for (int i = 0; i < PACE_LIMIT_MAX; i++) {
        struct bucket *b = bucket_of(c, i);
        s->part[i] = share->part[i];
        bool news = share->limit[i] > 0 && s->told_us <= asked_us;
        if (news && share->limit[i] != b->per_minute)
            bucket_set_limit(b, share->limit[i], now_us);
    }
    s->agreed = true;
    s->asked_us = asked_us;
    age(c, now_us);
    obey(c, share, now_us);
}

bool pacer_share_lacks(const struct pacer *p)
{
    for (const struct pace_class *c = p->classes; c != NULL; c = c->next) {
        if (c->share.lacks)
            return true;
    }
    return false;
}
