/* In: the settings of run and enqueue. Out: the jobs to insert, their parameters checked. */
#ifndef APP_REQUEST_H
#define APP_REQUEST_H

#include "api/job_request.h"
#include "app/command.h"
#include "store/store.h"

struct request {
    struct store_new_job *jobs; /* strings borrowed from `asked` */
    struct job_request *asked;  /* owned; several jobs may be of one */
    size_t n, n_asked;
};

/* The users that --users spreads jobs over: 00000000-0000-4000-8000-000000000001 ... */
struct uuid request_user(uint32_t number);

/* n jobs over `users` users, where neither --user nor --params names one. They are read as the API
 * reads the body of POST /v1/jobs. EXIT_DONE, EXIT_USAGE or EXIT_WORK_FAILED after one line. */
int request_build(const struct invocation *inv, size_t n, size_t users,
                  struct request *ret_request);
void request_free(struct request *r);

#endif
