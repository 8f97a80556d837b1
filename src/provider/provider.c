/* In: calls for whatever provider it is. Out: that provider's own functions. */
#include "provider/provider.h"

#include "provider/provider_impl.h"

const char *call_class_name(enum call_class c)
{
    static const char *const names[CALL_CLASS_MAX] = {
        [CALL_DONE] = "done",
        [CALL_RETRY] = "retry",
        [CALL_THROTTLED] = "throttled",
        [CALL_RAMP] = "ramp",
        [CALL_OVERLOADED] = "overloaded",
        [CALL_PARKED] = "parked",
        [CALL_OPERATOR] = "operator",
        [CALL_PERMANENT] = "permanent",
        [CALL_UNREACHABLE] = "unreachable",
    };
    return c < CALL_CLASS_MAX ? names[c] : "unknown";
}

struct provider_call *provider_start(struct provider *p, const struct provider_request *request,
                                     const struct provider_handlers *handlers, void *ctx)
{
    return p->ops->start(p, request, handlers, ctx);
}

void provider_abort(struct provider_call *call, struct usage *ret_usage)
{
    if (call != NULL)
        call->provider->ops->abort(call, ret_usage);
}

const char *provider_name(const struct provider *p)
{
    return p->name != NULL ? p->name : p->ops->name;
}

void provider_free(struct provider *p)
{
    if (p != NULL)
        p->ops->free(p);
}
