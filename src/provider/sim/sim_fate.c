/* In: fault orders. Out: each request's fate. */
#include "provider/sim/sim_fate.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define ORDERS_MAX 10000

static const char *const names[FAULT_MAX] = {
    [FAULT_429] = "429",     [FAULT_RAMP] = "ramp",
    [FAULT_SPEND] = "spend", [FAULT_500] = "500",
    [FAULT_529] = "529",     [FAULT_529_STREAM] = "529-stream",
    [FAULT_ERROR] = "error", [FAULT_CUT] = "cut",
    [FAULT_FIN] = "fin",     [FAULT_NO_STOP] = "no-message-stop",
    [FAULT_RST] = "rst",     [FAULT_SILENT] = "silent",
    [FAULT_STALL] = "stall", [FAULT_PINGS] = "pings",
    [FAULT_THINK] = "think", [FAULT_REFUSAL] = "refusal",
};

struct order {
    uint64_t first, times; /* requests first .. first + times - 1 */
    struct fate fate;
};

struct fates {
    uint64_t seen; /* requests so far */
    struct order *orders;
    size_t n;
};

const char *fault_name(enum fault f)
{
    return names[f];
}

static enum err parse_name(const char *name, size_t n, struct fate *ret_fate, struct errmsg *msg)
{
    for (int f = FAULT_NONE + 1; f < FAULT_MAX; f++) {
        if (strlen(names[f]) == n && memcmp(names[f], name, n) == 0) {
            *ret_fate = (struct fate){
                .fault = (enum fault)f, .retry_after_s = -1, .seconds = 180, .should_retry = -1};
            if (f == FAULT_429)
                ret_fate->retry_after_s = 1;
            return OK;
        }
    }
    return err_set(msg, ERR_INVALID, "no such fault: %.*s", (int)(n < 40 ? n : 40), name);
}

struct fates *fates_new(void)
{
    return mem_alloc(sizeof(struct fates));
}

void fates_free(struct fates *f)
{
    if (f == NULL)
        return;
    free(f->orders);
    free(f);
}

void fates_reset(struct fates *f)
{
    free(f->orders);
    *f = (struct fates){0};
}

static enum err parse_order(const json_t *item, uint64_t seen, struct order *ret_order,
                            struct errmsg *msg)
{
    const char *name = json_str(item, "fault");
    int64_t nth = json_int(item, "nth", 1), times = json_int(item, "times", 1);
    struct order o;
    if (name == NULL || nth < 1 || times < 1)
        return err_set(msg, ERR_INVALID, "an order needs \"fault\", and \"nth\" from 1");
    enum err e = parse_name(name, strlen(name), &o.fate, msg);
    if (e != OK)
        return e;
    o.first = seen + (uint64_t)nth;
    o.times = (uint64_t)times;
    o.fate.after_tokens = json_int(item, "after_tokens", 0);
    o.fate.retry_after_s = json_num(item, "retry_after", o.fate.retry_after_s);
    o.fate.seconds = json_num(item, "seconds", o.fate.seconds);
    const json_t *should_retry = json_object_get(item, "should_retry");
    if (json_is_boolean(should_retry))
        o.fate.should_retry = json_is_true(should_retry);
    *ret_order = o;
    return OK;
}

enum err fates_order(struct fates *f, const json_t *list, struct errmsg *msg)
{
    size_t i, n = json_array_size(list);
    json_t *item;
    if (!json_is_array(list))
        return err_set(msg, ERR_INVALID, "a list of orders is expected");
    if (n > ORDERS_MAX - f->n)
        return err_set(msg, ERR_TOO_BIG, "at most %d orders", ORDERS_MAX);
    f->orders = mem_resize(f->orders, (f->n + n + 1) * sizeof(*f->orders));
    size_t had = f->n;
    json_array_foreach (list, i, item) {
        enum err e = parse_order(item, f->seen, &f->orders[f->n], msg);
        if (e != OK) {
            f->n = had; /* all or nothing */
            return e;
        }
        f->n++;
    }
    return OK;
}

/* "cut;after_tokens=100;seconds=2" */
static enum err parse_header(const char *header, struct fate *ret_fate, struct errmsg *msg)
{
    size_t n = strcspn(header, ";");
    struct fate fate;
    enum err e = parse_name(header, n, &fate, msg);
    if (e != OK)
        return e;
    const struct {
        const char *name;
        double *number;
        int64_t *count;
        int *flag;
    } settings[] = {{"after_tokens=", NULL, &fate.after_tokens, NULL},
                    {"retry_after=", &fate.retry_after_s, NULL, NULL},
                    {"seconds=", &fate.seconds, NULL, NULL},
                    {"should_retry=", NULL, NULL, &fate.should_retry}};
    for (const char *p = header + n; *p == ';'; p += strcspn(p, ";")) {
        p += 1 + strspn(p + 1, " ");
        size_t i = 0;
        while (i < 4 && strncmp(p, settings[i].name, strlen(settings[i].name)) != 0)
            i++;
        if (i == 4)
            return err_set(msg, ERR_INVALID, "x-sim-fault: unknown setting %.40s", p);
        const char *value = p + strlen(settings[i].name);
        if (settings[i].number != NULL)
            *settings[i].number = strtod(value, NULL);
        else if (settings[i].count != NULL)
            *settings[i].count = strtoll(value, NULL, 10);
        else
            *settings[i].flag = strncmp(value, "true", 4) == 0;
    }
    *ret_fate = fate;
    return OK;
}

enum err fates_next(struct fates *f, const char *header, struct fate *ret_fate, struct errmsg *msg)
{
    struct fate fate = {.retry_after_s = -1, .should_retry = -1};
    f->seen++;
    if (header != NULL) {
        enum err e = parse_header(header, &fate, msg);
        if (e != OK)
            return e;
    } else {
        for (size_t i = 0; i < f->n; i++) {
            const struct order *o = &f->orders[i];
            if (f->seen >= o->first && f->seen - o->first < o->times) {
                fate = o->fate;
                break;
            }
        }
    }
    *ret_fate = fate;
    return OK;
}
