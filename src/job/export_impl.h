/* In: pieces of a script. Out: what the files of the exports share. Private to job. */
#ifndef JOB_EXPORT_IMPL_H
#define JOB_EXPORT_IMPL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "job/section.h"

/* Without Markdown's marks and control characters. */
void export_put_clean(struct buf *out, const char *text, size_t n);
/* A word, or a dash, an ampersand ... by itself: what is shown where words are shown. */
bool export_is_shown(const struct section_piece *piece);
/* Does a sentence end with it? */
bool export_ends_sentence(const char *word, size_t n);

void export_markdown(const char *script, size_t n, int wpm, struct buf *out);
void export_text(const char *script, size_t n, int wpm, struct buf *out);
void export_json(const char *script, size_t n, int wpm, struct buf *out);
void export_teleprompter(const char *script, size_t n, int wpm, struct buf *out);
void export_srt(const char *script, size_t n, int wpm, struct buf *out);
void export_vtt(const char *script, size_t n, int wpm, struct buf *out);
void export_fountain(const char *script, size_t n, int wpm, struct buf *out);

#endif
