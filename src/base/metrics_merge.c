/* In: the metrics of several processes. Out: one text of them, metric by metric. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"

/* The start of the next line, or the end. */
static const char *after_line(const char *line)
{
    size_t n = strcspn(line, "\n");
    return line + n + (line[n] == '\n');
}

static bool is_comment(const char *line)
{
    return line[0] == '#';
}

/* Whether both begin with the same line. */
static bool same_line(const char *a, const char *b)
{
    size_t n = strcspn(a, "\n");
    return strcspn(b, "\n") == n && strncmp(a, b, n) == 0;
}

/* name{a="b"} 1 or name 1: the first brace or space ends the name. */
static void put_sample(const char *line, size_t process, struct buf *out)
{
    const char *end = after_line(line), *name_end = line + strcspn(line, "{ \n");
    bool labels = *name_end == '{';
    buf_put(out, line, (size_t)(name_end - line));
    buf_putf(out, "{process=\"%zu\"%s", process, labels ? "," : "}");
    name_end += labels;
    buf_put(out, name_end, (size_t)(end - name_end));
}

/* As metric_put_head() writes it: two lines. A metric may have no samples. */
static const char *after_head(const char *at)
{
    for (int i = 0; i < 2 && is_comment(at); i++)
        at = after_line(at);
    return at;
}

/* The samples of the metric that `at` begins with; where the next one begins. */
static const char *put_samples(const char *at, size_t process, struct buf *out)
{
    at = after_head(at);
    for (; *at != '\0' && !is_comment(at); at = after_line(at))
        put_sample(at, process, out);
    return at;
}

void metrics_merge(const char *const *texts, size_t n, struct buf *out)
{
    const char **at = mem_array(n, sizeof *at);
    for (size_t i = 0; i < n; i++)
        at[i] = texts[i] != NULL ? texts[i] : "";
    for (size_t first = 0; first < n;) {
        if (*at[first] == '\0') {
            first++;
            continue;
        }
        const char *metric = at[first];
        buf_put(out, metric, (size_t)(after_head(metric) - metric));
        for (size_t i = first; i < n; i++) {
            if (same_line(at[i], metric))
                at[i] = put_samples(at[i], i, out);
        }
    }
    free((void *)at);
}
