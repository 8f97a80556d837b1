/* In: a text and phrases to look for. Out: which occur, however they are set. Pure. */
#ifndef JOB_PHRASE_H
#define JOB_PHRASE_H

#include <stdbool.h>
#include <stddef.h>

#define PHRASES_MAX 200 /* more phrases or points than this are not looked for */

/* A text made ready for searching: case folded (ASCII), marks and white space as one blank,
 * apostrophes left out. */
struct phrase_text {
    char *norm; /* begins and ends with a blank */
    size_t len;
};
struct phrase_text phrase_text_make(const char *text, size_t n);
void phrase_text_free(struct phrase_text *t);

/* How often the phrase occurs as whole words; 0 for a phrase without letters. */
size_t phrase_count(const struct phrase_text *t, const char *phrase);

/* Which content points a script covers: the title occurs, or, for titles of three or more
 * significant words, three quarters of these stand in one line. n <= PHRASES_MAX. */
void phrase_points(const char *text, size_t len, const char *const *titles, size_t n,
                   bool *ret_covered);

#endif
