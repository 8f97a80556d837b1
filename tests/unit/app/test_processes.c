/* In: children that report, die, hang and fail. Out: who is started again, and how it all ends.
 * Each test runs the parent in a process of its own and reads from a pipe what its children say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/processes.h"
#include "base/log.h"

static int said[2]; /* a child writes its number when it starts */
static volatile sig_atomic_t ended, hung_up;

static void on_term(int signo)
{
    (void)signo;
    ended = 1;
}

static void on_hup(int signo)
{
    (void)signo;
    hung_up = 1;
}

static void say(char c)
{
    if (write(said[1], &c, 1) != 1)
        _exit(9);
}

static char hear(void)
{
    char c = '?';
    assert_int_equal(read(said[0], &c, 1), 1);
    return c;
}

/* Reports, then says its number (a letter when it is to reload), 'h' at SIGHUP and 'e' at its
 * orderly end. */
static int obedient(void *ctx, int report_fd, size_t number, bool reload)
{
    (void)ctx;
    sigset_t none, all;
    struct sigaction on_end = {.sa_handler = on_term}, again = {.sa_handler = on_hup};
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, &none);
    (void)sigaction(SIGTERM, &on_end, NULL);
    (void)sigaction(SIGHUP, &again, NULL);
    process_report(report_fd, number);
    say((char)((reload ? 'A' : '0') + (char)number));
    while (!ended) {
        (void)sigsuspend(&none);
        if (hung_up)
            say('h');
        hung_up = 0;
    }
    say('e');
    return 0;
}

static int failing(void *ctx, int report_fd, size_t number, bool reload)
{
    (void)ctx;
    (void)reload;
    (void)report_fd;
    (void)number;
    return 2;
}

static void on_term_stay(int signo)
{
    (void)signo;
    say('t');
}

__attribute__((noreturn)) static int stubborn(void *ctx, int report_fd, size_t number, bool reload)
{
    (void)ctx;
    (void)reload;
    (void)signal(SIGTERM, on_term_stay);
    process_report(report_fd, number);
    say('s');
    for (;;)
        (void)pause();
}

static pid_t family(size_t n, int (*run)(void *, int, size_t, bool), int64_t silence_us)
{
    assert_int_equal(pipe(said), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        log_set_level(LOG_LEVEL_MAX);
        struct processes_config config = {.n = n, .run = run, .silence_us = silence_us};
        _exit(processes_run(&config));
    }
    return pid;
}

static int end_of(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    (void)close(said[0]);
    (void)close(said[1]);
    return WEXITSTATUS(status);
}

static void signals_reach_all_children_and_all_end(void **state)
{
    (void)state;
    pid_t pid = family(3, obedient, 0);
    int started = 0;
    for (int i = 0; i < 3; i++)
        started |= 1 << (hear() - '0');
    assert_int_equal(started, 7);
    assert_int_equal(kill(pid, SIGHUP), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hear(), 'h');
    assert_int_equal(kill(pid, SIGTERM), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hear(), 'e');
    assert_int_equal(end_of(pid), 0);
}

static pid_t only_child_of(pid_t parent)
{
    char path[64];
    int child = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &child), 1);
    (void)fclose(file);
    return child;
}

static void a_child_that_comes_after_a_hang_up_is_told_of_it(void **state)
{
    (void)state;
    pid_t pid = family(1, obedient, 0);
    assert_int_equal(hear(), '0');
    assert_int_equal(kill(pid, SIGHUP), 0);
    assert_int_equal(hear(), 'h');
    assert_int_equal(kill(only_child_of(pid), SIGKILL), 0);
    assert_int_equal(hear(), 'A');
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(hear(), 'e');
    assert_int_equal(end_of(pid), 0);
}

/* It never reports again after the first time, so the parent takes it for hung. */
static void a_child_that_hangs_is_started_again(void **state)
{
    (void)state;
    pid_t pid = family(1, obedient, 200000);
    assert_int_equal(hear(), '0');
    assert_int_equal(hear(), '0');
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(hear(), 'e');
    assert_int_equal(end_of(pid), 0);
}

/* Reports every 20 ms until it is told to end. */
static int lively(void *ctx, int report_fd, size_t number, bool reload)
{
    (void)ctx;
    (void)reload;
    struct sigaction on_end = {.sa_handler = on_term};
    (void)sigaction(SIGTERM, &on_end, NULL);
    say((char)('0' + number));
    while (!ended) {
        process_report(report_fd, number);
        (void)usleep(20000);
    }
    say('e');
    return 0;
}

/* A stopped terminal or container: the parent comes back a little before its child. */
static void a_standstill_of_all_is_no_silence_of_a_child(void **state)
{
    (void)state;
    pid_t pid = family(1, lively, 400000);
    assert_int_equal(hear(), '0');
    pid_t child = only_child_of(pid);
    (void)usleep(100000); /* until it has reported */
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(kill(child, SIGSTOP), 0);
    (void)usleep(800000);
    assert_int_equal(kill(pid, SIGCONT), 0);
    (void)usleep(100000);
    assert_int_equal(kill(child, SIGCONT), 0);
    (void)usleep(100000);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(hear(), 'e'); /* and not '0', of another one */
    assert_int_equal(end_of(pid), 0);
}

static void a_child_that_fails_before_it_is_ready_ends_all_with_its_code(void **state)
{
    (void)state;
    assert_int_equal(end_of(family(2, failing, 0)), 2);
}

static void a_second_signal_ends_at_once(void **state)
{
    (void)state;
    pid_t pid = family(1, stubborn, 0);
    assert_int_equal(hear(), 's');
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(hear(), 't');
    assert_int_equal(kill(pid, SIGINT), 0);
    assert_int_equal(end_of(pid), 128 + SIGINT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_reach_all_children_and_all_end),
        cmocka_unit_test(a_child_that_comes_after_a_hang_up_is_told_of_it),
        cmocka_unit_test(a_child_that_hangs_is_started_again),
        cmocka_unit_test(a_standstill_of_all_is_no_silence_of_a_child),
        cmocka_unit_test(a_child_that_fails_before_it_is_ready_ends_all_with_its_code),
        cmocka_unit_test(a_second_signal_ends_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
