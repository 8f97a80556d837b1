/* In: a number and a function. Out: so many processes that run it, replaced when they die. */
#include "app/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/notify.h"
#include "base/clock.h"
#include "base/log.h"

#define BACKOFF_MIN_US     (100 * USEC_PER_MSEC)
#define BACKOFF_MAX_US     (30 * USEC_PER_SEC)
#define HEALTHY_US         (60 * USEC_PER_SEC) /* lived so long: its next death is a new story */
#define SILENCE_DEFAULT_US (30 * USEC_PER_SEC)
#define TURN_MS            50
#define STANDSTILL_US      (USEC_PER_SEC / 4) /* a turn that takes so long was none of ours */
#define FAILED             1

struct child {
    pid_t pid;      /* 0 = not running */
    bool ready;     /* has reported since it was started */
    bool was_ready; /* ever, in any of its lives */
    int64_t started_us, seen_us, start_at_us, backoff_us;
};

struct family {
    const struct processes_config *config;
    struct child children[PROCESSES_MAX];
    int reports[2], signals; /* a pipe, a signalfd */
    sigset_t old_mask;
    pid_t parent;
    bool stopping, announced;
    bool hung_up;    /* a SIGHUP has come */
    int signo;       /* the first signal to end */
    int code;        /* what to exit with */
    bool at_once;    /* do not wait for anybody */
    int64_t fed_us;  /* the watchdog */
    int64_t turn_us; /* when the last one began */
};

void process_report(int report_fd, size_t number)
{
    unsigned char byte = (unsigned char)number;
    if (report_fd >= 0 && write(report_fd, &byte, 1) < 0 && errno != EAGAIN)
        log_warn(NULL, "the parent process does not listen");
}

/* ---- one child ---- */

static int be_child(struct family *f, size_t number)
{
    (void)setsid(); /* Ctrl-C reaches the parent alone, which passes it on */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)sigprocmask(SIG_SETMASK, &f->old_mask, NULL);
    (void)close(f->signals);
    (void)close(f->reports[0]);
    notify_forget();
    if (getppid() != f->parent) /* it has gone already */
        return FAILED;
    return f->config->run(f->config->ctx, f->reports[1], number, f->hung_up);
}

/* True in the child, whose code is then in f->code. */
static bool start(struct family *f, size_t number)
{
    struct child *c = &f->children[number];
    pid_t pid = fork();
    if (pid == 0) {
        f->code = be_child(f, number);
        return true;
    }
    c->started_us = c->seen_us = clock_mono();
    c->ready = false;
    if (pid > 0) {
        c->pid = pid;
        return false;
    }
    log_error(NULL, "cannot start a process: %s", strerror(errno));
    c->start_at_us = clock_mono() + BACKOFF_MAX_US;
    return false;
}

static void stop_all(struct family *f, int signo)
{
    f->stopping = true;
    for (size_t i = 0; i < f->config->n; i++) {
        if (f->children[i].pid > 0)
            (void)kill(f->children[i].pid, signo);
    }
}

static void on_death(struct family *f, size_t number, int status)
{
    struct child *c = &f->children[number];
    int64_t now = clock_mono();
    bool failed = WIFEXITED(status) ? WEXITSTATUS(status) != 0 : WTERMSIG(status) != SIGTERM;
    c->pid = 0;
    if (f->stopping) {
        if (failed && f->code == 0)
            f->code = FAILED;
        return;
    }
    if (!c->was_ready && WIFEXITED(status)) { /* it has said why; so would the next one */
        f->code = WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : FAILED;
        stop_all(f, SIGTERM);
        return;
    }
    if (now - c->started_us > HEALTHY_US || c->backoff_us == 0)
        c->backoff_us = BACKOFF_MIN_US;
    else if (c->backoff_us < BACKOFF_MAX_US)
        c->backoff_us *= 2;
    c->start_at_us = now + c->backoff_us;
    if (WIFSIGNALED(status))
        log_error(NULL, "process %zu was ended by signal %d; starting it again in %lld ms", number,
                  WTERMSIG(status), (long long)(c->backoff_us / USEC_PER_MSEC));
    else
        log_error(NULL, "process %zu ended with %d; starting it again in %lld ms", number,
                  WEXITSTATUS(status), (long long)(c->backoff_us / USEC_PER_MSEC));
}

/* ---- what has happened ---- */

static void reap(struct family *f)
{
    int status = 0;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
        for (size_t i = 0; i < f->config->n; i++) {
            if (f->children[i].pid == pid)
                on_death(f, i, status);
        }
    }
}

static void on_end_signal(struct family *f, int signo)
{
    if (f->signo != 0) {
        f->at_once = true;
        f->code = 128 + signo;
        stop_all(f, SIGKILL);
        return;
    }
    f->signo = signo;
    notify_send("STOPPING=1");
    stop_all(f, SIGTERM);
}

static void on_hang_up(struct family *f)
{
    f->hung_up = true;
    for (size_t i = 0; i < f->config->n; i++) {
        if (f->children[i].pid > 0)
            (void)kill(f->children[i].pid, SIGHUP);
    }
}

static void read_signals(struct family *f)
{
    struct signalfd_siginfo info;
    while (read(f->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(f);
        else if (info.ssi_signo == SIGHUP)
            on_hang_up(f);
        else
            on_end_signal(f, (int)info.ssi_signo);
    }
}

static void read_reports(struct family *f)
{
    unsigned char bytes[512];
    for (ssize_t n = read(f->reports[0], bytes, sizeof bytes); n > 0;
         n = read(f->reports[0], bytes, sizeof bytes)) {
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] >= f->config->n)
                continue;
            struct child *c = &f->children[bytes[i]];
            c->ready = c->was_ready = true;
            c->seen_us = clock_mono();
        }
    }
}

static void announce(struct family *f)
{
    size_t ready = 0;
    for (size_t i = 0; i < f->config->n; i++)
        ready += f->children[i].ready;
    if (f->announced || ready < f->config->n)
        return;
    f->announced = true;
    log_info(NULL, "%zu processes are ready", ready);
    notify_send("READY=1");
}

/* ---- what is due ---- */

/* A child that hangs would keep its lease to itself: end it, then it is started again. */
static void end_silent(struct family *f, int64_t now)
{
    int64_t silence = f->config->silence_us > 0 ? f->config->silence_us : SILENCE_DEFAULT_US;
    for (size_t i = 0; i < f->config->n; i++) {
        struct child *c = &f->children[i];
        if (c->pid == 0 || !c->ready || now - c->seen_us < silence)
            continue;
        log_error(NULL, "process %zu has hung for %lld s; ending it", i,
                  (long long)(silence / USEC_PER_SEC));
        c->seen_us = now;
        (void)kill(c->pid, SIGKILL);
    }
}

/* This process stood still, and perhaps all of them did: a stopped terminal, container or machine.
 * What the children had no chance to say in that time is no silence of theirs. */
static void forgive_standstill(struct family *f, int64_t now)
{
    int64_t gap = f->turn_us > 0 ? now - f->turn_us : 0;
    f->turn_us = now;
    for (size_t i = 0; gap > STANDSTILL_US && i < f->config->n; i++)
        f->children[i].seen_us += gap;
}

static void feed_watchdog(struct family *f, int64_t now)
{
    int64_t each = notify_watchdog_us() / 2;
    if (each > 0 && now - f->fed_us >= each) {
        f->fed_us = now;
        notify_send("WATCHDOG=1");
    }
}

/* True in a child. */
static bool start_due(struct family *f, int64_t now)
{
    for (size_t i = 0; i < f->config->n && !f->stopping; i++) {
        if (f->children[i].pid == 0 && f->children[i].start_at_us <= now && start(f, i))
            return true;
    }
    return false;
}

static bool anybody(const struct family *f)
{
    for (size_t i = 0; i < f->config->n; i++) {
        if (f->children[i].pid > 0)
            return true;
    }
    return false;
}

/* True in a child. */
static bool look_after(struct family *f)
{
    while (!f->at_once && (!f->stopping || anybody(f))) {
        int64_t now = clock_mono();
        if (start_due(f, now))
            return true;
        forgive_standstill(f, now);
        end_silent(f, now);
        feed_watchdog(f, now);
        struct pollfd fds[] = {{.fd = f->signals, .events = POLLIN},
                               {.fd = f->reports[0], .events = POLLIN}};
        (void)poll(fds, 2, TURN_MS);
        read_signals(f);
        read_reports(f);
        announce(f);
    }
    return false;
}

int processes_run(const struct processes_config *config)
{
    struct family f = {.config = config, .parent = getpid()};
    sigset_t mask;
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGTERM);
    (void)sigaddset(&mask, SIGINT);
    (void)sigaddset(&mask, SIGHUP);
    (void)sigaddset(&mask, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &mask, &f.old_mask);
    f.signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    if (f.signals < 0 || pipe2(f.reports, O_NONBLOCK | O_CLOEXEC) != 0) {
        log_error(NULL, "cannot watch over processes: %s", strerror(errno));
        return FAILED;
    }
    if (look_after(&f))
        return f.code; /* in a child; its descriptors end with it */
    (void)close(f.signals);
    (void)close(f.reports[0]);
    (void)close(f.reports[1]);
    (void)sigprocmask(SIG_SETMASK, &f.old_mask, NULL);
    return f.code;
}
