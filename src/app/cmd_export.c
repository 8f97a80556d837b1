/* In: a job's id and names of formats. Out: its script in those forms, printed or as files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cmd.h"
#include "app/context.h"
#include "app/script_files.h"
#include "base/mem.h"
#include "job/export.h"
#include "text/json.h"

#define FORMS_MAX 16 /* in one command */
#define JSON_MAX  ((size_t)1 << 20)
#define OUT_MAX   ((size_t)512 << 20) /* the largest form of the largest script */

struct export
{
    const struct invocation *inv;
    const char *id;
    const struct export_format *forms[FORMS_MAX];
    size_t n;
    bool to_files;
    enum job_status status;
    char *script;    /* NULL: there is none */
    struct buf json; /* of the files written */
};

/* EXIT_USAGE after one line. */
static int read_forms(struct export *x)
{
    const char *p = x->inv->set.format;
    for (;;) {
        size_t n = strcspn(p, ",");
        const struct export_format *form = export_find(p, n);
        if (form == NULL || x->n == FORMS_MAX) {
            struct buf names = BUF_INIT(256);
            export_put_names(&names);
            int code = command_fail(x->inv, EXIT_USAGE, "--format: '%.*s' is none; there are %s",
                                    (int)(n < 40 ? n : 40), p, buf_str(&names));
            buf_free(&names);
            return code;
        }
        x->forms[x->n++] = form;
        if (p[n] == '\0')
            return EXIT_DONE;
        p += n + 1;
    }
}

static void take_job(void *ctx, const struct store_result *r)
{
    struct export *x = ctx;
    x->status = r->jobs[0].status;
    x->script = mem_strdup(r->jobs[0].script);
}

static void put_json(struct export *x, const struct export_format *form, const char *path)
{
    buf_putf(&x->json, "%s{\"format\":\"%s\",\"file\":", x->json.len > 0 ? "," : "", form->name);
    json_put_string(&x->json, path, strlen(path));
    buf_puts(&x->json, "}");
}

static int put_file(struct export *x, const struct export_format *form, const struct buf *text)
{
    char *path = script_file_path(x->inv->set.out, x->id, form->extension);
    int code = EXIT_DONE;
    if (script_file_put(path, buf_str(text), text->len) != OK)
        code = command_fail(x->inv, EXIT_WORK_FAILED, "%s: %s", path, strerror(errno));
    else if (x->inv->set.json)
        put_json(x, form, path);
    else
        (void)printf("%s\n", path);
    free(path);
    return code;
}

static int put_form(struct export *x, const struct export_format *form)
{
    struct buf text = BUF_INIT(OUT_MAX);
    int code = EXIT_DONE;
    form->put(x->script, strlen(x->script), (int)x->inv->set.wpm, &text);
    if (x->to_files)
        code = put_file(x, form, &text);
    else
        (void)fwrite(buf_str(&text), 1, text.len, stdout);
    buf_free(&text);
    return code;
}

static int put_all(struct export *x)
{
    struct errmsg msg = {""};
    if (x->script == NULL)
        return command_fail(x->inv, EXIT_WORK_FAILED, "job %s is %s: it has no script", x->id,
                            job_status_name(x->status));
    if (x->to_files && script_folder_make(x->inv->set.out, &msg) != OK)
        return command_fail(x->inv, EXIT_WORK_FAILED, "%s", msg.text);
    int code = EXIT_DONE;
    for (size_t i = 0; code == EXIT_DONE && i < x->n; i++)
        code = put_form(x, x->forms[i]);
    return code;
}

int cmd_jobs_export(struct invocation *inv)
{
    struct context c;
    struct uuid id;
    char text[UUID_TEXT_SIZE];
    struct export x = {.inv = inv, .json = BUF_INIT(JSON_MAX)};
    int code = context_uuid(inv, "ID", inv->args[0], &id);
    if (code == EXIT_DONE)
        code = read_forms(&x);
    if (code == EXIT_DONE)
        code = context_open(&c, inv, 0);
    if (code != EXIT_DONE)
        return code;
    x.id = uuid_text(&id, text);
    x.to_files = x.n > 1 || inv->given[SET_OUT] || inv->set.json;
    struct answer a = answer_new(&c, take_job, &x);
    store_get(c.store, &id, answer_take, &a);
    code = answer_wait(&c, &a);
    if (code == EXIT_DONE)
        code = put_all(&x);
    if (code == EXIT_DONE && inv->set.json)
        (void)printf("{\"files\":[%s]}\n", buf_str(&x.json));
    buf_free(&x.json);
    free(x.script);
    context_close(&c);
    return code;
}
