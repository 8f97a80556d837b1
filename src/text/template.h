/* In: a template and a JSON object. Out: the filled text. What a prompt file may hold. */
#ifndef TEXT_TEMPLATE_H
#define TEXT_TEMPLATE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "text/json.h"

/* {{name}} or {{a.b}} inserts a value (text as it is, numbers, others as JSON, absent or null as
 * nothing). {{#name}}...{{/name}} is shown when the value is there and not empty, false or 0; once
 * per element for an array, whose members (or {{.}} for plain elements, {{@number}} for its
 * 1-based place) come first in look-ups. {{^name}}...{{/name}} is shown when it is not. {{! note }}
 * is left out. A line that holds only a section tag or a note leaves no empty line behind.
 * Nothing is escaped: prompts are plain text. */

struct template;

/* ERR_INVALID with "file:line: ..." for an unclosed or misnested tag; nesting is at most 16. */
enum err template_parse(const char *text, size_t n, const char *file,
                        struct template **ret_template, struct errmsg *msg) MUST_CHECK;
void template_free(struct template *t);
const char *template_file(const struct template *t); /* as given */

/* ERR_TOO_BIG when the result passes out's maximum. Values are inserted, never parsed. */
enum err template_fill(const struct template *t, const json_t *values, struct buf *out) MUST_CHECK;

/* Calls `fn` with each name that the template looks up, for checks at deploy time. */
void template_names(const struct template *t, void (*fn)(void *ctx, const char *name, int line),
                    void *ctx);

#endif
