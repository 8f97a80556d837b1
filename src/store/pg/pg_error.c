/* In: what libpq or the server said. Out: an error code and one line that says what to do. */
#include "store/pg/pg_error.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LASTING = 1, DROP = 2, AGAIN = 4, NAMELESS = 8 /* not about the server */ };

#define MIGRATE "run `scriptorium migrate`"

/* The first entry whose state begins so. Said as "server: what (message); advice". */
static const struct {
    const char *state;
    enum err err;
    unsigned flags;
    const char *what, *advice; /* or NULL */
} states[] = {
    {"SCL01", ERR_LOST, NAMELESS, NULL, NULL},
    {"SCN01", ERR_NOT_FOUND, NAMELESS, NULL, NULL},
    {"SCI01", ERR_INVALID, LASTING | NAMELESS, NULL, NULL},
    {"SCB01", ERR_BUSY, NAMELESS, NULL, NULL},
    {"23505", ERR_EXISTS, NAMELESS, "it exists already", NULL},
    {"23502", ERR_INVALID, NAMELESS, "the database refuses it",
     "give that column a value, or a default"},
    {"22", ERR_INVALID, NAMELESS, "the database refuses it", NULL},
    {"23", ERR_INVALID, NAMELESS, "the database refuses it", NULL},
    {"P0", ERR_INVALID, NAMELESS, "the database refuses it", NULL},
    {"25006", ERR_CONNECT, LASTING | DROP, "the server is read-only, perhaps a standby",
     "name the primary, or add target_session_attrs=read-write to the URL"},
    {"28P01", ERR_PERMISSION, LASTING, "the password is wrong", "correct it in the database URL"},
    {"28", ERR_PERMISSION, LASTING, "the server does not let us in",
     "check user, password and sslmode in the database URL, and the server's pg_hba.conf"},
    {"3D000", ERR_INVALID, LASTING, NULL, "create it, or correct the database URL"},
    {"3F000", ERR_UNSUPPORTED, LASTING, "the database is not prepared", MIGRATE},
    {"42883", ERR_UNSUPPORTED, LASTING, "the schema is not up to date", MIGRATE},
    {"42P01", ERR_UNSUPPORTED, LASTING, "the schema is not up to date", MIGRATE},
    {"42703", ERR_UNSUPPORTED, LASTING, "the schema is not up to date", MIGRATE},
    {"42501", ERR_PERMISSION, LASTING, "the role lacks a privilege",
     "with this role as SCRIPTORIUM_ENGINE_ROLE `scriptorium migrate`, run as the table's owner, "
     "gives "
     "it what it needs, and `scriptorium migrate --dry-run` prints that"},
    {"53100", ERR_FULL, 0, "the server's disk is full", "free some space there"},
    {"53300", ERR_CONNECT, 0, "too many connections",
     "use fewer processes or a smaller pool, or raise max_connections"},
    {"53", ERR_BUSY, AGAIN, "the server is short of resources", "see its log"},
    {"57P01", ERR_CONNECT, DROP, "the server ended the connection", "it is tried again"},
    {"57P02", ERR_CONNECT, DROP, "the server crashed and starts again", "it is tried again"},
    {"57P03", ERR_CONNECT, DROP, "the server is starting or stopping", "it is tried again"},
    {"57P04", ERR_CONNECT, DROP | LASTING, "the database was dropped", "create it again"},
    {"57P05", ERR_CONNECT, DROP, "the server ended the connection", "it is tried again"},
    {"57014", ERR_TIMEOUT, 0, "a statement took too long and was stopped",
     "look at pg_stat_activity for locks and load"},
    {"55P03", ERR_BUSY, AGAIN, "somebody holds a lock for long", "look at pg_stat_activity"},
    {"40", ERR_BUSY, AGAIN, "others write the same rows", "try again"},
    {"54", ERR_TOO_BIG, NAMELESS, "too large for the database", NULL},
    {"0A", ERR_UNSUPPORTED, LASTING, "the server cannot do it", "PostgreSQL 13 or later will"},
    {"08", ERR_CONNECT, DROP, "the connection broke", "it is tried again"},
    {"XX001", ERR_CORRUPT, 0, "the server reports damage", "see its log"},
    {"XX002", ERR_CORRUPT, 0, "the server reports damage", "see its log"},
    {"", ERR_IO, 0, NULL, "see the server's log"},
};

/* The first line that says something; libpq adds advice of its own after it. */
static void first_line(const char *text, char *out, size_t size)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t n = strcspn(text, "\n");
    (void)snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), text);
}

static void say(struct pg_failure *f, const char *server, const char *what, const char *text,
                const char *advice)
{
    (void)snprintf(f->msg.text, sizeof f->msg.text, "%s%s%s%s%s%s%s%s", server,
                   server[0] != '\0' ? ": " : "", what != NULL ? what : "",
                   what != NULL ? " (" : "", text, what != NULL ? ")" : "",
                   advice != NULL ? "; " : "", advice != NULL ? advice : "");
}

void pg_error_of_state(const char *state, const char *text, const char *server,
                       struct pg_failure *ret)
{
    char line[256];
    first_line(text != NULL && text[0] != '\0' ? text : "it gave no reason", line, sizeof line);
    size_t i = 0;
    while (strncmp(states[i].state, state == NULL ? "" : state, strlen(states[i].state)) != 0)
        i++;
    unsigned flags = states[i].flags;
    *ret = (struct pg_failure){.err = states[i].err,
                               .lasting = (flags & LASTING) != 0,
                               .drop = (flags & DROP) != 0,
                               .again = (flags & AGAIN) != 0,
                               .options = strstr(line, "unsupported startup parameter") != NULL};
    say(ret, (flags & NAMELESS) != 0 ? "" : server, states[i].what, line, states[i].advice);
}

void pg_error_of_result(const PGresult *res, const char *server, struct pg_failure *ret)
{
    ExecStatusType status = PQresultStatus(res);
    *ret = (struct pg_failure){.err = OK};
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return;
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    if (state == NULL) { /* libpq's own: the connection is gone */
        state = "08006";
        text = PQresultErrorMessage(res);
    }
    pg_error_of_state(state, text, server, ret);
}

/* ---- before there is a connection ---- */

/* Verbose reports read "FATAL:  28P01: password ...", whatever the server's language. */
static const char *find_state(const char *text, char *ret_state)
{
    for (const char *p = strstr(text, ":  "); p != NULL; p = strstr(p + 1, ":  ")) {
        const char *s = p + 3;
        size_t n = 0;
        while (n < 5 && (isdigit((unsigned char)s[n]) || isupper((unsigned char)s[n])))
            n++;
        if (n == 5 && s[5] == ':' && s[6] == ' ') {
            memcpy(ret_state, s, 5);
            ret_state[5] = '\0';
            return s + 7;
        }
    }
    return NULL;
}

/* "connection to server at "x" (1.2.3.4), port 5 failed: Connection refused": the last part. */
static const char *after_failed(const char *text)
{
    const char *at = strstr(text, " failed: ");
    return at == NULL ? text : at + strlen(" failed: ");
}

void pg_error_of_connect(const char *text, const char *server, struct pg_failure *ret)
{
    char state[6], line[256];
    const char *said = find_state(text, state);
    if (said != NULL) {
        pg_error_of_state(state, said, server, ret);
        ret->drop = true;
        if (state[0] == '2' && state[1] == '8' &&
            (strstr(said, "no encryption") != NULL || strstr(said, "SSL off") != NULL))
            (void)err_set(&ret->msg, ret->err,
                          "%s: the server wants TLS; add sslmode=require to the database URL",
                          server);
        return;
    }
    first_line(after_failed(text), line, sizeof line);
    *ret = (struct pg_failure){.err = ERR_CONNECT, .drop = true};
    if (strstr(line, "SSL") != NULL || strstr(line, "certificate") != NULL) {
        ret->lasting = true;
        say(ret, server, "TLS does not work", line,
            "check sslmode and sslrootcert in the database URL");
    } else if (strstr(line, "no password") != NULL) {
        ret->lasting = true;
        ret->err = ERR_PERMISSION;
        say(ret, server, "the server wants a password", line, "add it to the database URL");
    } else if (strncmp(line, "invalid ", strlen("invalid ")) == 0) {
        ret->lasting = true;
        ret->err = ERR_INVALID;
        say(ret, server, "the database URL cannot be used", line, "correct it");
    } else if (strstr(line, "read-only") != NULL || strstr(line, "hot standby") != NULL) {
        ret->lasting = true;
        say(ret, server, "no server takes writes", line, "name the primary in the database URL");
    } else {
        say(ret, server, "the database cannot be reached", line,
            "is it running, and is the database URL right?");
    }
}
