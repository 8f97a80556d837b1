/* In: a pipeline's files. Out: one text to store them as, and back again. Pure. */
#ifndef JOB_BUNDLE_H
#define JOB_BUNDLE_H

#include <stddef.h>

#include "base/err.h"
#include "job/pipeline.h"

#define BUNDLE_FILES_MAX 64
#define BUNDLE_SIZE_MAX  ((size_t)2 << 20) /* of all files together */
#define BUNDLE_NAME_MAX  100               /* bytes of a file's name */

/* What keeps a file out of every bundle: a name or bytes that cannot be stored, with file and line.
 */
enum err bundle_check(const struct pipeline_file *files, size_t n, struct errmsg *msg) MUST_CHECK;
/* JSON text, owned. */
enum err bundle_write(const struct pipeline_file *files, size_t n, char **ret_text,
                      struct errmsg *msg) MUST_CHECK;
/* The pipeline that such a text holds. ERR_NEWER: made by a program that knows more forms of it;
 * ERR_INVALID: the text is no bundle, or pipeline_parse() refuses the files. Owned. */
enum err bundle_parse(const char *text, size_t n, struct pipeline **ret_pipeline,
                      struct errmsg *msg) MUST_CHECK;

#endif
