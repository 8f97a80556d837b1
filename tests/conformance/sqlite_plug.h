/* In: nothing. Out: the SQLite store as the suite wants it, in a directory of its own. */
#ifndef SQLITE_PLUG_H
#define SQLITE_PLUG_H

#include "conformance.h"

extern const struct conformance_plug sqlite_plug;
const char *sqlite_plug_path(const void *db);

#endif
