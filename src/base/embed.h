/* In: files named at build time. Out: their bytes inside the program (tools/embed.py makes the
 * arrays: `const struct embedded_file NAME[]; const size_t NAME_count;`). */
#ifndef BASE_EMBED_H
#define BASE_EMBED_H

#include <stddef.h>

struct embedded_file {
    const char *name;          /* path below the root given to embed.py, or the file's last part */
    const unsigned char *data; /* followed by a NUL byte that `len` does not count */
    size_t len;
};

#endif
