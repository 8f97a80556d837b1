/* In: argv, as the system gave it. Out: the same for us, and without passwords for `ps`. */
#ifndef APP_TITLE_H
#define APP_TITLE_H

/* A copy to go on with, NULL-terminated; the original may then be overwritten. Owned: free() the
 * array and nothing else. */
char **title_copy(int argc, char **argv);
/* Blanks, in place, the rest of each URL that may hold a password. */
void title_hide_passwords(int argc, char **argv);

#endif
