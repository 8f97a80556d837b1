/* In: texts of several processes. Out: each whole, for whoever asks, whatever became of its writer.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/shared_texts.h"

static struct shared_texts *two_places(void)
{
    struct shared_texts *t = NULL;
    struct errmsg msg;
    assert_int_equal(shared_texts_new(2, &t, &msg), OK);
    assert_int_equal(shared_texts_n(t), 2);
    return t;
}

static void each_place_keeps_its_newest_text(void **state)
{
    (void)state;
    struct shared_texts *t = two_places();
    struct buf out = BUF_INIT(SHARED_TEXT_MAX);
    assert_int_equal(shared_texts_get(t, 0, 0, &out), ERR_NOT_FOUND);
    assert_int_equal(shared_texts_put(t, 0, "a longer text", 13, 100), OK);
    assert_int_equal(shared_texts_put(t, 1, "another's", 9, 100), OK);
    assert_int_equal(shared_texts_put(t, 0, "short", 5, 200), OK);
    assert_int_equal(shared_texts_get(t, 0, 200, &out), OK);
    assert_string_equal(buf_str(&out), "short");
    assert_int_equal(shared_texts_get(t, 1, 100, &out), OK);
    assert_string_equal(buf_str(&out), "another's");
    assert_int_equal(shared_texts_get(t, 1, 101, &out), ERR_NOT_FOUND); /* older than that */
    assert_string_equal(buf_str(&out), "");
    buf_free(&out);
    shared_texts_free(t);
}

static void what_has_no_room_leaves_the_old_text(void **state)
{
    (void)state;
    struct shared_texts *t = two_places();
    struct buf big = BUF_INIT(SHARED_TEXT_MAX + 1), out = BUF_INIT(SHARED_TEXT_MAX);
    while (big.len < SHARED_TEXT_MAX)
        buf_put(&big, "x", 1);
    assert_int_equal(shared_texts_put(t, 1, buf_str(&big), big.len, 5), OK);
    assert_int_equal(shared_texts_get(t, 1, 5, &out), OK);
    assert_string_equal(buf_str(&out), buf_str(&big));
    buf_put(&big, "x", 1);
    assert_int_equal(shared_texts_put(t, 1, buf_str(&big), big.len, 6), ERR_TOO_BIG);
    assert_int_equal(shared_texts_get(t, 1, 5, &out), OK);
    assert_int_equal(out.len, SHARED_TEXT_MAX);
    buf_free(&big);
    buf_free(&out);
    shared_texts_free(t);
}

static void write_for_ever(struct shared_texts *t)
{
    static char text[5000];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
    for (uint64_t i = 0;; i++) {
        memset(text, 'a' + (int)(i % 26), sizeof text);
        (void)!shared_texts_put(t, 0, text, 1000 + i % 4000, 1);
        if (i % 2 == 0) /* a reader is slower than we are: now and then it has a chance */
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
}

/* A process writes again and again, and is killed at it: what is read is always of one letter. */
static void no_text_is_seen_half_written(void **state)
{
    (void)state;
    struct shared_texts *t = two_places();
    struct buf out = BUF_INIT(SHARED_TEXT_MAX);
    for (int life = 0; life < 5; life++) {
        pid_t child = fork();
        if (child == 0)
            write_for_ever(t);
        int64_t end = clock_mono() + 20 * USEC_PER_SEC;
        for (int seen = 0; seen < 200; seen++) {
            while (shared_texts_get(t, 0, 1, &out) != OK)
                assert_true(clock_mono() < end);
            assert_in_range(out.len, 1000, 4999);
            assert_memory_equal(out.data, out.data + 1, out.len - 1);
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
    assert_int_equal(shared_texts_put(t, 0, "the next one", 12, 2), OK);
    assert_int_equal(shared_texts_get(t, 0, 2, &out), OK);
    assert_string_equal(buf_str(&out), "the next one");
    buf_free(&out);
    shared_texts_free(t);
}

/* The second half of the text cannot be read: the writer dies in the middle. */
static void die_while_writing(struct shared_texts *t)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *text = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)signal(SIGSEGV, SIG_DFL);
    if (text == MAP_FAILED || mprotect(text + page, page, PROT_NONE) != 0)
        _exit(0);
    memset(text, 'y', page);
    (void)!shared_texts_put(t, 0, text, 2 * page, 2);
    _exit(0);
}

static void a_writer_that_dies_leaves_nothing_and_hinders_no_other(void **state)
{
    (void)state;
    struct shared_texts *t = two_places();
    struct buf out = BUF_INIT(SHARED_TEXT_MAX);
    int status = 0;
    assert_int_equal(shared_texts_put(t, 0, "before", 6, 1), OK);
    pid_t child = fork();
    if (child == 0)
        die_while_writing(t);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_int_equal(shared_texts_get(t, 0, 0, &out), ERR_NOT_FOUND);
    assert_int_equal(shared_texts_put(t, 0, "after", 5, 3), OK);
    assert_int_equal(shared_texts_get(t, 0, 3, &out), OK);
    assert_string_equal(buf_str(&out), "after");
    buf_free(&out);
    shared_texts_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_place_keeps_its_newest_text),
        cmocka_unit_test(what_has_no_room_leaves_the_old_text),
        cmocka_unit_test(no_text_is_seen_half_written),
        cmocka_unit_test(a_writer_that_dies_leaves_nothing_and_hinders_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
