/* In: versions of the pipeline. Out: the same, kept; one of them is active. 0 is the built-in one
 * and has no row. Verbs as in store.h. */
#ifndef STORE_STORE_DEPLOYMENTS_H
#define STORE_STORE_DEPLOYMENTS_H

#include "store/store.h"

struct store_deployment {
    int version;                     /* out: 1.. */
    const char *hash;                /* of the files, in hexadecimal; one version each */
    const char *name;                /* the pipeline's */
    const char *content;             /* the files, as text; get only, else NULL */
    int64_t at_us;                   /* out */
    const char *by, *program, *note; /* who, with which program, why; may be NULL */
    int replaced; /* out: the version that was active when this one was deployed */
    bool active;  /* out */
};
/* Stores the files as the next version, unless they are one already, and makes that the active one.
 * -> version; count: 1 = it is new. */
void store_deployment_add(struct store *s, const struct store_deployment *d, store_fn fn,
                          void *ctx);
/* Newest first. -> deployments, STORE_BATCH_MAX at most. */
void store_deployments(struct store *s, store_fn fn, void *ctx);
/* With its content. -> deployments, one; ERR_NOT_FOUND. */
void store_deployment_get(struct store *s, int version, store_fn fn, void *ctx);
/* -1: the one that the active version replaced. ERR_NOT_FOUND; ERR_INVALID before version 0.
 * -> version. */
void store_deployment_activate(struct store *s, int version, store_fn fn, void *ctx);
/* -> version, 0 when nothing was ever deployed. */
void store_deployment_active(struct store *s, store_fn fn, void *ctx);

#endif
