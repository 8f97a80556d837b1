/* In: boards and screen sizes. Out: pictures that fit, with the running jobs in sight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "app/fmt.h"
#include "app/live.h"

static struct board *board_of(int waiting, int running, int done)
{
    struct board *b = board_new();
    for (int i = 0; i < waiting + running + done; i++) {
        struct uuid id = {.bytes = {[14] = 1, [15] = (uint8_t)i}};
        struct board_job *job = board_job(b, &id);
        job->state = i < done ? BOARD_DONE : i < done + waiting ? BOARD_WAITING : BOARD_RUNNING;
        (void)snprintf(job->topic, sizeof job->topic, "Topic number %d", i);
        (void)snprintf(job->step, sizeof job->step, "generating_chunk_1_of_1");
        job->progress = 50;
        job->words = 1234;
        job->tokens_per_second = 81.4;
        job->cost_udollar = 12345;
    }
    return b;
}

/* Every line of the picture within the columns, and as many as said. */
static void check_fits(const char *picture, const struct live_style *style, int lines)
{
    int n = 0;
    for (const char *p = picture; *p != '\0'; n++) {
        char line[4096];
        size_t len = strcspn(p, "\n");
        assert_true(len < sizeof line);
        memcpy(line, p, len);
        line[len] = '\0';
        if (fmt_width(line) >= style->columns)
            fail_msg("%d columns of %d: '%s'", fmt_width(line), style->columns, line);
        p += len + 1;
    }
    assert_int_equal(n, lines);
    assert_true(n < style->rows);
}

static void it_fits_every_screen(void **state)
{
    (void)state;
    struct board *b = board_of(30, 20, 10);
    for (int columns = 20; columns <= 250; columns += 7) {
        for (int rows = 5; rows <= 80; rows += 15) {
            struct live_style style = {.columns = columns, .rows = rows, .utf8 = true};
            struct buf out = BUF_INIT(1 << 20);
            int lines = 0;
            live_picture(&out, b, &style, 65000000, NULL, &lines);
            check_fits(buf_str(&out), &style, lines);
            buf_free(&out);
        }
    }
    board_free(b);
}

static char *picture(const struct board *b, int columns, int rows, bool utf8, const char *note)
{
    struct live_style style = {.columns = columns, .rows = rows, .utf8 = utf8};
    struct buf out = BUF_INIT(1 << 20);
    int lines = 0;
    live_picture(&out, b, &style, 65000000, note, &lines);
    return buf_take(&out);
}

static void a_line_says_step_bar_words_rate_and_cost(void **state)
{
    (void)state;
    struct board *b = board_of(0, 1, 0);
    char *p = picture(b, 120, 24, true, NULL);
    assert_non_null(strstr(p, "▸ Topic number 0"));
    assert_non_null(strstr(p, "generating chunk 1 of 1"));
    assert_non_null(strstr(p, "█"));
    assert_non_null(strstr(p, " 50%"));
    assert_non_null(strstr(p, "1,234 words"));
    assert_non_null(strstr(p, "81 tok/s"));
    assert_non_null(strstr(p, "$0.0123"));
    assert_non_null(strstr(p, "1:05  1 running, 0 waiting, 0 done"));
    assert_null(strchr(p, '\033'));
    free(p);
    board_free(b);
}

static void without_utf8_it_is_ascii(void **state)
{
    (void)state;
    struct board *b = board_of(1, 1, 1);
    char *p = picture(b, 120, 24, false, NULL);
    for (const char *c = p; *c != '\0'; c++)
        assert_true((unsigned char)*c < 0x80);
    free(p);
    board_free(b);
}

static void too_many_jobs_leave_the_running_ones_in_sight(void **state)
{
    (void)state;
    struct board *b = board_of(40, 3, 40);
    char *p = picture(b, 100, 12, true, NULL);
    assert_non_null(strstr(p, "Topic number 80"));
    assert_non_null(strstr(p, "Topic number 82"));
    /* 10 lines but one for the jobs: three running and six that ended; 74 of 83 are left. */
    assert_non_null(strstr(p, "and 74 more"));
    free(p);
    board_free(b);
}

static void a_note_takes_the_place_of_the_figures(void **state)
{
    (void)state;
    struct board *b = board_of(0, 1, 0);
    char *p = picture(b, 100, 12, true, "stopping");
    assert_non_null(strstr(p, "0 done  stopping"));
    free(p);
    board_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_fits_every_screen),
        cmocka_unit_test(a_line_says_step_bar_words_rate_and_cost),
        cmocka_unit_test(without_utf8_it_is_ascii),
        cmocka_unit_test(too_many_jobs_leave_the_running_ones_in_sight),
        cmocka_unit_test(a_note_takes_the_place_of_the_figures),
    };
    (void)setlocale(LC_ALL, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
