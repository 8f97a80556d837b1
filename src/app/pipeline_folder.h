/* In: a folder's name. Out: the files of the pipeline in it, read within limits. */
#ifndef APP_PIPELINE_FOLDER_H
#define APP_PIPELINE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "job/pipeline.h"

struct pipeline_folder {
    struct pipeline_file *files; /* by name */
    size_t n;
};

/* Regular files that are not hidden; folders in it are left out. ERR_TOO_BIG past the limits of
 * job/bundle.h; ERR_PERMISSION for a link that leads out of the folder. Owned. */
enum err pipeline_folder_read(const char *dir, struct pipeline_folder **ret_folder,
                              struct errmsg *msg) MUST_CHECK;
void pipeline_folder_free(struct pipeline_folder *f); /* takes NULL */

/* The pipeline in it, fit to be stored and run: text, within limits, with models of the catalogue.
 * Every fault with file and line. Owned; borrows nothing. */
enum err pipeline_folder_parse(const struct pipeline_folder *f, const struct catalog *catalog,
                               struct pipeline **ret_pipeline, struct errmsg *msg) MUST_CHECK;
/* Both at once. */
enum err pipeline_folder_load(const char *dir, const struct catalog *catalog,
                              struct pipeline **ret_pipeline, struct errmsg *msg) MUST_CHECK;

#define PIPELINE_NOTES_MAX ((size_t)64 << 10)
/* What is no fault but worth a look, with file and line: lines for people, or JSON texts with
 * commas between them; nothing where there is nothing. */
void pipeline_put_notes(struct buf *out, const struct pipeline *p, bool json);

#endif
