/* In: values, and bytes as the server sends them. Out: the binary forms that PostgreSQL documents.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "store/pg/pg_codec.h"
#include "store/store.h"

static const struct uuid some = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static const struct uuid nil;

static void assert_param(const struct pg_params *p, int i, Oid type, const char *bytes, int n)
{
    const char *values[PG_PARAMS];
    int lengths[PG_PARAMS], formats[PG_PARAMS];
    pg_params_values(p, values, lengths, formats);
    assert_int_equal(p->types[i], type);
    assert_int_equal(formats[i], 1);
    if (bytes == NULL) {
        assert_null(values[i]);
        return;
    }
    assert_int_equal(lengths[i], n);
    assert_memory_equal(values[i], bytes, (size_t)n);
}

static void numbers_are_big_endian(void **state)
{
    (void)state;
    struct pg_params p = {0};
    pg_params_init(&p);
    pg_put_int(&p, 258);
    pg_put_int(&p, -2);
    pg_put_long(&p, 0x0102030405060708);
    pg_put_uuid(&p, &some);
    pg_put_uuid(&p, &nil);
    assert_param(&p, 0, 23, "\0\0\1\2", 4);
    assert_param(&p, 1, 23, "\xff\xff\xff\xfe", 4);
    assert_param(&p, 2, 20, "\1\2\3\4\5\6\7\10", 8);
    assert_param(&p, 3, 2950, (const char *)some.bytes, 16);
    assert_param(&p, 4, 2950, NULL, 0);
    pg_params_free(&p);
}

static void text_is_made_well_formed(void **state)
{
    (void)state;
    struct pg_params p = {0};
    pg_params_init(&p);
    pg_put_text(&p, "caf\xc3\xa9");
    pg_put_text(&p, "cut \xe2\x82");
    pg_put_text(&p, "");
    pg_put_text(&p, NULL);
    assert_param(&p, 0, 25, "caf\xc3\xa9", 5);
    assert_param(&p, 1, 25, "cut \xef\xbf\xbd\xef\xbf\xbd", 10);
    assert_param(&p, 2, 25, "", 0);
    assert_param(&p, 3, 25, NULL, 0);
    pg_params_free(&p);
}

static void arrays_have_their_header_and_nulls(void **state)
{
    (void)state;
    struct pg_params p = {0};
    pg_params_init(&p);
    pg_array_begin(&p, PG_TEXT, 3);
    pg_array_text(&p, "ab");
    pg_array_text(&p, NULL);
    pg_array_text(&p, "\xff");
    pg_array_end(&p);
    pg_array_begin(&p, PG_LONG, 0);
    pg_array_end(&p);
    static const char texts[] =
        "\0\0\0\1\0\0\0\1\0\0\0\31\0\0\0\3\0\0\0\1" /* 1 dimension, oid 25 */
        "\0\0\0\2ab\xff\xff\xff\xff\0\0\0\3\xef\xbf\xbd";
    assert_param(&p, 0, 1009, texts, sizeof texts - 1);
    assert_param(&p, 1, 1016, "\0\0\0\0\0\0\0\1\0\0\0\24", 12);
    pg_params_free(&p);
}

static void too_many_bytes_are_an_error_not_a_crash(void **state)
{
    (void)state;
    struct pg_params p = {0};
    pg_params_init(&p);
    p.bytes.max = 40;
    pg_array_begin(&p, PG_TEXT, 1);
    pg_array_text(&p, "more than the twenty bytes that are left");
    pg_array_end(&p);
    assert_int_equal(p.err, ERR_TOO_BIG);
    pg_params_init(&p);
    assert_int_equal(p.err, OK);
    pg_params_free(&p);
}

/* ---- rows ---- */

struct cell {
    const char *bytes;
    int n; /* -1 = null */
};

static PGresult *row_of(const struct cell *cells, int n)
{
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc *columns = calloc((size_t)n, sizeof *columns);
    static char name[] = "c";
    for (int i = 0; i < n; i++)
        columns[i] = (PGresAttDesc){.name = name, .format = 1};
    assert_int_equal(PQsetResultAttrs(res, n, columns), 1);
    free(columns);
    for (int i = 0; i < n; i++) {
        char bytes[32] = {0};
        if (cells[i].n > 0)
            memcpy(bytes, cells[i].bytes, (size_t)cells[i].n);
        assert_int_equal(PQsetvalue(res, 0, i, bytes, cells[i].n), 1);
    }
    return res;
}

static void values_are_read_by_their_length(void **state)
{
    (void)state;
    struct arena arena = {0};
    const struct cell cells[] = {{"\xff\xfe", 2},
                                 {"\0\0\1\0", 4},
                                 {"\200\0\0\0\0\0\0\0", 8},
                                 {"\1", 1},
                                 {"\x3f\xf8\0\0\0\0\0\0", 8},
                                 {NULL, -1},
                                 {(const char *)some.bytes, 16},
                                 {"tea", 3},
                                 {NULL, -1}};
    PGresult *res = row_of(cells, 9);
    struct pg_reader r = pg_reader_new(res, &arena, 9);
    assert_int_equal(pg_get_int(&r), -2);
    assert_int_equal(pg_get_int(&r), 256);
    assert_true(pg_get_int(&r) == INT64_MIN);
    assert_true(pg_get_bool(&r));
    assert_true(pg_get_double(&r) == 1.5);
    assert_true(pg_get_double(&r) == -1);
    struct uuid id = pg_get_uuid(&r);
    assert_true(uuid_equal(&id, &some));
    assert_string_equal(pg_get_text(&r), "tea");
    assert_true(pg_next_is_null(&r));
    assert_null(pg_get_text(&r));
    assert_int_equal(r.err, OK);
    PQclear(res);
    arena_free(&arena);
}

static void what_a_statement_does_not_return_is_a_protocol_error(void **state)
{
    (void)state;
    struct arena arena = {0};
    const struct cell cells[] = {{"abc", 3}, {"abc", 3}};
    PGresult *res = row_of(cells, 2);
    struct pg_reader r = pg_reader_new(res, &arena, 3);
    assert_int_equal(r.err, ERR_PROTOCOL);
    assert_int_equal(pg_reader_rows(&r), 0);
    r = pg_reader_new(res, &arena, 2);
    (void)pg_get_int(&r);
    assert_int_equal(r.err, ERR_PROTOCOL);
    r = pg_reader_new(res, &arena, 2);
    (void)pg_get_uuid(&r);
    assert_int_equal(r.err, ERR_PROTOCOL);
    r = pg_reader_new(res, &arena, 2);
    pg_reader_row(&r, 1);
    assert_null(pg_get_text(&r));
    assert_int_equal(r.err, ERR_PROTOCOL);
    PQclear(res);
    arena_free(&arena);
}

static void a_text_past_the_limit_is_too_big(void **state)
{
    (void)state;
    struct arena arena = {0};
    PGresult *res = row_of(&(struct cell){"x", 1}, 1);
    char *huge = mem_alloc(STORE_TEXT_MAX + 2);
    memset(huge, 'x', STORE_TEXT_MAX + 1);
    assert_int_equal(PQsetvalue(res, 0, 0, huge, STORE_TEXT_MAX + 1), 1);
    struct pg_reader r = pg_reader_new(res, &arena, 1);
    assert_null(pg_get_text(&r));
    assert_int_equal(r.err, ERR_TOO_BIG);
    free(huge);
    PQclear(res);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_big_endian),
        cmocka_unit_test(text_is_made_well_formed),
        cmocka_unit_test(arrays_have_their_header_and_nulls),
        cmocka_unit_test(too_many_bytes_are_an_error_not_a_crash),
        cmocka_unit_test(values_are_read_by_their_length),
        cmocka_unit_test(what_a_statement_does_not_return_is_a_protocol_error),
        cmocka_unit_test(a_text_past_the_limit_is_too_big),
    };
    return cmocka_run_group_tests_name("store/pg_codec", tests, NULL, NULL);
}
