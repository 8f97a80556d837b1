/* In: values of C, rows of PostgreSQL. Out: parameters in the binary format, values in an arena. */
#include "store/pg/pg_codec.h"

#include <string.h>

#include "store/store.h"
#include "text/utf8.h"

/* Types of pg_type.dat; they never change. */
enum { OID_BYTEA = 17, OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25, OID_UUID = 2950 };

static const struct {
    Oid element, array;
} oids[PG_TYPE_MAX] = {
    [PG_UUID] = {OID_UUID, 2951}, [PG_INT] = {OID_INT4, 1007},    [PG_LONG] = {OID_INT8, 1016},
    [PG_TEXT] = {OID_TEXT, 1009}, [PG_BYTES] = {OID_BYTEA, 1001},
};

void pg_params_init(struct pg_params *p)
{
    p->n = 0;
    p->err = OK;
    p->bytes.max = PG_PARAMS_BYTES_MAX;
    buf_clear(&p->bytes);
}

void pg_params_free(struct pg_params *p)
{
    buf_free(&p->bytes);
}

struct pg_params *pg_params_copy(const struct pg_params *p)
{
    struct pg_params *copy = mem_alloc(sizeof *copy);
    *copy = *p;
    copy->bytes = BUF_INIT(p->bytes.max);
    buf_put(&copy->bytes, buf_str(&p->bytes), p->bytes.len);
    return copy;
}

void pg_params_values(const struct pg_params *p, const char **values, int *lengths, int *formats)
{
    for (int i = 0; i < p->n; i++) {
        values[i] = p->items[i].null ? NULL : buf_str(&p->bytes) + p->items[i].at;
        lengths[i] = (int)p->items[i].len;
        formats[i] = 1;
    }
}

/* ---- bytes ---- */

static void put(struct pg_params *p, const void *bytes, size_t n)
{
    enum err e = buf_add(&p->bytes, bytes, n);
    if (p->err == OK)
        p->err = e;
}

static void put_be(struct pg_params *p, uint64_t v, size_t n)
{
    unsigned char b[8];
    for (size_t i = 0; i < n; i++)
        b[i] = (unsigned char)(v >> (8 * (n - 1 - i)));
    put(p, b, n);
}

static void put_utf8(struct pg_params *p, const char *s)
{
    const char *start = s;
    for (size_t left = strlen(s); left > 0;) {
        size_t n = utf8_length(s, left);
        if (n > 0) {
            s += n;
            left -= n;
            continue;
        }
        put(p, start, (size_t)(s - start));
        put(p, "\xef\xbf\xbd", 3);
        start = ++s;
        left--;
    }
    put(p, start, (size_t)(s - start));
}

static void open_item(struct pg_params *p, Oid type, bool null)
{
    p->types[p->n] = type;
    p->items[p->n].null = null;
    p->items[p->n].at = p->bytes.len;
}

static void close_item(struct pg_params *p)
{
    p->items[p->n].len = p->bytes.len - p->items[p->n].at;
    p->n++;
}

/* ---- single values ---- */

void pg_put_uuid(struct pg_params *p, const struct uuid *id)
{
    open_item(p, OID_UUID, uuid_is_nil(id));
    put(p, id->bytes, sizeof id->bytes);
    close_item(p);
}

void pg_put_int(struct pg_params *p, int64_t v)
{
    open_item(p, OID_INT4, false);
    put_be(p, (uint64_t)v, 4);
    close_item(p);
}

void pg_put_long(struct pg_params *p, int64_t v)
{
    open_item(p, OID_INT8, false);
    put_be(p, (uint64_t)v, 8);
    close_item(p);
}

void pg_put_text(struct pg_params *p, const char *s)
{
    open_item(p, OID_TEXT, s == NULL);
    if (s != NULL)
        put_utf8(p, s);
    close_item(p);
}

/* ---- arrays: dimensions, flags, element type, length, lower bound, then the elements ---- */

void pg_array_begin(struct pg_params *p, enum pg_type type, size_t n)
{
    open_item(p, oids[type].array, false);
    put_be(p, n > 0 ? 1 : 0, 4);
    put_be(p, 1, 4); /* there may be nulls */
    put_be(p, oids[type].element, 4);
    if (n > 0) {
        put_be(p, n, 4);
        put_be(p, 1, 4);
    }
}

static void put_null(struct pg_params *p)
{
    put_be(p, UINT32_MAX, 4);
}

void pg_array_uuid(struct pg_params *p, const struct uuid *id)
{
    if (uuid_is_nil(id)) {
        put_null(p);
        return;
    }
    put_be(p, sizeof id->bytes, 4);
    put(p, id->bytes, sizeof id->bytes);
}

void pg_array_int(struct pg_params *p, int64_t v)
{
    put_be(p, 4, 4);
    put_be(p, (uint64_t)v, 4);
}

void pg_array_long(struct pg_params *p, int64_t v)
{
    put_be(p, 8, 4);
    put_be(p, (uint64_t)v, 8);
}

void pg_array_text(struct pg_params *p, const char *s)
{
    if (s == NULL) {
        put_null(p);
        return;
    }
    size_t at = p->bytes.len;
    put_be(p, 0, 4);
    put_utf8(p, s);
    if (p->err != OK)
        return;
    size_t n = p->bytes.len - at - 4;
    for (size_t i = 0; i < 4; i++)
        p->bytes.data[at + i] = (char)(n >> (8 * (3 - i)));
}

void pg_array_bytes(struct pg_params *p, const void *bytes, size_t n)
{
    if (bytes == NULL) {
        put_null(p);
        return;
    }
    put_be(p, n, 4);
    put(p, bytes, n);
}

void pg_array_end(struct pg_params *p)
{
    close_item(p);
}

/* ---- rows ---- */

static void fail(struct pg_reader *r, enum err e)
{
    if (r->err == OK)
        r->err = e;
}

struct pg_reader pg_reader_new(const PGresult *res, struct arena *arena, int columns)
{
    struct pg_reader r = {.res = res, .arena = arena};
    if (PQnfields(res) != columns)
        r.err = ERR_PROTOCOL;
    return r;
}

int pg_reader_rows(const struct pg_reader *r)
{
    return r->err == OK ? PQntuples(r->res) : 0;
}

void pg_reader_row(struct pg_reader *r, int row)
{
    r->row = row;
    r->col = 0;
}

/* False when null or not there. */
static bool next(struct pg_reader *r, const char **ret_bytes, size_t *ret_n)
{
    int col = r->col++;
    if (r->row >= PQntuples(r->res) || col >= PQnfields(r->res)) {
        fail(r, ERR_PROTOCOL);
        return false;
    }
    *ret_bytes = PQgetvalue(r->res, r->row, col);
    *ret_n = (size_t)PQgetlength(r->res, r->row, col);
    return PQgetisnull(r->res, r->row, col) == 0;
}

bool pg_next_is_null(const struct pg_reader *r)
{
    return PQgetisnull(r->res, r->row, r->col) != 0;
}

void pg_skip(struct pg_reader *r, int columns)
{
    r->col += columns;
}

bool pg_decode_int(const char *bytes, size_t n, int64_t *ret)
{
    if (n != 2 && n != 4 && n != 8)
        return false;
    uint64_t v = (bytes[0] & 0x80) != 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | (unsigned char)bytes[i];
    *ret = (int64_t)v;
    return true;
}

bool pg_decode_double(const char *bytes, size_t n, double *ret)
{
    int64_t bits;
    if (n != sizeof *ret || !pg_decode_int(bytes, n, &bits))
        return false;
    memcpy(ret, &bits, sizeof *ret);
    return true;
}

int64_t pg_get_int(struct pg_reader *r)
{
    const char *bytes;
    size_t n;
    int64_t v = 0;
    if (next(r, &bytes, &n) && !pg_decode_int(bytes, n, &v))
        fail(r, ERR_PROTOCOL);
    return v;
}

bool pg_get_bool(struct pg_reader *r)
{
    const char *bytes;
    size_t n;
    if (!next(r, &bytes, &n))
        return false;
    if (n != 1)
        fail(r, ERR_PROTOCOL);
    return n == 1 && bytes[0] != 0;
}

double pg_get_double(struct pg_reader *r)
{
    const char *bytes;
    size_t n;
    double v = -1;
    if (next(r, &bytes, &n) && !pg_decode_double(bytes, n, &v))
        fail(r, ERR_PROTOCOL);
    return v;
}

struct uuid pg_get_uuid(struct pg_reader *r)
{
    const char *bytes;
    size_t n;
    struct uuid id = {{0}};
    if (!next(r, &bytes, &n))
        return id;
    if (n == sizeof id.bytes)
        memcpy(id.bytes, bytes, n);
    else
        fail(r, ERR_PROTOCOL);
    return id;
}

char *pg_get_text(struct pg_reader *r)
{
    const char *bytes;
    size_t n;
    if (!next(r, &bytes, &n))
        return NULL;
    if (n > STORE_TEXT_MAX) {
        fail(r, ERR_TOO_BIG);
        return NULL;
    }
    return arena_strndup(r->arena, bytes, n);
}
