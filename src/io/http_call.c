/* In: a request. Out: a libcurl handle that would send exactly that, or the refusal to. */
#include "io/http_call.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"

static void set_transport(struct http_call *call)
{
    CURL *e = call->t.easy;
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, RESOLVE_CACHE_S);
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                           (long)(call->connect_us / USEC_PER_MSEC) + 60000L); /* ours is first */
    /* A stuck look-up must not hold the loop when its call is given up. */
    (void)curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    /* The directory makes libcurl read all authorities again for every connection. */
    (void)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    if (call->client->ca_file != NULL)
        (void)curl_easy_setopt(e, CURLOPT_CAINFO, call->client->ca_file);
    if (call->client->user_agent != NULL)
        (void)curl_easy_setopt(e, CURLOPT_USERAGENT, call->client->user_agent);
}

static enum err set_method(struct http_call *call, const struct http_request *r)
{
    CURL *e = call->t.easy;
    size_t letters = strspn(r->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (letters == 0 || r->method[letters] != '\0')
        return ERR_INVALID;
    bool post = strcmp(r->method, "POST") == 0;
    if (post || r->body_len > 0) {
        call->body = mem_dup(r->body, r->body_len);
        (void)curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
        (void)curl_easy_setopt(e, CURLOPT_POSTFIELDS, r->body_len > 0 ? call->body : "");
    }
    if (strcmp(r->method, "HEAD") == 0)
        (void)curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    else if (!post)
        (void)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, r->method);
    return OK;
}

/* libcurl takes "Name:" as an order to leave that header out, and "Name;" as one without a value.
 */
static struct curl_slist *add_header(struct curl_slist *list, const char *line)
{
    size_t name = strcspn(line, ":");
    if (line[name + 1 + strspn(line + name + 1, " \t")] != '\0')
        return curl_slist_append(list, line);
    char *bare = mem_printf("%.*s;", (int)name, line);
    list = curl_slist_append(list, bare);
    free(bare);
    return list;
}

static enum err set_headers(struct http_call *call, const struct http_request *r)
{
    bool typed = false;
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; r->headers != NULL && r->headers[i] != NULL; i++) {
        if (strpbrk(r->headers[i], "\r\n") != NULL || strchr(r->headers[i], ':') == NULL) {
            curl_slist_free_all(list);
            return ERR_INVALID;
        }
        typed = typed || strncasecmp(r->headers[i], "content-type:", 13) == 0;
        list = add_header(list, r->headers[i]);
    }
    if (!typed)
        list = curl_slist_append(list, "Content-Type:"); /* not libcurl's guess */
    call->headers = list;
    (void)curl_easy_setopt(call->t.easy, CURLOPT_HTTPHEADER, list);
    return OK;
}

/* Both to be curl_free()d, whatever it returns. libcurl alone would take http:///x for http://x. */
static bool split_url(const char *url, char **ret_host, char **ret_port)
{
    const char *mark = strstr(url, "://");
    char *scheme = NULL;
    CURLU *u = curl_url();
    bool ok = mark != NULL && mark[3] != '/' &&
              curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
              curl_url_get(u, CURLUPART_HOST, ret_host, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PORT, ret_port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    curl_free(scheme);
    curl_url_cleanup(u);
    return ok;
}

bool http_url_ok(const char *url)
{
    char *host = NULL, *port = NULL;
    bool ok = split_url(url, &host, &port);
    curl_free(host);
    curl_free(port);
    return ok;
}

static enum err set_url(struct http_call *call, const char *url)
{
    char *host = NULL, *port = NULL;
    bool ok = split_url(url, &host, &port);
    if (ok) {
        call->host = gate_host(&call->client->gate, host, port);
        call->host_name = call->guard != NULL ? mem_strdup(host) : NULL;
        (void)curl_easy_setopt(call->t.easy, CURLOPT_URL, url);
    }
    curl_free(host);
    curl_free(port);
    return ok ? OK : ERR_INVALID;
}

enum err http_call_prepare(struct http_call *call, const struct http_request *r)
{
    if (set_url(call, r->url) != OK || set_method(call, r) != OK || set_headers(call, r) != OK)
        return ERR_INVALID;
    set_transport(call);
    return OK;
}
