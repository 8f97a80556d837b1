/* In: whole scripts of the simulated provider. Out: does the pipeline's own check find them good.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "job/check.h"
#include "provider/sim/sim_text.h"

#define TEXT_MAX ((size_t)4 << 20)

static const char request[] =
    "{\"topic\":\"Sourdough at home\",\"contentPoints\":[{\"title\":\"Why a starter sours\"},"
    "{\"title\":\"Shaping without tears\"},{\"title\":\"Steam in a home oven\"},"
    "{\"title\":\"Reading the crumb\"}],\"mustInclude\":[\"salt comes last\"],"
    "\"mustAvoid\":[\"talent\"]}";
static const char *const points[] = {"Why a starter sours", "Shaping without tears",
                                     "Steam in a home oven", "Reading the crumb"};

static char *chunk_block(const struct plan *plan, int i)
{
    int64_t from, to;
    plan_chunk_span(plan, i, &from, &to);
    struct buf b = BUF_INIT(TEXT_MAX);
    buf_putf(&b,
             "<request kind=\"chunk\" chunk=\"%d\" chunks=\"%d\" from=\"%02d:%02d\" "
             "to=\"%02d:%02d\" words=\"%d\" first=\"%s\" last=\"%s\" tags=\"%d\">\n"
             "<topic>Sourdough at home</topic>\n<avoid>talent</avoid>\n",
             i, plan->chunks, (int)from / 60, (int)from % 60, (int)to / 60, (int)to % 60,
             plan->chunk_words, i == 1 ? "yes" : "no", i == plan->chunks ? "yes" : "no",
             i == plan->chunks ? 20 : 0);
    for (int p = 0; p < 4; p++)
        if (p % plan->chunks == i - 1)
            buf_putf(&b, "<point>%s</point>\n", points[p]);
    if (i == 1)
        buf_puts(&b, "<include>salt comes last</include>\n");
    buf_puts(&b, "</request>\n");
    return buf_take(&b);
}

static char *write_script(const struct plan *plan, uint64_t seed)
{
    struct buf script = BUF_INIT(TEXT_MAX);
    for (int i = 1; i <= plan->chunks; i++) {
        char *block = chunk_block(plan, i);
        struct ask ask;
        assert_true(ask_read(block, strlen(block), &ask));
        struct buf chunk = BUF_INIT(TEXT_MAX);
        text_put_chapters(&ask, seed + (uint64_t)i, &chunk);
        buf_puts(&script, script.len > 0 ? "\n\n" : "");
        buf_put(&script, chunk.data, chunk.len);
        buf_free(&chunk);
        ask_free(&ask);
        free(block);
    }
    return buf_take(&script);
}

static void scripts_of_every_length_pass_the_check(void **state)
{
    (void)state;
    static const int minutes[] = {1, 3, 10, 19, 25, 45, 60, 90, 240};
    struct params_limits limits = {.duration_default_s = 600, .duration_max_s = 14400};
    struct params params;
    struct errmsg msg = {{0}};
    if (params_normalise(request, sizeof(request) - 1, NULL, &limits, &params, &msg) != OK)
        fail_msg("%s", msg.text);
    struct pipeline pipeline = {.wpm = 130};
    for (size_t i = 0; i < sizeof(minutes) / sizeof(minutes[0]); i++) {
        struct plan plan = plan_make(minutes[i] * 60, 130);
        for (uint64_t seed = 1; seed <= 3; seed++) {
            char *script = write_script(&plan, seed * 100);
            struct report report;
            check_script(script, strlen(script), &plan, &params, &pipeline, &report);
            if (report.n > 0)
                fail_msg("%d min, seed %d: %s: %s", minutes[i], (int)seed, report.items[0].code,
                         report.items[0].detail);
            /* asked for 10 % more than the plan's words, and within 8 % of that */
            double asked = (double)plan.chunks * plan.chunk_words;
            if (report.words < asked * 0.92 || report.words > asked * 1.08)
                fail_msg("%d min: %d words for %.0f", minutes[i], report.words, asked);
            report_free(&report);
            free(script);
        }
    }
    params_free(&params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_of_every_length_pass_the_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
