/* In: a URL that somebody configured. Out: the same to be shown. Pure. */
#ifndef TEXT_URL_H
#define TEXT_URL_H

/* Without the user and password before the host, for messages, rows and logs. Owned. */
char *url_shown(const char *url);

#endif
