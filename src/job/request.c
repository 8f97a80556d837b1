/* In: what a prompt asks for. Out: the block of lines that ends it. */
#include "job/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *request_time(int64_t seconds, char *out)
{
    (void)snprintf(out, REQUEST_TIME_SIZE, "%02" PRId64 ":%02" PRId64, seconds / 60, seconds % 60);
    return out;
}

void request_open(struct buf *out, const struct request *r)
{
    char from[REQUEST_TIME_SIZE], to[REQUEST_TIME_SIZE];
    buf_putf(out,
             "<request kind=\"%s\" chunk=\"%d\" chunks=\"%d\" from=\"%s\" to=\"%s\" words=\"%d\" "
             "first=\"%s\" last=\"%s\" tags=\"%d\">\n",
             r->kind, r->chunk, r->chunks, request_time(r->from_s, from), request_time(r->to_s, to),
             r->words, r->first ? "yes" : "no", r->last ? "yes" : "no", r->tags);
}

static bool is_blank(const char *s)
{
    return s[strspn(s, " \t\r\n")] == '\0';
}

void request_element(struct buf *out, const char *name, const char *attribute, const char *text)
{
    if (text == NULL || is_blank(text))
        return;
    buf_putf(out, "<%s%s>", name, attribute == NULL ? "" : attribute);
    size_t start = out->len;
    buf_puts(out, text + strspn(text, " \t\r\n"));
    for (size_t i = start; i < out->len; i++)
        if (out->data[i] == '\n' || out->data[i] == '\r')
            out->data[i] = ' ';
    buf_putf(out, "</%s>\n", name);
}

void request_chunks(struct buf *out, const struct plan *plan)
{
    for (int i = 1; i <= plan->chunks; i++) {
        char from[REQUEST_TIME_SIZE], to[REQUEST_TIME_SIZE], attributes[128], text[64];
        int64_t from_s, to_s;
        plan_chunk_span(plan, i, &from_s, &to_s);
        (void)snprintf(attributes, sizeof(attributes),
                       " n=\"%d\" from=\"%s\" to=\"%s\" words=\"%d\"", i,
                       request_time(from_s, from), request_time(to_s, to), plan->chunk_words);
        (void)snprintf(text, sizeof(text), "chunk %d of %d", i, plan->chunks);
        request_element(out, "chunk", attributes, text);
    }
}

void request_close(struct buf *out)
{
    buf_puts(out, "</request>"); /* the template ends the line */
}
