/* In: a folder's name. Out: the files of the pipeline in it; the pipeline. */
#include "app/pipeline_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/settings.h"
#include "base/mem.h"
#include "job/bundle.h"
#include "job/prompt_names.h"
#include "text/json.h"

#define FILE_MAX ((size_t)1 << 20)

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct pipeline_file *)a)->name, ((const struct pipeline_file *)b)->name);
}

/* What the path really is lies below what the folder really is. */
static bool is_inside(const char *root, const char *path)
{
    char *real = realpath(path, NULL);
    size_t n = strlen(root);
    bool inside = real != NULL && strncmp(real, root, n) == 0 &&
                  (real[n] == '/' || (n > 0 && root[n - 1] == '/'));
    free(real);
    return inside;
}

static enum err add_file(struct pipeline_folder *f, const char *dir, const char *name,
                         const char *path, struct errmsg *msg)
{
    char *text = NULL;
    size_t len = 0;
    if (f->n == BUNDLE_FILES_MAX)
        return err_set(msg, ERR_TOO_BIG, "%s: more than %d files", dir, BUNDLE_FILES_MAX);
    enum err e = settings_read_file(path, FILE_MAX, &text, &len, msg);
    if (e == OK)
        f->files[f->n++] = (struct pipeline_file){mem_strdup(name), text, len};
    return e;
}

static enum err add_entry(struct pipeline_folder *f, const char *dir, const char *root,
                          const char *name, struct errmsg *msg)
{
    struct stat st;
    if (name[0] == '.')
        return OK;
    char *path = mem_printf("%s/%s", dir, name);
    enum err e = OK;
    if (stat(path, &st) != 0)
        e = err_set(msg, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    else if (S_ISREG(st.st_mode) && !is_inside(root, path))
        e = err_set(msg, ERR_PERMISSION,
                    "%s: a link that leads out of the folder; put the file itself there", path);
    else if (S_ISREG(st.st_mode))
        e = add_file(f, dir, name, path, msg);
    free(path);
    return e;
}

static enum err read_entries(struct pipeline_folder *f, DIR *d, const char *dir, struct errmsg *msg)
{
    char *root = realpath(dir, NULL);
    enum err e = OK;
    if (root == NULL)
        return err_set(msg, ERR_NOT_FOUND, "%s: %s", dir, strerror(errno));
    for (struct dirent *entry = readdir(d); e == OK && entry != NULL; entry = readdir(d))
        e = add_entry(f, dir, root, entry->d_name, msg);
    free(root);
    return e;
}

enum err pipeline_folder_read(const char *dir, struct pipeline_folder **ret_folder,
                              struct errmsg *msg)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return err_set(msg, ERR_NOT_FOUND, "%s: %s", dir, strerror(errno));
    struct pipeline_folder *f = mem_alloc(sizeof *f);
    f->files = mem_array(BUNDLE_FILES_MAX, sizeof *f->files);
    enum err e = read_entries(f, d, dir, msg);
    (void)closedir(d);
    if (e != OK) {
        pipeline_folder_free(f);
        return e;
    }
    qsort(f->files, f->n, sizeof f->files[0], by_name);
    *ret_folder = f;
    return OK;
}

void pipeline_folder_free(struct pipeline_folder *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->n; i++) {
        free((void *)(uintptr_t)f->files[i].name);
        free((void *)(uintptr_t)f->files[i].text);
    }
    free(f->files);
    free(f);
}

enum err pipeline_folder_parse(const struct pipeline_folder *f, const struct catalog *catalog,
                               struct pipeline **ret_pipeline, struct errmsg *msg)
{
    struct pipeline *p = NULL;
    enum err e = bundle_check(f->files, f->n, msg);
    if (e == OK)
        e = pipeline_parse(f->files, f->n, &p, msg);
    if (e == OK)
        e = prompt_names_check(p, msg);
    if (e == OK)
        e = pipeline_check_models(p, catalog, msg);
    if (e == OK) {
        *ret_pipeline = p;
        p = NULL;
    }
    pipeline_free(p);
    return e;
}

enum err pipeline_folder_load(const char *dir, const struct catalog *catalog,
                              struct pipeline **ret_pipeline, struct errmsg *msg)
{
    struct pipeline_folder *f = NULL;
    enum err e = pipeline_folder_read(dir, &f, msg);
    if (e == OK && f != NULL)
        e = pipeline_folder_parse(f, catalog, ret_pipeline, msg);
    pipeline_folder_free(f);
    return e;
}

/* ---- notes ---- */

struct notes {
    struct buf *out;
    bool json;
};

static void put_note(void *ctx, const char *file, int line, const char *name)
{
    const struct notes *n = ctx;
    char *text = mem_printf("%s:%d: nothing is called '%.60s': it is empty, unless requests have "
                            "such a member of their own",
                            file, line, name);
    if (n->out->len + 2 * strlen(text) > PIPELINE_NOTES_MAX / 2) {
        /* so many say enough */
    } else if (n->json) {
        buf_puts(n->out, n->out->len > 0 ? "," : "");
        json_put_string(n->out, text, strlen(text));
    } else {
        buf_putf(n->out, "note: %s\n", text);
    }
    free(text);
}

void pipeline_put_notes(struct buf *out, const struct pipeline *p, bool json)
{
    struct notes n = {out, json};
    prompt_names_unknown(p, put_note, &n);
}
