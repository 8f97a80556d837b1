/* In: this machine, and the workers that run on it. Out: whether they may open as many files as
 * their slots want. */
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/daemon.h"
#include "app/doctor.h"

#define FILES_PER_SLOT 2 /* a stream, and a caller that watches it */
#define FILES_BESIDE   200
#define FULL_PERCENT   90
#define PROC_SIZE      64

struct files { /* of a process; -1 = not known */
    int64_t most, open;
    int pid; /* 0 = this one stands for the daemon */
};

/* ---- a daemon that runs here ---- */

/* The process that holds a lease, "host:pid", where it is one of this machine's. 0 = it is not. */
static int local_pid(const char *name)
{
    char host[HOST_NAME_MAX + 1] = "", path[PROC_SIZE], what[PROC_SIZE] = "";
    size_t n;
    (void)gethostname(host, sizeof host - 1);
    n = strlen(host);
    if (name == NULL || strncmp(name, host, n) != 0 || name[n] != ':')
        return 0;
    long pid = strtol(name + n + 1, NULL, 10);
    if (pid <= 0 || pid > INT_MAX)
        return 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/comm", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    bool ours = fgets(what, sizeof what, file) != NULL && strncmp(what, "scriptorium", 11) == 0;
    (void)fclose(file);
    return ours ? (int)pid : 0;
}

static int64_t read_limit(int pid)
{
    static const char name[] = "Max open files";
    char path[PROC_SIZE], line[256];
    int64_t most = -1;
    (void)snprintf(path, sizeof path, "/proc/%d/limits", pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, sizeof name - 1) == 0)
            most = strtoll(line + sizeof name - 1, NULL, 10);
    }
    if (file != NULL)
        (void)fclose(file);
    return most;
}

static int64_t count_open(int pid)
{
    char path[PROC_SIZE];
    int64_t n = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return -1;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        n += entry->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

/* ---- the verdict ---- */

/* Of the daemon with the least; where none runs here, what one that is started here would have. */
static struct files find_files(const struct doctor *d)
{
    struct files least = {-1, -1, 0};
    struct rlimit limit;
    for (size_t i = 0; i < d->n_workers; i++) {
        int pid = local_pid(d->workers[i].name);
        int64_t most = pid > 0 ? read_limit(pid) : -1;
        if (most >= 0 && (least.pid == 0 || most < least.most))
            least = (struct files){most, count_open(pid), pid};
    }
    if (least.pid == 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0)
        least.most = limit.rlim_max > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_max;
    return least;
}

void look_at_files(struct doctor *d, struct finding *f)
{
    struct files files = find_files(d);
    int64_t slots = d->inv->set.concurrency > 0 ? d->inv->set.concurrency : SLOTS_DEFAULT;
    int64_t wanted = slots * FILES_PER_SLOT + FILES_BESIDE;
    const char *who = "a process here";
    if (files.most < 0) {
        doctor_say(d, f, VERDICT_UNKNOWN, "the limit cannot be read");
        return;
    }
    if (files.pid > 0)
        who = arena_printf(&d->arena, "the daemon here (process %d)", files.pid);
    bool few = files.most < wanted;
    bool full = files.open > 0 && files.open * 100 >= files.most * FULL_PERCENT;
    doctor_say(d, f, few || full ? VERDICT_ILL : VERDICT_WELL,
               "%s may open %" PRId64 "%s; %" PRId64 " slots want %" PRId64, who, files.most,
               files.open < 0 ? ""
                              : arena_printf(&d->arena, " and has %" PRId64 " open", files.open),
               slots, wanted);
    if (few || full)
        doctor_remedy(d, f,
                      "raise it: LimitNOFILE= in the unit, ulimit -Hn in a shell; then "
                      "start the daemon anew");
}
