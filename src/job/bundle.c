/* In: a pipeline's files, or the text that they are stored as. Out: the other one. The text is
 * {"format": 1, "files": {"pipeline.yaml": "...", ...}}. */
#include "job/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/json.h"
#include "text/utf8.h"

#define FORMAT   1
#define TEXT_MAX ((size_t)16 << 20) /* every byte of a file may be escaped */

/* ---- what may be stored ---- */

/* Names stay in one folder, are seen as they are, and are no hidden files. */
static bool is_name(const char *name)
{
    size_t n = strnlen(name, BUNDLE_NAME_MAX + 1);
    if (n == 0 || n > BUNDLE_NAME_MAX || name[0] == '.')
        return false;
    for (size_t i = 0; i < n;) {
        size_t len = utf8_length(name + i, n - i);
        if (len == 0 || (unsigned char)name[i] < ' ' || name[i] == '/' || name[i] == 0x7f)
            return false;
        i += len;
    }
    return true;
}

static enum err check_text(const struct pipeline_file *file, struct errmsg *msg)
{
    int line = 1;
    for (size_t i = 0; i < file->len;) {
        size_t len = utf8_length(file->text + i, file->len - i);
        if (len == 0 || file->text[i] == '\0')
            return err_set(msg, ERR_INVALID, "%s:%d: not text: a byte that is not UTF-8",
                           file->name, line);
        line += file->text[i] == '\n';
        i += len;
    }
    return OK;
}

enum err bundle_check(const struct pipeline_file *files, size_t n, struct errmsg *msg)
{
    size_t size = 0;
    if (n > BUNDLE_FILES_MAX)
        return err_set(msg, ERR_TOO_BIG, "more than %d files in the pipeline", BUNDLE_FILES_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!is_name(files[i].name))
            return err_set(msg, ERR_INVALID, "'%.100s' is no name for a file of a pipeline",
                           files[i].name);
        enum err e = check_text(&files[i], msg);
        if (e != OK)
            return e;
        size += files[i].len;
    }
    if (size > BUNDLE_SIZE_MAX)
        return err_set(msg, ERR_TOO_BIG, "the pipeline's files are larger than %zu bytes together",
                       BUNDLE_SIZE_MAX);
    return OK;
}

/* ---- there and back ---- */

enum err bundle_write(const struct pipeline_file *files, size_t n, char **ret_text,
                      struct errmsg *msg)
{
    enum err e = bundle_check(files, n, msg);
    if (e != OK)
        return e;
    json_t *all = json_object(), *root = json_object();
    for (size_t i = 0; i < n; i++)
        json_object_set_new(all, files[i].name, json_stringn(files[i].text, files[i].len));
    json_object_set_new(root, "format", json_integer(FORMAT));
    json_object_set_new(root, "files", all);
    *ret_text = json_text(root);
    json_decref(root);
    return OK;
}

static enum err read_files(json_t *all, struct pipeline_file *files, size_t *ret_n,
                           struct errmsg *msg)
{
    const char *name;
    json_t *text;
    size_t n = 0;
    json_object_foreach (all, name, text) {
        if (!json_is_string(text))
            return err_set(msg, ERR_INVALID, "%.100s: not a text", name);
        files[n++] =
            (struct pipeline_file){name, json_string_value(text), json_string_length(text)};
    }
    *ret_n = n;
    return bundle_check(files, n, msg);
}

static enum err check_format(const json_t *root, struct errmsg *msg)
{
    int64_t format = json_int(root, "format", 0);
    if (format > FORMAT)
        return err_set(msg, ERR_NEWER,
                       "it was deployed by a newer program (form %lld, this one knows %d)",
                       (long long)format, FORMAT);
    if (format < 1 || json_obj(root, "files") == NULL)
        return err_set(msg, ERR_INVALID, "what is stored is no pipeline");
    if (json_object_size(json_obj(root, "files")) > BUNDLE_FILES_MAX)
        return err_set(msg, ERR_TOO_BIG, "more than %d files in the pipeline", BUNDLE_FILES_MAX);
    return OK;
}

enum err bundle_parse(const char *text, size_t n, struct pipeline **ret_pipeline,
                      struct errmsg *msg)
{
    json_t *root = NULL;
    enum err e = json_parse(text, n, TEXT_MAX, &root, msg);
    if (e != OK)
        return e;
    struct pipeline_file *files = mem_array(BUNDLE_FILES_MAX, sizeof *files);
    size_t count = 0;
    e = check_format(root, msg);
    if (e == OK)
        e = read_files(json_obj(root, "files"), files, &count, msg);
    if (e == OK)
        e = pipeline_parse(files, count, ret_pipeline, msg);
    free(files);
    json_decref(root);
    return e;
}
