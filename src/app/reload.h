/* In: settings as a daemon was started with, and as they are now. Out: what a reload cannot bring.
 */
#ifndef APP_RELOAD_H
#define APP_RELOAD_H

#include "app/settings.h"
#include "base/buf.h"

/* The names of settings that have changed and need a restart, with ", " between them; never their
 * values. */
void reload_put_kept(struct buf *out, const struct settings *old, const struct settings *fresh);

#endif
