/* In: a server (PG_URL in the environment). Out: the PostgreSQL store as the suite wants it, in a
 * database of its own. */
#ifndef PG_PLUG_H
#define PG_PLUG_H

#include "conformance.h"

extern const struct conformance_plug pg_plug;
/* For other tests of the driver: */
void *pg_plug_make(void); /* an empty database, migrated; time is the real one */
void pg_plug_drop(void *db);
const char *pg_plug_url(const void *db);
/* A statement as the superuser; false when it failed. NULL db: in no database of ours. */
bool pg_plug_sql(void *db, const char *sql);
char *pg_plug_text(void *db, const char *sql); /* the first value; owned, NULL when none */

#endif
