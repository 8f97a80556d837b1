/* In: values of C, rows of PostgreSQL. Out: parameters in the binary format, values in an arena.
 * Every size is checked: what comes from the database is outside. */
#ifndef STORE_PG_PG_CODEC_H
#define STORE_PG_PG_CODEC_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/mem.h"

#define PG_PARAMS           32           /* parameters of one statement */
#define PG_PARAMS_BYTES_MAX (256u << 20) /* of one statement */

/* ---- parameters ---- */

struct pg_params {
    int n;
    Oid types[PG_PARAMS];
    struct {
        bool null;
        size_t at, len; /* in bytes */
    } items[PG_PARAMS];
    struct buf bytes;
    enum err err; /* ERR_TOO_BIG; the first one stays */
};

void pg_params_init(struct pg_params *p); /* an empty or a used one: keeps the memory */
void pg_params_free(struct pg_params *p);
/* Owned by the caller, who also frees the memory that it lies in. */
struct pg_params *pg_params_copy(const struct pg_params *p);
/* As PQsendQueryParams() wants them; borrowed from p. */
void pg_params_values(const struct pg_params *p, const char **values, int *lengths, int *formats);

void pg_put_uuid(struct pg_params *p, const struct uuid *id); /* nil = null */
void pg_put_int(struct pg_params *p, int64_t v);              /* int4 */
void pg_put_long(struct pg_params *p, int64_t v);             /* int8 */
/* What is not well-formed UTF-8 becomes U+FFFD: one cut character must not stop a batch. */
void pg_put_text(struct pg_params *p, const char *s); /* NULL = null */

/* An array parameter: begin, n elements of its type, end. */
enum pg_type { PG_UUID, PG_INT, PG_LONG, PG_TEXT, PG_BYTES, PG_TYPE_MAX };
void pg_array_begin(struct pg_params *p, enum pg_type type, size_t n);
void pg_array_uuid(struct pg_params *p, const struct uuid *id); /* nil = null */
void pg_array_int(struct pg_params *p, int64_t v);
void pg_array_long(struct pg_params *p, int64_t v);
void pg_array_text(struct pg_params *p, const char *s);                /* NULL = null */
void pg_array_bytes(struct pg_params *p, const void *bytes, size_t n); /* NULL = null */
void pg_array_end(struct pg_params *p);

/* ---- rows ---- */

struct pg_reader {
    const PGresult *res;
    int row, col; /* the next value */
    struct arena *arena;
    enum err err; /* ERR_PROTOCOL: not what the statement returns; ERR_TOO_BIG */
};

/* At row 0. ERR_PROTOCOL unless there are that many columns. */
struct pg_reader pg_reader_new(const PGresult *res, struct arena *arena, int columns);
int pg_reader_rows(const struct pg_reader *r);
void pg_reader_row(struct pg_reader *r, int row); /* its first column */

/* Each reads the next column. Null is 0, nil, NULL. */
int64_t pg_get_int(struct pg_reader *r); /* int2, int4, int8 */
bool pg_get_bool(struct pg_reader *r);
double pg_get_double(struct pg_reader *r); /* float8; null = -1 */
struct uuid pg_get_uuid(struct pg_reader *r);
char *pg_get_text(struct pg_reader *r); /* also bytea; ERR_TOO_BIG past STORE_TEXT_MAX */
bool pg_next_is_null(const struct pg_reader *r);
void pg_skip(struct pg_reader *r, int columns);

/* The same from bytes, for tests; false when they are not that. */
bool pg_decode_int(const char *bytes, size_t n, int64_t *ret);
bool pg_decode_double(const char *bytes, size_t n, double *ret);

#endif
