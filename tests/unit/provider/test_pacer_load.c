/* In: the pacer against a simulated provider with buckets of its own, under more demand than it can
 * serve. Out: the limit is used to the full, never passed by more than a burst, and found again
 * when it changes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "pacer_bench.h"

#define STEP_US     (20 * USEC_PER_MSEC)
#define STREAMS_MAX 2048
#define SECONDS_MAX 1200

struct stream {
    uint64_t ticket;
    int64_t first_us; /* message_start */
    int64_t estimated, input;
    double want, rate, made;
    bool started;
};

struct world {
    struct rng rng;
    struct pacer *pacer;
    double per_second[3], level[3], burst_s; /* requests, input, output: their buckets */
    struct stream streams[STREAMS_MAX];
    int n_streams, refused, done;
    double used[3][SECONDS_MAX]; /* per second, by the provider's count */
    double output_median;
    int64_t now;
};

static void set_limits(struct world *w, double rpm, double itpm, double otpm)
{
    const double limit[3] = {rpm, itpm, otpm};
    for (int i = 0; i < 3; i++) {
        w->per_second[i] = limit[i] / 60;
        w->level[i] = fmin(w->level[i], fmax(w->per_second[i] * w->burst_s, 1));
    }
}

static struct rate_report world_rates(const struct world *w)
{
    struct rate_report r = nothing_told();
    struct limit_report *each[3] = {&r.requests, &r.input, &r.output};
    for (int i = 0; i < 3; i++) {
        double unit = i == 0 ? 1 : 1000;
        each[i]->limit = (int64_t)llround(w->per_second[i] * 60);
        each[i]->remaining = (int64_t)(fmax(floor(w->level[i] / unit), 0) * unit);
    }
    r.at_us = w->now;
    return r;
}

static void use(struct world *w, int dimension, double amount)
{
    w->level[dimension] -= amount;
    /* A meter that runs while streams do cannot refuse them: its debt is bounded. */
    w->level[dimension] = fmax(w->level[dimension], -w->per_second[dimension] * w->burst_s);
    w->used[dimension][(w->now - T0) / S] += amount;
}

/* The provider sees a request: refuses it when a bucket is short, else counts it. */
static void arrive(struct world *w, const struct pacer_need *need, uint64_t ticket)
{
    struct stream s = {.ticket = ticket, .estimated = need->input_tokens};
    s.input = (int64_t)((double)need->input_tokens * (0.8 + 0.4 * rng_unit(&w->rng)));
    if (w->level[0] < 1 || w->level[1] < (double)s.input || w->level[2] <= 0) {
        struct provider_end end = end_of(CALL_THROTTLED, 429);
        end.retry_after_us = S;
        end.rates = world_rates(w);
        w->refused++;
        pacer_ended(w->pacer, ticket, &end, w->now, WALL0);
        return;
    }
    use(w, 0, 1);
    use(w, 1, (double)s.input);
    s.rate = fmax(80 * exp(0.25 * rng_normal(&w->rng)), 5);
    s.want = fmax(w->output_median * exp(0.5 * rng_normal(&w->rng)), 10);
    s.first_us = w->now + (int64_t)(1e6 * 0.94 * exp(0.6 * rng_normal(&w->rng)));
    assert_true(w->n_streams < STREAMS_MAX);
    w->streams[w->n_streams++] = s;
}

static bool advance_stream(struct world *w, struct stream *s)
{
    if (w->now < s->first_us)
        return false;
    if (!s->started) {
        s->started = true;
        pacer_started(w->pacer, s->ticket, &(struct usage){.input = s->input}, w->now);
        struct rate_report rates = world_rates(w);
        pacer_report(w->pacer, "sonnet", &rates, w->now, WALL0);
    }
    double made = fmin(s->rate * (double)STEP_US / 1e6, s->want - s->made);
    s->made += made;
    use(w, 2, made);
    pacer_output(w->pacer, s->ticket, (int64_t)s->made, w->now);
    if (s->made < s->want)
        return false;
    struct provider_end end = end_of(CALL_DONE, 200);
    end.billed = end.usage_final = true;
    end.usage = (struct usage){.input = s->input, .output = (int64_t)s->made};
    pacer_ended(w->pacer, s->ticket, &end, w->now, WALL0);
    w->done++;
    return true;
}

static void step(struct world *w, const struct pacer_need *need, int64_t *ask_at)
{
    w->now += STEP_US;
    for (int i = 0; i < 3; i++)
        w->level[i] = fmin(w->level[i] + w->per_second[i] * (double)STEP_US / 1e6,
                           fmax(w->per_second[i] * w->burst_s, 1));
    bool ended = false;
    for (int i = 0; i < w->n_streams; i++) {
        if (advance_stream(w, &w->streams[i])) {
            w->streams[i--] = w->streams[--w->n_streams];
            ended = true;
        }
    }
    while (ended || w->now >= *ask_at) {
        uint64_t ticket;
        *ask_at = pacer_admit(w->pacer, need, w->now, &ticket);
        if (*ask_at != 0)
            break;
        arrive(w, need, ticket);
    }
}

static double most_in_window(const struct world *w, int dimension, int from, int to, int window)
{
    double most = 0;
    for (int i = from; i + window <= to; i++) {
        double sum = 0;
        for (int j = 0; j < window; j++)
            sum += w->used[dimension][i + j];
        most = fmax(most, sum);
    }
    return most;
}

static uint64_t seed(void)
{
    const char *s = getenv("SEED");
    uint64_t value = s != NULL ? strtoull(s, NULL, 10) : rng_seed_from_os() % 1000000;
    print_message("SEED=%llu\n", (unsigned long long)value);
    return value;
}

static struct world *world_new(uint64_t seed_value, const struct pacer_config *config)
{
    struct world *w = mem_alloc(sizeof(*w));
    w->rng = rng_seed(seed_value, 1);
    w->pacer = pacer_new(config);
    w->burst_s = 5;
    for (int i = 0; i < 3; i++)
        w->level[i] = INFINITY;
    set_limits(w, (double)config->requests, (double)config->input_tokens,
               (double)config->output_tokens);
    w->now = T0;
    return w;
}

static void world_free(struct world *w)
{
    pacer_free(w->pacer);
    free(w);
}

static double sum_of(const struct world *w, int dimension, int from, int to)
{
    return most_in_window(w, dimension, from, to, to - from);
}

/* Runs a saturating demand and checks the dimension that binds. */
static void saturate(uint64_t seed_value, const struct pacer_config *config, int binding,
                     const struct pacer_need *need, double output_median, double window_slack)
{
    struct world *w = world_new(seed_value, config);
    w->output_median = output_median;
    int64_t ask_at = 0;
    int seconds = 400, warm = 100;
    while (w->now + STEP_US < T0 + seconds * S)
        step(w, need, &ask_at);
    double rate = w->per_second[binding], burst = rate * 5;
    double share = sum_of(w, binding, warm, seconds) / (rate * (seconds - warm));
    print_message("binding %d: share %.4f, refused %d of %d, most in 1/10/60 s: %.2f %.2f %.2f\n",
                  binding, share, w->refused, w->done,
                  most_in_window(w, binding, warm, seconds, 1) / rate,
                  most_in_window(w, binding, warm, seconds, 10) / rate / 10,
                  most_in_window(w, binding, warm, seconds, 60) / rate / 60);
    assert_true(share > 0.99);
    for (int i = 0; i < 3; i++) {
        const int window = (const int[]){1, 10, 60}[i];
        assert_true(most_in_window(w, binding, 0, seconds, window) <=
                    rate * window + burst + window_slack);
    }
    assert_true(w->refused * 200 <= w->done); /* refusals under half a per cent */
    world_free(w);
}

static void the_request_limit_is_used_to_the_full(void **state)
{
    (void)state;
    struct pacer_config config = {
        .requests = 1000, .input_tokens = 20000000, .output_tokens = 4000000, .burst_us = 4 * S};
    struct pacer_need need = {.rate_class = "sonnet", .input_tokens = 800, .output_tokens = 600};
    saturate(seed(), &config, 0, &need, 500, 1);
}

static void the_input_limit_is_used_to_the_full(void **state)
{
    (void)state;
    struct pacer_config config = {
        .requests = 10000, .input_tokens = 2000000, .output_tokens = 4000000, .burst_us = 4 * S};
    struct pacer_need need = {.rate_class = "sonnet", .input_tokens = 6000, .output_tokens = 300};
    saturate(seed(), &config, 1, &need, 300, 6000);
}

static void the_output_limit_is_used_to_the_full(void **state)
{
    (void)state;
    struct pacer_config config = {
        .requests = 10000, .input_tokens = 20000000, .output_tokens = 1000000, .burst_us = 4 * S};
    struct pacer_need need = {.rate_class = "sonnet", .input_tokens = 800, .output_tokens = 2000};
    saturate(seed(), &config, 2, &need, 2000, 0);
}

static void a_burst_smaller_than_ours_is_learned(void **state)
{
    (void)state;
    struct pacer_config config = {
        .requests = 3000, .input_tokens = 20000000, .output_tokens = 4000000, .burst_us = 4 * S};
    struct pacer_need need = {.rate_class = "sonnet", .input_tokens = 800, .output_tokens = 200};
    struct world *w = world_new(seed(), &config);
    w->output_median = 200;
    w->burst_s = 0.5;
    set_limits(w, 3000, 20000000, 4000000);
    int64_t ask_at = 0;
    while (w->now + STEP_US < T0 + 60 * S)
        step(w, &need, &ask_at);
    int early = w->refused;
    while (w->now + STEP_US < T0 + 300 * S)
        step(w, &need, &ask_at);
    print_message("refused %d in the first minute, then %d; share %.4f\n", early,
                  w->refused - early, sum_of(w, 0, 60, 300) / 50 / 240);
    assert_true(early <= 4 * 50); /* not more than our burst held */
    assert_true(w->refused - early <= 240 * 50 / 100);
    assert_true(sum_of(w, 0, 60, 300) > 0.99 * 50 * 240);
    world_free(w);
}

/* The headers then keep our level far below what our own burst would hold. */
static void the_output_limit_is_used_though_their_burst_is_a_tenth_of_ours(void **state)
{
    (void)state;
    struct pacer_config config = {
        .requests = 100000, .input_tokens = 200000000, .output_tokens = 1000000, .burst_us = 2 * S};
    struct pacer_need need = {.rate_class = "sonnet", .input_tokens = 100, .output_tokens = 200};
    struct world *w = world_new(seed(), &config);
    w->output_median = 200;
    w->burst_s = 0.2;
    set_limits(w, 100000, 200000000, 1000000);
    int64_t ask_at = 0;
    while (w->now + STEP_US < T0 + 200 * S)
        step(w, &need, &ask_at);
    double share = sum_of(w, 2, 50, 200) / (1000000.0 / 60 * 150);
    print_message("share %.4f, refused %d of %d\n", share, w->refused, w->done);
    assert_true(share > 0.97 && share < 1.01);
    world_free(w);
}

static void a_limit_cut_ten_times_is_obeyed_within_a_minute(void **state)
{
    (void)state;
    struct pacer_config config = {
        .requests = 10000, .input_tokens = 20000000, .output_tokens = 1000000, .burst_us = 4 * S};
    struct pacer_need need = {.rate_class = "sonnet", .input_tokens = 800, .output_tokens = 2000};
    struct world *w = world_new(seed(), &config);
    w->output_median = 2000;
    int64_t ask_at = 0;
    while (w->now + STEP_US < T0 + 200 * S)
        step(w, &need, &ask_at);
    set_limits(w, 1000, 2000000, 100000);
    int before = w->refused;
    while (w->now + STEP_US < T0 + 500 * S)
        step(w, &need, &ask_at);
    double rate = 100000.0 / 60;
    print_message("after the cut: %.2f of the limit in the second minute, then %.2f; %d refused\n",
                  sum_of(w, 2, 260, 320) / rate / 60, sum_of(w, 2, 340, 500) / rate / 160,
                  w->refused - before);
    assert_true(sum_of(w, 2, 260, 320) <= rate * 60 * 1.1);
    assert_true(sum_of(w, 2, 340, 500) >= rate * 160 * 0.9);
    assert_true(sum_of(w, 2, 340, 500) <= rate * 160 * 1.05);
    assert_true(w->refused - before < 50);
    world_free(w);
}

/* Whatever happens in whatever order: a told time is in the future, and an idle pacer opens. */
static void random_events_never_wedge_it(void **state)
{
    (void)state;
    struct rng rng = rng_seed(seed(), 2);
    for (int round = 0; round < 200; round++) {
        struct pacer_config config = {.requests = rng_below(&rng, 3) * 600,
                                      .input_tokens = rng_below(&rng, 3) * 60000,
                                      .output_tokens = rng_below(&rng, 3) * 60000,
                                      .burst_us = S + rng_below(&rng, 4) * S};
        struct pacer *p = pacer_new(&config);
        uint64_t open[64];
        int n = 0;
        int64_t now = T0;
        struct pacer_need need = {.rate_class = "sonnet"};
        for (int i = 0; i < 300; i++) {
            now += rng_below(&rng, 400000);
            need.input_tokens = rng_below(&rng, 4000);
            need.output_tokens = rng_below(&rng, 4000);
            uint64_t ticket;
            if (n < 64 && rng_below(&rng, 2) == 0) {
                int64_t at = pacer_admit(p, &need, now, &ticket);
                assert_true(at == 0 || at > now);
                if (at == 0)
                    open[n++] = ticket;
            } else if (n > 0) {
                uint32_t k = rng_below(&rng, (uint32_t)n);
                struct provider_end end =
                    end_of((enum call_class)rng_below(&rng, CALL_PARKED), 429);
                end.retry_after_us = (int64_t)rng_below(&rng, 3000000) - 1;
                end.billed = rng_below(&rng, 2) == 0;
                end.usage.output = rng_below(&rng, 5000);
                end.rates.requests.remaining = (int64_t)rng_below(&rng, 5) - 1;
                end.rates.output.limit = rng_below(&rng, 2) * 30000;
                pacer_output(p, open[k], rng_below(&rng, 3000), now);
                pacer_ended(p, open[k], &end, now, WALL0);
                open[k] = open[--n];
            }
        }
        while (n > 0)
            pacer_ended(p, open[--n], NULL, now, WALL0);
        uint64_t ticket;
        assert_int_equal(pacer_admit(p, &need, now + 120 * S, &ticket), 0);
        pacer_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_limit_is_used_to_the_full),
        cmocka_unit_test(the_input_limit_is_used_to_the_full),
        cmocka_unit_test(the_output_limit_is_used_to_the_full),
        cmocka_unit_test(a_burst_smaller_than_ours_is_learned),
        cmocka_unit_test(the_output_limit_is_used_though_their_burst_is_a_tenth_of_ours),
        cmocka_unit_test(a_limit_cut_ten_times_is_obeyed_within_a_minute),
        cmocka_unit_test(random_events_never_wedge_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
