/* In: an environment as systemd makes it. Out: the datagrams it would get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/notify.h"

static int listen_at(const char *name, size_t n)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, name, n);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(
        bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
        0);
    return fd;
}

static void expect(int fd, const char *wanted)
{
    char text[256] = "";
    assert_int_equal(recv(fd, text, sizeof text - 1, 0), (ssize_t)strlen(wanted));
    assert_string_equal(text, wanted);
}

static void tells_a_named_and_an_abstract_socket(void **state)
{
    (void)state;
    char path[64], abstract[64];
    (void)snprintf(path, sizeof path, "/tmp/scriptorium-notify-%d", (int)getpid());
    int fd = listen_at(path, strlen(path));
    (void)setenv("NOTIFY_SOCKET", path, 1);
    notify_send("READY=1");
    expect(fd, "READY=1");
    (void)close(fd);
    (void)unlink(path);
    (void)snprintf(abstract, sizeof abstract, "@scriptorium-notify-%d", (int)getpid());
    char name[64];
    size_t n = strlen(abstract);
    memcpy(name, abstract, n);
    name[0] = '\0';
    fd = listen_at(name, n);
    (void)setenv("NOTIFY_SOCKET", abstract, 1);
    notify_send("STOPPING=1");
    expect(fd, "STOPPING=1");
    (void)close(fd);
    notify_forget();
    assert_null(getenv("NOTIFY_SOCKET"));
    notify_send("READY=1"); /* to nobody */
}

static void reads_the_watchdog_of_this_process_only(void **state)
{
    (void)state;
    char pid[16];
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_int_equal(notify_watchdog_us(), 0);
    (void)setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(notify_watchdog_us(), 30000000);
    (void)setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_us(), 30000000);
    (void)setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(notify_watchdog_us(), 0);
    (void)setenv("WATCHDOG_PID", pid, 1);
    (void)setenv("WATCHDOG_USEC", "soon", 1);
    assert_int_equal(notify_watchdog_us(), 0);
    notify_forget();
}

static enum err take(const char *pid, const char *n, int *ret_fd)
{
    struct errmsg msg = {""};
    (void)setenv("LISTEN_PID", pid, 1);
    (void)setenv("LISTEN_FDS", n, 1);
    return notify_take_listener(ret_fd, &msg);
}

static void takes_the_one_socket_that_is_for_this_process(void **state)
{
    (void)state;
    char pid[16];
    int fd = -1;
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_int_equal(take(pid, "1", &fd), OK);
    assert_int_equal(fd, 3);
    assert_null(getenv("LISTEN_FDS"));
    assert_int_equal(take("1", "1", &fd), OK);
    assert_int_equal(fd, 0);
    assert_int_equal(take(pid, "2", &fd), ERR_INVALID);
    struct errmsg msg = {""};
    assert_int_equal(notify_take_listener(&fd, &msg), OK);
    assert_int_equal(fd, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_a_named_and_an_abstract_socket),
        cmocka_unit_test(reads_the_watchdog_of_this_process_only),
        cmocka_unit_test(takes_the_one_socket_that_is_for_this_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
