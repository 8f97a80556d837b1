/* In: a finished script. Out: the same in another form, made by code alone. Pure. */
#ifndef JOB_EXPORT_H
#define JOB_EXPORT_H

#include <stddef.h>

#include "base/buf.h"

#define EXPORT_WPM_MIN 40 /* words per minute that subtitles may be timed by */
#define EXPORT_WPM_MAX 400

/* md: as it is. txt: headings are lines of their own, emphasis and fences are gone, cues in
 * brackets and times stay. teleprompter: what is spoken and nothing else, a sentence a line. json:
 * {"sections":[{"level","title","at_seconds","text"}],"description","tags":[],"words"}. srt, vtt:
 * what is spoken, two lines at a time, each word at its time. fountain: headings as scenes, cues as
 * action, the rest spoken by NARRATOR. */
struct export_format {
    const char *name;
    const char *extension; /* of a file's name */
    const char *content_type;
    void (*put)(const char *script, size_t n, int wpm, struct buf *out);
};
extern const struct export_format export_formats[];
extern const size_t export_format_count;

const struct export_format *export_find(const char *name, size_t n); /* NULL: no such format */
/* "md, txt, ...", for people. */
void export_put_names(struct buf *out);

#endif
