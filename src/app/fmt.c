/* In: figures and text. Out: how people read them. */
#include "app/fmt.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/clock.h"

char *fmt_count(int64_t n, char *out)
{
    char digits[FMT_SIZE];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n < 0 ? -n : n);
    char *p = out;
    if (n < 0)
        *p++ = '-';
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
    return out;
}

char *fmt_money(int64_t udollar, char *out)
{
    double dollars = (double)udollar / 1e6;
    (void)snprintf(out, FMT_SIZE, udollar < 1000000 ? "$%.4f" : "$%.2f", dollars);
    return out;
}

char *fmt_dollars_json(int64_t udollar, char *out)
{
    (void)snprintf(out, FMT_SIZE, "%" PRId64 ".%06" PRId64, udollar / 1000000, udollar % 1000000);
    return out;
}

char *fmt_seconds(int64_t us, char *out)
{
    double s = (double)us / (double)USEC_PER_SEC;
    int64_t whole = us / USEC_PER_SEC, minutes = whole / 60, hours = minutes / 60;
    if (s < 10)
        (void)snprintf(out, FMT_SIZE, "%.2f s", s);
    else if (s < 120)
        (void)snprintf(out, FMT_SIZE, "%.1f s", s);
    else if (hours < 2)
        (void)snprintf(out, FMT_SIZE, "%" PRId64 " min %02d s", minutes, (int)(whole % 60));
    else if (hours < 48)
        (void)snprintf(out, FMT_SIZE, "%" PRId64 " h %02d min", hours, (int)(minutes % 60));
    else
        (void)snprintf(out, FMT_SIZE, "%" PRId64 " d %02d h", hours / 24, (int)(hours % 24));
    return out;
}

char *fmt_clock(int64_t us, char *out)
{
    int64_t s = us / USEC_PER_SEC;
    if (s < 3600)
        (void)snprintf(out, FMT_SIZE, "%d:%02d", (int)(s / 60), (int)(s % 60));
    else
        (void)snprintf(out, FMT_SIZE, "%d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60),
                       (int)(s % 60));
    return out;
}

/* The next character of text: its bytes, and its columns. Bytes that are no character count as
 * one column each. */
static size_t next_char(const char *text, mbstate_t *state, int *ret_columns)
{
    wchar_t wide;
    size_t n = mbrtowc(&wide, text, strlen(text), state);
    if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
        memset(state, 0, sizeof *state);
        *ret_columns = 1;
        return 1;
    }
    int columns = wcwidth(wide);
    *ret_columns = columns < 0 ? 1 : columns;
    return n;
}

int fmt_width(const char *text)
{
    mbstate_t state = {0};
    int width = 0;
    while (*text != '\0') {
        int columns;
        text += next_char(text, &state, &columns);
        width += columns;
    }
    return width;
}

static void fit(struct buf *out, const char *text, int width)
{
    bool whole = fmt_width(text) <= width, wide_locale = MB_CUR_MAX > 1;
    const char *cut = wide_locale ? "…" : ".";
    int room = whole ? width : width - 1, used = 0;
    mbstate_t state = {0};
    while (*text != '\0') {
        int columns;
        size_t n = next_char(text, &state, &columns);
        if (used + columns > room)
            break;
        buf_put(out, text, n);
        used += columns;
        text += n;
    }
    if (!whole && width > 0) {
        buf_puts(out, cut);
        used++;
    }
    buf_putf(out, "%*s", width > used ? width - used : 0, "");
}

void fmt_fit(struct buf *out, const char *text, int width)
{
    struct buf plain = BUF_INIT(strlen(text));
    buf_put_plain(&plain, text);
    fit(out, buf_str(&plain), width);
    buf_free(&plain);
}

void fmt_print(FILE *to, const char *text)
{
    struct buf plain = BUF_INIT(strlen(text));
    buf_put_plain(&plain, text);
    (void)fwrite(buf_str(&plain), 1, plain.len, to);
    buf_free(&plain);
}
