/* In: finished scripts. Out: DIR/<id>.md, whole or not at all. A script that was completed but not
 * yet written when the program died is written by the next run: the store keeps the list. */
#ifndef APP_SCRIPT_FILES_H
#define APP_SCRIPT_FILES_H

#include "app/context.h"
#include "base/id.h"

struct script_files;

/* Makes the folder, and makes sure that it can be written to. EXIT_DONE, or another exit code after
 * one line on standard error. Borrows both. */
int script_files_open(struct context *c, const char *dir, struct script_files **ret_files);
/* Writes what an earlier run completed and did not write. Turns the loop. */
int script_files_recover(struct script_files *f);
/* The job is being worked on: its script is owed from now on. */
void script_files_expect(struct script_files *f, const struct uuid *id);
/* The job ended without a script. */
void script_files_forget(struct script_files *f, const struct uuid *id);
/* *ret_path: owned. */
enum err script_files_write(struct script_files *f, const struct uuid *id, const char *script,
                            char **ret_path, struct errmsg *msg) MUST_CHECK;
/* Brings the store's list up to date, turning the loop, and frees. Takes NULL. */
void script_files_close(struct script_files *f);

/* The folder, with those above it; one that can be written to. */
enum err script_folder_make(const char *dir, struct errmsg *msg) MUST_CHECK;
/* DIR/ID.EXTENSION; owned. */
char *script_file_path(const char *dir, const char *id, const char *extension);
/* Whole or not at all; errno says why not. */
enum err script_file_put(const char *path, const char *text, size_t n) MUST_CHECK;

#endif
