/* In: settings, old and new. Out: a line on what counts now, and on what does not. */
#include "app/reload.h"

#include <string.h>

#include "base/buf.h"
#include "base/log.h"

/* What on_reload() in daemon.c hands on; endpoints of webhooks are not in the table. */
static const enum setting_id taken[] = {SET_LOG_LEVEL,        SET_LOG_FORMAT,     SET_SERVICE_KEY,
                                        SET_JWT_SECRET,       SET_JWKS_URL,       SET_ISSUER,
                                        SET_AUDIENCE,         SET_CONCURRENCY,    SET_MODE,
                                        SET_CONCURRENT_LIMIT, SET_CAP_PER_USER,   SET_BUDGET_DAY,
                                        SET_BUDGET_USER_DAY,  SET_KEEP_COMPLETED, SET_KEEP_FAILED,
                                        SET_KEEP_CANCELLED,   SET_KEEP_ROWS};

static bool is_taken(int id)
{
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if ((int)taken[i] == id)
            return true;
    }
    return false;
}

static bool texts_equal(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool values_equal(const struct yaml_field *field, const struct settings *a,
                         const struct settings *b)
{
    const void *x = (const char *)a + field->offset, *y = (const char *)b + field->offset;
    switch (field->type) {
    case YAML_F_STRING:
        return texts_equal(*(char *const *)x, *(char *const *)y);
    case YAML_F_DOUBLE:
        return memcmp(x, y, sizeof(double)) == 0;
    case YAML_F_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case YAML_F_ENUM:
        return *(const int *)x == *(const int *)y;
    default: /* numbers, times, sizes, money */
        return *(const int64_t *)x == *(const int64_t *)y;
    }
}

static void put_kept(struct buf *out, const struct settings *old, const struct settings *fresh)
{
    for (int id = 0; id < SET_MAX; id++) {
        const struct setting *s = &setting_table[id];
        if (!is_taken(id) && !values_equal(&s->field, old, fresh))
            buf_putf(out, "%s%s", out->len > 0 ? ", " : "", s->name);
    }
}

void reload_tell(const struct settings *old, const struct settings *fresh, bool keys, bool webhooks)
{
    struct buf kept = BUF_INIT((size_t)16 * 1024);
    log_info(NULL,
             "reloaded: log level, %s%smode, concurrency, concurrent limit, cap per user, spend "
             "caps, retention",
             keys ? "keys, " : "", webhooks ? "webhooks, " : "");
    put_kept(&kept, old, fresh);
    if (kept.len > 0)
        log_warn(NULL, "changed, but as it was until a restart: %s", buf_str(&kept));
    buf_free(&kept);
}
