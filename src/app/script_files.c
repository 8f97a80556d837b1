/* In: finished scripts. Out: DIR/<id>.md, whole or not at all. */
#include "app/script_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define SETTING      "run.unwritten" /* the ids owed, one a line */
#define OWED_MAX     ((size_t)1 << 20)
#define SAVE_LOOK_US 2000

struct script_files {
    struct context *context;
    char *dir;
    struct uuid *owed;
    size_t n, cap;
    struct loop_task save; /* once a turn, however many jobs were claimed in it */
    size_t saving;         /* requests not answered yet */
    bool dirty;
};

enum err script_folder_make(const char *dir, struct errmsg *msg)
{
    char *path = mem_strdup(dir);
    enum err e = OK;
    for (char *p = path + 1; e == OK && p[-1] != '\0'; p++) {
        char at = *p;
        if (at != '/' && at != '\0')
            continue;
        *p = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            e = err_set(msg, ERR_PERMISSION, "%s: %s; choose another folder with --out", path,
                        strerror(errno));
        *p = at;
    }
    if (e == OK && access(dir, W_OK | X_OK) != 0)
        e = err_set(msg, ERR_PERMISSION, "%s: %s; choose another folder with --out", dir,
                    strerror(errno));
    free(path);
    return e;
}

int script_files_open(struct context *c, const char *dir, struct script_files **ret_files)
{
    struct errmsg msg = {""};
    if (dir[0] == '\0')
        dir = ".";
    if (script_folder_make(dir, &msg) != OK)
        return command_fail(c->inv, EXIT_WORK_FAILED, "%s", msg.text);
    struct script_files *f = mem_alloc(sizeof *f);
    f->context = c;
    f->dir = mem_strdup(dir);
    *ret_files = f;
    return EXIT_DONE;
}

/* ---- the list of what is owed ---- */

static void on_saved(void *ctx, const struct store_result *r)
{
    struct script_files *f = ctx;
    f->saving--;
    (void)r; /* the list is a convenience: without it the script is still in the store */
}

static void save(void *ctx)
{
    struct script_files *f = ctx;
    struct buf text = BUF_INIT(OWED_MAX);
    char id[UUID_TEXT_SIZE];
    enum err e = OK;
    for (size_t i = 0; e == OK && i < f->n; i++)
        e = buf_addf(&text, "%s\n", uuid_text(&f->owed[i], id));
    f->dirty = false;
    f->saving++;
    store_setting_set(f->context->store, SETTING, f->n > 0 ? buf_str(&text) : NULL, on_saved, f);
    buf_free(&text);
}

static size_t find(const struct script_files *f, const struct uuid *id)
{
    size_t i = 0;
    while (i < f->n && !uuid_equal(&f->owed[i], id))
        i++;
    return i;
}

static void add(struct script_files *f, const struct uuid *id)
{
    if (f->n == f->cap) {
        f->cap = f->cap > 0 ? 2 * f->cap : 16;
        f->owed = mem_resize(f->owed, f->cap * sizeof *f->owed);
    }
    f->owed[f->n++] = *id;
}

void script_files_expect(struct script_files *f, const struct uuid *id)
{
    if (find(f, id) < f->n)
        return;
    add(f, id);
    f->dirty = true;
    f->save.fn = save;
    f->save.ctx = f;
    loop_defer(f->context->loop, &f->save);
}

/* Only the next save tells the store: what is listed too long is looked at once more, no harm. */
void script_files_forget(struct script_files *f, const struct uuid *id)
{
    size_t i = find(f, id);
    if (i == f->n)
        return;
    f->owed[i] = f->owed[--f->n];
    f->dirty = true;
}

/* ---- writing ---- */

static enum err write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t wrote = write(fd, text, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return ERR_IO;
        text += wrote;
        n -= (size_t)wrote;
    }
    return OK;
}

static enum err write_file(const char *temporary, const char *path, const char *text, size_t n)
{
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return ERR_IO;
    enum err e = write_all(fd, text, n);
    int failure = errno;
    if (close(fd) != 0 && e == OK) {
        e = ERR_IO;
        failure = errno;
    }
    if (e == OK && rename(temporary, path) != 0) {
        e = ERR_IO;
        failure = errno;
    }
    if (e != OK)
        (void)unlink(temporary);
    errno = failure;
    return e;
}

char *script_file_path(const char *dir, const char *id, const char *extension)
{
    return mem_printf("%s/%s.%s", dir, id, extension);
}

enum err script_file_put(const char *path, const char *text, size_t n)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    char *temporary = mem_printf("%.*s.%s.new", (int)folder, path, path + folder);
    enum err e = write_file(temporary, path, text, n);
    int failure = errno;
    free(temporary);
    errno = failure;
    return e;
}

enum err script_files_write(struct script_files *f, const struct uuid *id, const char *script,
                            char **ret_path, struct errmsg *msg)
{
    char text[UUID_TEXT_SIZE];
    char *path = script_file_path(f->dir, uuid_text(id, text), "md");
    enum err e = script_file_put(path, script, strlen(script));
    if (e != OK) {
        (void)err_set(msg, e, "%s: %s; the script is kept in the store, the next run writes it",
                      path, strerror(errno));
        free(path);
        return e;
    }
    script_files_forget(f, id);
    *ret_path = path;
    return OK;
}

/* ---- what an earlier run left ---- */

struct recovery {
    struct script_files *files;
    struct uuid id;
    int code;
};

static void take_list(void *ctx, const struct store_result *r)
{
    struct script_files *f = ctx;
    const char *p = r->text;
    struct uuid id;
    while (p != NULL && *p != '\0') {
        size_t n = strcspn(p, "\n");
        if (uuid_parse(p, n, &id) == OK)
            add(f, &id);
        p += n + (p[n] == '\n');
    }
}

static void take_job(void *ctx, const struct store_result *r)
{
    struct recovery *rec = ctx;
    const struct store_job *job = r->n > 0 ? r->jobs : NULL;
    struct errmsg msg = {""};
    char *path = NULL;
    if (job == NULL || job->status == JOB_FAILED || job->status == JOB_CANCELLED)
        script_files_forget(rec->files, &rec->id);
    if (job == NULL || job->status != JOB_COMPLETED || job->script == NULL)
        return;
    if (script_files_write(rec->files, &rec->id, job->script, &path, &msg) != OK)
        rec->code = command_fail(rec->files->context->inv, EXIT_WORK_FAILED, "%s", msg.text);
    free(path);
}

int script_files_recover(struct script_files *f)
{
    struct context *c = f->context;
    struct answer list = answer_new(c, take_list, f);
    store_setting_get(c->store, SETTING, answer_take, &list);
    int code = answer_wait(c, &list);
    struct recovery rec = {.files = f, .code = code};
    /* Backwards: forgetting one moves the last into its place. */
    for (size_t i = f->n; rec.code == EXIT_DONE && i-- > 0;) {
        struct answer one = answer_new(c, take_job, &rec);
        rec.id = f->owed[i];
        store_get(c->store, &rec.id, answer_take, &one);
        if (answer_await(&one) == ERR_NOT_FOUND)
            script_files_forget(f, &rec.id);
    }
    return rec.code;
}

void script_files_close(struct script_files *f)
{
    if (f == NULL)
        return;
    if (f->dirty)
        save(f);
    while (f->saving > 0 || atomic_load(&f->save.queued))
        loop_turn(f->context->loop, SAVE_LOOK_US);
    free(f->owed);
    free(f->dir);
    free(f);
}
