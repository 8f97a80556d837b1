/* In: one kind of provider's functions. Out: what provider.c calls; seen by providers only. */
#ifndef PROVIDER_PROVIDER_IMPL_H
#define PROVIDER_PROVIDER_IMPL_H

#include "provider/provider.h"

struct provider_ops {
    const char *name;
    struct provider_call *(*start)(struct provider *p, const struct provider_request *request,
                                   const struct provider_handlers *handlers, void *ctx);
    void (*abort)(struct provider_call *call, struct usage *ret_usage);
    void (*free)(struct provider *p);
};

/* Each is the first member of the provider's own struct. */
struct provider {
    const struct provider_ops *ops;
    const char *name; /* static; NULL: that of its operations */
};
struct provider_call {
    struct provider *provider;
};

#endif
