/* In: the table of schedules that SQL is held to as well. Out: the same verdicts from text/cron. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "text/cron.h"

static const char *table;

/* "yes|[* *\t* * *]" -> the text between the brackets, with its tabs. */
static const char *schedule_of(char *line)
{
    char *from = strchr(line, '[') + 1, *to = from;
    *strrchr(line, ']') = '\0';
    for (const char *at = from; *at != '\0'; at++) {
        bool tab = at[0] == '\\' && at[1] == 't';
        *to++ = tab ? '\t' : *at;
        at += tab;
    }
    *to = '\0';
    return from;
}

static void the_table_of_both_languages(void **state)
{
    char line[512];
    size_t n = 0, wrong = 0;
    FILE *f = fopen(table, "r");
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        bool wanted = line[0] == 'y';
        const char *text = schedule_of(line);
        struct cron *c = NULL;
        struct errmsg msg = {""};
        bool is = cron_parse(text, &c, &msg) == OK;
        if (is != wanted)
            print_error("[%s] is %s; %s\n", text, is ? "accepted" : "refused", msg.text);
        wrong += is != wanted;
        n++;
        cron_free(c);
    }
    (void)fclose(f);
    assert_true(n > 100);
    assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_table_of_both_languages)};
    table = argc > 1 ? argv[1] : "tests/lib/schedules.txt";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
