/* In: a delivery, secrets. Out: the body and the signature. */
#include "engine/webhook_message.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "text/json.h"
#include "store/store_webhooks.h"

#define PREFIX     "whsec_"
#define PREFIX_LEN (sizeof PREFIX - 1)
#define SPACES     " \t\r\n"
#define ERROR_MAX  2000 /* bytes of a job's message in the body */
#define BODY_MAX   ((size_t)64 * 1024)

/* ---- secrets ---- */

static enum err read_one(const char *text, size_t n, struct webhook_secrets *s)
{
    uint8_t *bytes = s->items[s->n].bytes;
    size_t *len = &s->items[s->n].n;
    if (n <= PREFIX_LEN || memcmp(text, PREFIX, PREFIX_LEN) != 0 ||
        base64_decode(text + PREFIX_LEN, n - PREFIX_LEN, bytes, WEBHOOK_SECRET_MAX, len) != OK ||
        *len < WEBHOOK_SECRET_MIN)
        return ERR_INVALID;
    s->n++;
    return OK;
}

enum err webhook_secrets_parse(const char *text, struct webhook_secrets *ret_secrets,
                               struct errmsg *msg)
{
    struct webhook_secrets s = {.n = 0};
    enum err e = OK;
    const char *at = text + strspn(text, SPACES);
    while (e == OK && *at != '\0') {
        size_t n = strcspn(at, SPACES);
        if (s.n == WEBHOOK_SECRETS_MAX)
            return err_set(msg, ERR_INVALID, "more than %d secrets", WEBHOOK_SECRETS_MAX);
        e = read_one(at, n, &s);
        at += n;
        at += strspn(at, SPACES);
    }
    if (e != OK || s.n == 0)
        return err_set(msg, ERR_INVALID,
                       "a secret is " PREFIX " and %d to %d bytes in base64; make one with: echo "
                       "\"" PREFIX "$(openssl rand -base64 32)\"",
                       WEBHOOK_SECRET_MIN, WEBHOOK_SECRET_MAX);
    *ret_secrets = s;
    return OK;
}

/* ---- the body ---- */

/* Cut between two characters. */
static size_t cut(const char *text, size_t max)
{
    size_t n = strnlen(text, max + 1);
    if (n <= max)
        return n;
    for (n = max; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80;)
        n--;
    return n;
}

static void put_id(struct buf *b, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];
    if (uuid_is_nil(id))
        buf_putf(b, ",\"%s\":null", name);
    else
        buf_putf(b, ",\"%s\":\"%s\"", name, uuid_text(id, text));
}

static void put_money(struct buf *b, int64_t udollar)
{
    buf_putf(b, ",\"cost_usd\":%lld.%06lld", (long long)(udollar / 1000000),
             (long long)(udollar % 1000000));
}

static bool is_number(const char *text)
{
    return text != NULL && text[0] != '\0' && text[0] != '0' && strlen(text) < 10 &&
           text[strspn(text, "0123456789")] == '\0';
}

char *webhook_body(const struct store_delivery *d)
{
    struct buf b = BUF_INIT(BODY_MAX);
    char time[CLOCK_ISO_SIZE];
    const char *end = store_end_name(d->end);
    const struct usage *u = &d->usage;
    int64_t cache_write = u->cache_write_5m + u->cache_write_1h;
    buf_putf(&b, "{\"type\":\"job.%s\",\"timestamp\":\"%s\",\"data\":{\"status\":\"%s\"", end,
             clock_iso(d->ended_us, time), end);
    put_id(&b, "job_id", &d->job);
    put_id(&b, "user_id", &d->user_id);
    buf_putf(&b, ",\"run\":%d,\"error\":", d->run);
    if (d->job_error != NULL)
        json_put_string(&b, d->job_error, cut(d->job_error, ERROR_MAX));
    else
        buf_puts(&b, "null");
    buf_putf(&b, ",\"words\":%s", is_number(d->words) ? d->words : "null");
    buf_putf(&b,
             ",\"usage\":{\"calls\":%lld,\"input_tokens\":%lld,\"output_tokens\":%lld,"
             "\"cache_read_tokens\":%lld,\"cache_write_tokens\":%lld}",
             (long long)d->calls, (long long)u->input, (long long)u->output,
             (long long)u->cache_read, (long long)cache_write);
    put_money(&b, d->cost_udollar);
    buf_puts(&b, "}}");
    return buf_take(&b);
}

/* ---- the signature ---- */

char *webhook_signature(const struct webhook_secrets *secrets, const char *id, int64_t timestamp_s,
                        const char *body)
{
    struct buf signatures = BUF_INIT(1024);
    char *content = mem_printf("%s.%lld.%s", id, (long long)timestamp_s, body);
    for (size_t i = 0; i < secrets->n; i++) {
        uint8_t mac[HASH_SIZE];
        hash_hmac(secrets->items[i].bytes, secrets->items[i].n, content, strlen(content), mac);
        char *text = base64_encode(mac, sizeof mac);
        buf_putf(&signatures, "%sv1,%s", i == 0 ? "" : " ", text);
        free(text);
    }
    free(content);
    return buf_take(&signatures);
}
