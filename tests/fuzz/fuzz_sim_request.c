/* In: any bytes, as the body of a request to the simulated provider, and as a prompt. Out: a crash
 * when a refusal says nothing, or an answer is longer than allowed or not UTF-8. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "provider/sim/sim_answer.h"

#define INPUT_MAX 4096

static const char models[] = "default: claude-opus-4-5\n"
                             "models:\n"
                             "  - id: claude-opus-4-5\n    name: Old\n    rate_class: old\n"
                             "    api_version: \"2023-06-01\"\n    sampling: true\n"
                             "    schema: true\n    context_tokens: 5000\n"
                             "    max_output_tokens: 2000\n"
                             "    prices:\n      - input: 1\n        output: 2\n";

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void answer(const struct sim_message *m)
{
    struct sim_answer a;
    sim_answer_make(m, 1, &a);
    require(a.tokens <= m->max_tokens && a.stop_reason != NULL);
    for (size_t i = 0; i < a.n; i++) {
        json_t *text = json_stringn(a.parts[i].text, a.parts[i].len); /* NULL: not UTF-8 */
        require(text != NULL || a.parts[i].len == 0);
        json_decref(text);
    }
    sim_answer_free(&a);
}

static void read_body(const struct catalog *catalog, const char *body, size_t n)
{
    struct sim_headers headers = {.api_key = "k", .version = "2023-06-01"};
    struct sim_message m = {0};
    struct sim_refusal r = {0};
    if (sim_request_read(catalog, &headers, body, n, false, &m, &r)) {
        answer(&m);
        sim_message_free(&m);
    } else {
        require(r.status >= 400 && r.type != NULL && r.message[0] != '\0');
        free(sim_error_body(r.type, r.message, NULL, "req_1"));
    }
}

/* The same bytes as the text of a turn, where they are text. */
static void read_prompt(const struct catalog *catalog, const char *text, size_t n)
{
    json_t *content = json_stringn(text, n);
    if (content == NULL || memchr(text, '\0', n) != NULL) {
        json_decref(content);
        return;
    }
    json_t *body = json_pack("{s:s, s:i, s:[{s:s, s:o}]}", "model", "claude-opus-4-5", "max_tokens",
                             100, "messages", "role", "user", "content", content);
    char *bytes = json_text(body);
    read_body(catalog, bytes, strlen(bytes));
    free(bytes);
    json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct catalog *catalog;
    if (catalog == NULL &&
        catalog_parse(models, sizeof(models) - 1, "models.yaml", &catalog, NULL) != OK)
        abort();
    if (size > INPUT_MAX)
        return 0;
    char *text = mem_dup(size > 0 ? data : (const uint8_t *)"", size > 0 ? size : 1);
    read_body(catalog, text, size);
    read_prompt(catalog, text, size);
    free(text);
    return 0;
}
