/* In: JSON text from outside, bounded. Out: jansson values and safe ways to read them. The one
 * home of jansson.h. */
#ifndef TEXT_JSON_H
#define TEXT_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define JSON_DEPTH_MAX 64

/* ERR_TOO_BIG past `max` bytes, ERR_INVALID with line and column in msg. NUL inside strings,
 * repeated keys and depth past JSON_DEPTH_MAX are refused. Owned: json_decref(). */
enum err json_parse(const char *text, size_t n, size_t max, json_t **ret_json,
                    struct errmsg *msg) MUST_CHECK;
/* The same for what users and their databases wrote: an integer past 64 bits is a real. */
enum err json_parse_wide(const char *text, size_t n, size_t max, json_t **ret_json,
                         struct errmsg *msg) MUST_CHECK;
char *json_text(const json_t *json); /* compact, key order kept; owned, never NULL */

/* Borrowed; NULL or the fallback when the object is not one, the member is absent, null or of
 * another type. */
const char *json_str(const json_t *object, const char *key);
int64_t json_int(const json_t *object, const char *key, int64_t fallback);
double json_num(const json_t *object, const char *key, double fallback);
bool json_flag(const json_t *object, const char *key, bool fallback);
json_t *json_arr(const json_t *object, const char *key); /* an array or NULL */
json_t *json_obj(const json_t *object, const char *key); /* an object or NULL */

/* Appends `s` as a quoted JSON string; invalid UTF-8 becomes U+FFFD. */
void json_put_string(struct buf *b, const char *s, size_t n);
/* ,"name":"text", or null for NULL. The name is the program's own: not escaped. */
void json_put_member(struct buf *b, const char *name, const char *text);

/* Finds the first balanced object or array in text that may be fenced, have words around it, or
 * be cut off; closes what a cut left open (a cut string or a half member is dropped). Pure
 * bytes. Owned text, or NULL when there is none. */
char *json_extract(const char *text, size_t n);

/* A scanner that allocates nothing, for stream deltas only: finds the string member at the path
 * `outer`.`inner` of an object (`outer` NULL: top level) and appends its unescaped text to `out`.
 * ERR_NOT_FOUND when absent or not a string; ERR_INVALID when the text is not JSON;
 * ERR_TOO_BIG. Agrees with jansson (fuzzed against it). */
enum err json_scan_string(const char *text, size_t n, const char *outer, const char *inner,
                          struct buf *out) MUST_CHECK;

#endif
