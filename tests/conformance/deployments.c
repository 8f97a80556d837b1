/* In: pipelines, deployed again and again. Out: whether each is one version, one of them is active,
 * and a job keeps the version that it began with until it leaves the queue. */
#include "conformance.h"
#include "store/store_deployments.h"

#include <stdio.h>

static const struct store_result *deploy(struct fixture *f, const char *hash)
{
    struct store_deployment d = {.hash = hash,
                                 .name = "script",
                                 .content = "{\"files\":{}}",
                                 .by = "ann@host",
                                 .program = "1.0",
                                 .note = hash};
    const struct store_result *r = CALL(f, store_deployment_add, &d);
    assert_int_equal(r->err, OK);
    return r;
}

static int active(struct fixture *f)
{
    const struct store_result *r = CALL0(f, store_deployment_active);
    assert_int_equal(r->err, OK);
    return r->version;
}

static int back(struct fixture *f, int version)
{
    const struct store_result *r = CALL(f, store_deployment_activate, version);
    assert_int_equal(r->err, OK);
    return r->version;
}

static void nothing_deployed_is_version_0(void **state)
{
    struct fixture *f = fixture(state);
    assert_int_equal(active(f), 0);
    assert_int_equal(CALL0(f, store_deployments)->n, 0);
    assert_int_equal(CALL(f, store_deployment_get, 1)->err, ERR_NOT_FOUND);
    assert_int_equal(CALL(f, store_deployment_activate, 1)->err, ERR_NOT_FOUND);
    assert_int_equal(CALL(f, store_deployment_activate, -1)->err, ERR_INVALID);
    assert_int_equal(back(f, 0), 0);
}

static void a_deployed_pipeline_is_the_next_version_and_active(void **state)
{
    struct fixture *f = fixture(state);
    const struct store_result *r = deploy(f, "aa");
    assert_int_equal(r->version, 1);
    assert_int_equal(r->count, 1);
    assert_int_equal(deploy(f, "bb")->version, 2);
    assert_int_equal(active(f), 2);
    r = CALL0(f, store_deployments);
    assert_int_equal(r->n, 2);
    assert_int_equal(r->deployments[0].version, 2);
    assert_true(r->deployments[0].active);
    assert_int_equal(r->deployments[0].replaced, 1);
    assert_null(r->deployments[0].content);
    assert_false(r->deployments[1].active);
    assert_int_equal(r->deployments[1].replaced, 0);
    r = CALL(f, store_deployment_get, 1);
    assert_int_equal(r->n, 1);
    assert_string_equal(r->deployments[0].content, "{\"files\":{}}");
    assert_string_equal(r->deployments[0].hash, "aa");
    assert_string_equal(r->deployments[0].by, "ann@host");
    assert_string_equal(r->deployments[0].program, "1.0");
    assert_string_equal(r->deployments[0].note, "aa");
    assert_true(r->deployments[0].at_us > 0);
}

static void the_same_files_again_are_the_version_they_are(void **state)
{
    struct fixture *f = fixture(state);
    deploy(f, "aa");
    const struct store_result *r = deploy(f, "aa");
    assert_int_equal(r->version, 1);
    assert_int_equal(r->count, 0);
    assert_int_equal(CALL0(f, store_deployments)->deployments[0].replaced, 0);
    deploy(f, "bb");
    r = deploy(f, "aa"); /* active again */
    assert_int_equal(r->version, 1);
    assert_int_equal(r->count, 0);
    assert_int_equal(active(f), 1);
    assert_int_equal(back(f, -1), 2); /* what it took the place of */
}

static void a_rollback_goes_to_the_version_that_was_replaced(void **state)
{
    struct fixture *f = fixture(state);
    deploy(f, "aa");
    deploy(f, "bb");
    deploy(f, "cc");
    assert_int_equal(back(f, -1), 2);
    assert_int_equal(active(f), 2);
    assert_int_equal(back(f, -1), 1);
    assert_int_equal(back(f, -1), 0);
    assert_int_equal(CALL(f, store_deployment_activate, -1)->err, ERR_INVALID);
    assert_int_equal(back(f, 3), 3);
    assert_int_equal(back(f, 1), 1);
    assert_int_equal(deploy(f, "dd")->version, 4);
    assert_int_equal(back(f, -1), 1); /* and not 3 */
}

/* ---- the version of a job ---- */

static int version_of(struct fixture *f, const struct uuid *job)
{
    const struct store_result *r = CALL(f, store_steps, job, 1);
    assert_int_equal(r->err, OK);
    assert_int_equal(r->n, 0);
    return r->version;
}

static void work_with(struct fixture *f, int version)
{
    assert_int_equal(CALL(f, store_worker_version, &f->worker, version)->err, OK);
}

static void a_job_keeps_the_version_it_began_with(void **state)
{
    struct fixture *f = fixture(state);
    add_job(f, 1);
    work_with(f, 1);
    struct store_claimed c = claim_one(f);
    assert_int_equal(version_of(f, &c.id), 1);
    work_with(f, 2);
    assert_int_equal(version_of(f, &c.id), 1);
    assert_int_equal(finish_one(f, &c, STORE_RELEASE), STORE_HELD);
    c = claim_one(f);
    assert_int_equal(version_of(f, &c.id), 1);
    assert_int_equal(finish_one(f, &c, STORE_RETRY), STORE_HELD);
    pass(f, 60 * SECOND);
    c = claim_one(f);
    assert_int_equal(version_of(f, &c.id), 1);
    add_job(f, 2);
    struct store_claimed other = claim_one(f);
    assert_int_equal(version_of(f, &other.id), 2);
}

static void a_rescued_job_keeps_its_version(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid job = add_job(f, 1);
    work_with(f, 3);
    claim_one(f);
    assert_int_equal(CALL(f, store_worker_close, &f->worker)->err, OK);
    f->worker = open_worker(f, 15 * SECOND);
    work_with(f, 4);
    struct store_claimed c = claim_one(f);
    assert_true(uuid_equal(&c.id, &job));
    assert_int_equal(version_of(f, &job), 3);
}

static void a_job_that_is_run_again_begins_with_the_new_version(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid job = add_job(f, 1);
    work_with(f, 1);
    struct store_claimed c = claim_one(f);
    /* By a client, while it runs. */
    assert_true(
        raw(f, "UPDATE script_generation_jobs SET status = 'pending' WHERE id = '%s'", &job));
    work_with(f, 2);
    c = claim_one(f);
    assert_int_equal(version_of(f, &job), 2);
    /* After it has failed. */
    assert_int_equal(finish_one(f, &c, STORE_FAIL), STORE_HELD);
    work_with(f, 3);
    assert_int_equal(CALL(f, store_retry, &job)->err, OK);
    claim_one(f);
    assert_int_equal(version_of(f, &job), 3);
}

static void a_worker_without_a_version_gives_none(void **state)
{
    struct fixture *f = fixture(state);
    struct uuid job = add_job(f, 1);
    work_with(f, -1);
    struct store_claimed c = claim_one(f);
    assert_int_equal(version_of(f, &job), -1);
    assert_int_equal(finish_one(f, &c, STORE_RELEASE), STORE_HELD);
    work_with(f, 5);
    claim_one(f);
    assert_int_equal(version_of(f, &job), 5);
    struct uuid nobody = user_id(99);
    assert_int_equal(CALL(f, store_worker_version, &nobody, 1)->err, ERR_LOST);
}

const struct CMUnitTest deployment_tests[] = {
    CASE(nothing_deployed_is_version_0),
    CASE(a_deployed_pipeline_is_the_next_version_and_active),
    CASE(the_same_files_again_are_the_version_they_are),
    CASE(a_rollback_goes_to_the_version_that_was_replaced),
    CASE(a_job_keeps_the_version_it_began_with),
    CASE(a_rescued_job_keeps_its_version),
    CASE(a_job_that_is_run_again_begins_with_the_new_version),
    CASE(a_worker_without_a_version_gives_none),
};
CASES(deployment_tests);
