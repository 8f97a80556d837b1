/* In: argv, as the system gave it. Out: another command line for `ps`: options may hold a
 * password. */
#ifndef APP_TITLE_H
#define APP_TITLE_H

#include <stddef.h>

/* A copy to go on with, NULL-terminated; the original may then be overwritten. Owned: free() the
 * array and nothing else. */
char **title_copy(int argc, char **argv);
/* Overwrites the original. argv[-1] must be the program's name. */
void title_set(int argc, char **argv, const char *title);

#endif
