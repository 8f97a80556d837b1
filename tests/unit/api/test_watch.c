/* In: looks at a job, in every order that a store may give them. Out: whether each client, wherever
 * it stands, hears what leads it to the text that is there, once. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "api/watch.h"
#include "base/mem.h"
#include "base/rng.h"
#include "text/json.h"

/* ---- a job as a store would have it ---- */

#define STEPS_MAX 6

struct stored {
    struct uuid id, user;
    int run, n;
    struct {
        char key[24], hash[24];
        int64_t place;
        char *text;
    } steps[STEPS_MAX];
    int64_t places;
    char key[24], hash[24]; /* of the running step; "" = none */
    struct uuid call;
    struct buf text;
    enum job_status status;
    int progress;
    bool deleted;
};

/* Answers as store_follow() promises. */
static void look(const struct stored *m, struct watch *w)
{
    struct store_follow ask;
    struct store_step steps[STEPS_MAX];
    struct store_followed f = {.found = !m->deleted, .steps = steps};
    watch_ask(w, &ask);
    f.job = (struct store_job){.id = m->id,
                               .user_id = m->user,
                               .status = m->status,
                               .progress = m->progress,
                               .run = m->run,
                               .current_step = "step"};
    bool known = false;
    for (int i = 0; i < m->n; i++)
        known = known || (ask.run == m->run && ask.place == m->steps[i].place &&
                          strcmp(ask.step_hash, m->steps[i].hash) == 0);
    f.whole = !known && ask.place > 0;
    for (int i = 0; i < m->n; i++) {
        if (known && m->steps[i].place <= ask.place)
            continue;
        steps[f.n_steps++] = (struct store_step){.key = m->steps[i].key,
                                                 .input_hash = m->steps[i].hash,
                                                 .output = m->steps[i].text,
                                                 .place = m->steps[i].place};
    }
    if (m->key[0] != '\0') {
        f.text_step = m->key;
        f.text_hash = m->hash;
        f.text_call = m->call;
        f.text_offset = uuid_equal(&ask.call, &m->call) ? ask.offset : 0;
        f.text = buf_str(&m->text) + f.text_offset;
        f.text_len = m->text.len - f.text_offset;
    }
    (void)watch_take(w, &f);
}

static void begin(struct stored *m, const char *key, const char *hash)
{
    (void)snprintf(m->key, sizeof m->key, "%s", key);
    (void)snprintf(m->hash, sizeof m->hash, "%s", hash);
    m->call = uuid_new(1 + ++m->places);
    buf_clear(&m->text);
}

static void finish(struct stored *m, size_t cut)
{
    int i = m->n++;
    while (cut > 0 && (m->text.data[m->text.len - cut] & 0xc0) == 0x80)
        cut--;
    memcpy(m->steps[i].key, m->key, sizeof m->key);
    memcpy(m->steps[i].hash, m->hash, sizeof m->hash);
    m->steps[i].place = ++m->places;
    m->steps[i].text = mem_strndup(buf_str(&m->text), m->text.len - cut);
    m->key[0] = '\0';
    buf_clear(&m->text);
}

static void forget_steps(struct stored *m, int from)
{
    for (int i = from; i < m->n; i++)
        free(m->steps[i].text);
    m->n = from;
}

static void stored_free(struct stored *m)
{
    forget_steps(m, 0);
    buf_free(&m->text);
}

static struct stored new_stored(void)
{
    return (struct stored){
        .id = uuid_new(1), .run = 1, .status = JOB_PROCESSING, .text = BUF_INIT(1 << 16)};
}

/* ---- a client ---- */

struct client {
    struct cursor cursor;
    struct event_id last;
    bool has_last, done;
    int resets, n_steps;
    struct {
        char key[24];
        struct buf text;
        bool told;
    } steps[STEPS_MAX];
};

static void client_forget(struct client *c, const char *key)
{
    for (int i = 0; i < c->n_steps; i++) {
        if (key != NULL && strcmp(c->steps[i].key, key) != 0)
            continue;
        buf_free(&c->steps[i].text);
        c->steps[i].told = false;
    }
}

static struct buf *client_text(struct client *c, const char *key, bool told)
{
    int i = 0;
    while (i < c->n_steps && strcmp(c->steps[i].key, key) != 0)
        i++;
    if (i == c->n_steps) {
        assert_true(c->n_steps < STEPS_MAX);
        (void)snprintf(c->steps[i].key, sizeof c->steps[i].key, "%s", key);
        c->steps[i].text = BUF_INIT(1 << 16);
        c->n_steps++;
    }
    assert_false(c->steps[i].told); /* nothing comes after the step is complete, and it but once */
    c->steps[i].told = told;
    return &c->steps[i].text;
}

static void client_take(struct client *c, enum watch_event event, const char *data)
{
    json_t *json = NULL;
    assert_int_equal(json_parse(data, strlen(data), 1 << 20, &json, NULL), OK);
    const char *step = json_str(json, "step");
    if (event == WATCH_TEXT) {
        struct buf *text = client_text(c, step, false);
        assert_int_equal(json_integer_value(json_object_get(json, "offset")), text->len);
        buf_puts(text, json_str(json, "text"));
    } else if (event == WATCH_STEP) {
        (void)client_text(c, step, true);
    } else if (event == WATCH_RESET) {
        c->resets++;
        client_forget(c, step);
    } else if (event == WATCH_DONE) {
        assert_false(c->done);
        c->done = true;
    }
    json_decref(json);
}

/* At most `most` events. */
static void hear(struct client *c, int most)
{
    struct buf out = BUF_INIT(1 << 20);
    enum watch_event event;
    while (most-- > 0 && cursor_next(&c->cursor, &event, &out)) {
        client_take(c, event, buf_str(&out));
        buf_clear(&out);
        cursor_id(&c->cursor, &c->last);
        c->has_last = true;
    }
    buf_free(&out);
}

/* The connection breaks, and the client comes back; perhaps to another node. */
static void come_back(struct client *c, struct watch *w)
{
    char text[EVENT_ID_SIZE];
    struct event_id id;
    cursor_leave(&c->cursor);
    cursor_join(&c->cursor, w, c);
    if (!c->has_last)
        return;
    assert_int_equal(event_id_parse(event_id_text(&c->last, text), &id), OK);
    cursor_resume(&c->cursor, &id);
}

static void assert_same(const struct client *c, const struct stored *m)
{
    size_t told = 0;
    for (int i = 0; i < c->n_steps; i++)
        told += c->steps[i].told || c->steps[i].text.len > 0;
    for (int i = 0; i < m->n; i++) {
        const struct buf *text = NULL;
        for (int k = 0; k < c->n_steps; k++)
            if (strcmp(c->steps[k].key, m->steps[i].key) == 0 && c->steps[k].told)
                text = &c->steps[k].text;
        assert_non_null(text);
        assert_string_equal(buf_str(text), m->steps[i].text);
    }
    assert_int_equal(told, m->n + (m->key[0] != '\0' && m->text.len > 0));
}

static void client_free(struct client *c)
{
    cursor_leave(&c->cursor);
    client_forget(c, NULL);
}

/* ---- the tests ---- */

static void text_is_told_as_it_grows_and_once(void **state)
{
    struct stored m = new_stored();
    struct watch *w = watch_new(&m.id);
    struct client c = {.n_steps = 0};
    (void)state;
    cursor_join(&c.cursor, w, &c);
    begin(&m, "chunk_1", "h1");
    buf_puts(&m.text, "Once upon ");
    look(&m, w);
    hear(&c, 100);
    buf_puts(&m.text, "a caf\xc3\xa9");
    look(&m, w);
    hear(&c, 100);
    assert_same(&c, &m);
    finish(&m, 0);
    look(&m, w);
    m.status = JOB_COMPLETED;
    look(&m, w);
    hear(&c, 100);
    assert_same(&c, &m);
    assert_true(c.done);
    assert_int_equal(c.resets, 0);
    client_free(&c);
    watch_free(w);
    stored_free(&m);
}

static void text_that_was_cut_back_is_called_back(void **state)
{
    struct stored m = new_stored();
    struct watch *w = watch_new(&m.id);
    struct client c = {.n_steps = 0};
    (void)state;
    cursor_join(&c.cursor, w, &c);
    begin(&m, "chunk_1", "h1");
    buf_puts(&m.text, "One sentence. And half ano");
    look(&m, w);
    hear(&c, 100);
    finish(&m, strlen(" And half ano"));
    begin(&m, "chunk_1+1", "h2");
    buf_puts(&m.text, "Another one.");
    look(&m, w);
    hear(&c, 100);
    assert_int_equal(c.resets, 1);
    assert_same(&c, &m);
    client_free(&c);
    watch_free(w);
    stored_free(&m);
}

static void a_client_that_was_away_hears_of_text_that_began_anew(void **state)
{
    struct stored m = new_stored();
    struct watch *w = watch_new(&m.id);
    struct client c = {.n_steps = 0};
    (void)state;
    cursor_join(&c.cursor, w, &c);
    begin(&m, "chunk_1", "h1");
    buf_puts(&m.text, "Once upon a time");
    look(&m, w);
    hear(&c, 100);
    cursor_leave(&c.cursor);
    begin(&m, "chunk_1", "h1");
    buf_puts(&m.text, "Once upon another time, far away"); /* longer than what it knows */
    watch_free(w);
    w = watch_new(&m.id);
    look(&m, w);
    come_back(&c, w);
    hear(&c, 100);
    assert_int_equal(c.resets, 1);
    assert_same(&c, &m);
    client_free(&c);
    watch_free(w);
    stored_free(&m);
}

static void a_job_that_is_run_again_begins_anew(void **state)
{
    struct stored m = new_stored();
    struct watch *w = watch_new(&m.id);
    struct client c = {.n_steps = 0}, late = {.n_steps = 0};
    (void)state;
    cursor_join(&c.cursor, w, &c);
    cursor_join(&late.cursor, w, &late);
    begin(&m, "outline", "h1");
    buf_puts(&m.text, "{}");
    finish(&m, 0);
    m.status = JOB_COMPLETED;
    look(&m, w);
    hear(&c, 100);
    assert_true(c.done);
    c.done = false;
    forget_steps(&m, 0);
    m.run = 2;
    m.status = JOB_PROCESSING;
    begin(&m, "outline", "h2");
    buf_puts(&m.text, "[]");
    look(&m, w);
    come_back(&c, w);
    hear(&c, 100);
    assert_same(&c, &m);
    assert_int_equal(c.resets, 1);
    hear(&late, 100); /* had heard nothing: there is nothing to call back */
    assert_same(&late, &m);
    assert_int_equal(late.resets, 0);
    client_free(&c);
    client_free(&late);
    watch_free(w);
    stored_free(&m);
}

static void a_deleted_job_is_done(void **state)
{
    struct stored m = new_stored();
    struct watch *w = watch_new(&m.id);
    struct client c = {.n_steps = 0};
    (void)state;
    cursor_join(&c.cursor, w, &c);
    look(&m, w);
    hear(&c, 100);
    m.deleted = true;
    look(&m, w);
    hear(&c, 100);
    assert_true(c.done);
    client_free(&c);
    watch_free(w);
    stored_free(&m);
}

static void half_a_character_waits_for_its_rest(void **state)
{
    struct stored m = new_stored();
    struct watch *w = watch_new(&m.id);
    struct client c = {.n_steps = 0};
    (void)state;
    cursor_join(&c.cursor, w, &c);
    begin(&m, "chunk_1", "h1");
    buf_puts(&m.text, "caf\xc3");
    look(&m, w);
    hear(&c, 100);
    assert_string_equal(buf_str(&c.steps[0].text), "caf");
    buf_puts(&m.text, "\xa9 \xf0\x9f\x8c");
    look(&m, w);
    hear(&c, 100);
    assert_string_equal(buf_str(&c.steps[0].text), "caf\xc3\xa9 ");
    buf_puts(&m.text, "\x89");
    finish(&m, 0);
    look(&m, w);
    hear(&c, 100);
    assert_same(&c, &m);
    client_free(&c);
    watch_free(w);
    stored_free(&m);
}

static void long_text_is_cut_between_characters(void **state)
{
    struct stored m = new_stored();
    struct watch *w = watch_new(&m.id);
    struct client c = {.n_steps = 0};
    (void)state;
    cursor_join(&c.cursor, w, &c);
    begin(&m, "chunk_1", "h1");
    for (int i = 0; i < 9000; i++)
        buf_puts(&m.text, "\xe2\x82\xac"); /* three bytes each: no piece ends at 8192 */
    look(&m, w);
    hear(&c, 100);
    assert_same(&c, &m);
    client_free(&c);
    watch_free(w);
    stored_free(&m);
}

/* ---- anything, in any order ---- */

#define CLIENTS 4

static void change(struct stored *m, struct rng *rng)
{
    static const char *const words[] = {"a ", "long. ", "\xc3\xa9t\xc3\xa9 ", "bridge ", "\n"};
    uint32_t dice = rng_below(rng, 20);
    char key[24], hash[24];
    if (m->key[0] == '\0' && m->n < STEPS_MAX - 1) {
        (void)snprintf(key, sizeof key, "step_%d", m->n);
        (void)snprintf(hash, sizeof hash, "h%d", (int)rng_below(rng, 1000));
        begin(m, key, hash);
    } else if (m->key[0] != '\0' && dice < 12) {
        buf_puts(&m->text, words[rng_below(rng, 5)]);
    } else if (m->key[0] != '\0' && dice < 16) {
        finish(m,
               m->text.len > 0 && dice == 15 ? rng_below(rng, (uint32_t)m->text.len) / 2 * 2 : 0);
    } else if (m->key[0] != '\0' && dice == 16) { /* the call broke off */
        memcpy(key, m->key, sizeof key);
        memcpy(hash, m->hash, sizeof hash);
        begin(m, key, hash);
    } else if (m->key[0] != '\0' && dice == 17) { /* its answer is not kept */
        m->key[0] = '\0';
    } else if (dice == 18 && rng_below(rng, 4) == 0) { /* run again after it had completed */
        forget_steps(m, 0);
        m->key[0] = '\0';
        m->run++;
    } else if (m->n > 0 && rng_below(rng, 6) == 0) { /* another request: the last step is void */
        forget_steps(m, m->n - 1);
        m->key[0] = '\0';
    }
    m->progress = (m->progress + 1) % 101;
}

static void whatever_happens_all_clients_end_with_the_text_that_is_there(void **state)
{
    const char *text = getenv("SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : rng_seed_from_os();
    struct rng rng = rng_seed(seed, 0);
    (void)state;
    print_message("SEED=%" PRIu64 "\n", seed);
    for (int round = 0; round < 300; round++) {
        struct stored m = new_stored();
        struct watch *w = watch_new(&m.id);
        struct client clients[CLIENTS] = {{.n_steps = 0}};
        look(&m, w);
        for (int i = 0; i < CLIENTS; i++)
            cursor_join(&clients[i].cursor, w, &clients[i]);
        for (int turn = 0; turn < 60; turn++) {
            change(&m, &rng);
            if (rng_below(&rng, 3) == 0)
                look(&m, w);
            if (rng_below(&rng, 40) == 0) { /* another node */
                struct watch *other = watch_new(&m.id);
                look(&m, other);
                for (int i = 0; i < CLIENTS; i++)
                    come_back(&clients[i], other);
                watch_free(w);
                w = other;
            }
            for (int i = 0; i < CLIENTS; i++) {
                if (rng_below(&rng, 10) == 0)
                    come_back(&clients[i], w);
                hear(&clients[i], (int)rng_below(&rng, 4));
            }
        }
        look(&m, w);
        look(&m, w); /* where a step in the middle was made anew */
        for (int i = 0; i < CLIENTS; i++) {
            hear(&clients[i], 1000);
            assert_same(&clients[i], &m);
            client_free(&clients[i]);
        }
        watch_free(w);
        stored_free(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_told_as_it_grows_and_once),
        cmocka_unit_test(text_that_was_cut_back_is_called_back),
        cmocka_unit_test(a_client_that_was_away_hears_of_text_that_began_anew),
        cmocka_unit_test(a_job_that_is_run_again_begins_anew),
        cmocka_unit_test(a_deleted_job_is_done),
        cmocka_unit_test(half_a_character_waits_for_its_rest),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(whatever_happens_all_clients_end_with_the_text_that_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
