/* In: any bytes as the body of POST /v1/jobs, from an operator or a user. Out: a job whose owner is
 * right, or an error with a message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/job_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct principal who = {.role = ROLE_OPERATOR};
    if (size > 0 && data[0] == 'u')
        who = (struct principal){.role = ROLE_USER, .user_id = {{7}}};
    size_t skip = size > 0 ? 1 : 0;
    struct job_request r = {0};
    struct errmsg msg = {""};
    enum err e = job_request_read((const char *)data + skip, size - skip, NULL, &who,
                                  &(struct job_ceiling){.priority = 5}, &r, &msg);
    if (e != OK) {
        if ((e != ERR_INVALID && e != ERR_PERMISSION) || msg.text[0] == '\0' || r.params != NULL)
            abort();
        return 0;
    }
    if (uuid_is_nil(&r.user_id) || r.priority < 0 || r.priority > 10 || r.params == NULL ||
        (who.role == ROLE_USER && !uuid_equal(&r.user_id, &who.user_id)))
        abort();
    job_request_free(&r);
    return 0;
}
