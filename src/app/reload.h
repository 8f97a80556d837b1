/* In: settings as a daemon was started with, and as they are now. Out: what a reload cannot bring.
 */
#ifndef APP_RELOAD_H
#define APP_RELOAD_H

#include "app/settings.h"

/* Logs what a reload brought (keys and webhooks may have been refused), and the names, never the
 * values, of settings that have changed and need a restart. */
void reload_tell(const struct settings *old, const struct settings *fresh, bool keys,
                 bool webhooks);

#endif
