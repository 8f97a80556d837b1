/* In: what a test wants to keep. Out: a new, empty directory for it, in $TMPDIR. */
#ifndef TEMP_DIR_H
#define TEMP_DIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static inline void temp_dir(char *dir, size_t size, const char *what)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(dir, size, "%s/scriptorium-%s-XXXXXX", base != NULL ? base : "/tmp", what);
    assert_non_null(mkdtemp(dir));
}

#endif
