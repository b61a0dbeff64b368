/* How the guardian begins: see settling.h. */
#define _GNU_SOURCE
#include "settling.h"
#include "mailbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The kernel is asked, since no function of the library changes 32 and 33, which it keeps for
 * its threads and which posix_spawn(3) leaves ignored.
 */
static void restore_signals(void)
{
    static const char by_default[64]; /* all zeros, whatever the layout */

    for (int number = 1; number < _NSIG; number++)
        syscall(SYS_rt_sigaction, number, by_default, NULL, (size_t)(_NSIG / 8));
}

static int close_others(void)
{
    DIR *open = opendir("/proc/self/fd");
    struct dirent *entry;

    if (!open)
        return -1;
    while ((entry = readdir(open))) {
        int descriptor = atoi(entry->d_name); /* 0 of "." and ".." */

        if (descriptor > PEER && descriptor != dirfd(open))
            close(descriptor);
    }
    return closedir(open);
}

/*
 * Where the kernel does not list children, or /proc is that of another PID namespace, no
 * program could ever be ended, or a stranger would be.
 */
static const char *find_children(void)
{
    static char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    return access(path, R_OK) ? path : NULL;
}

const char *settle(const struct rlimit *bounds)
{
    sigset_t all;

    sigfillset(&all);
    if (sigprocmask(SIG_BLOCK, &all, NULL))
        return "sigprocmask";
    restore_signals();
    if (setsid() < 0)
        return "setsid";
    if (chdir("/"))
        return "chdir";
    if (fcntl(PEER, F_SETFD, FD_CLOEXEC))
        return "fcntl";
    if (close_others())
        return "/proc/self/fd";
    if (setrlimit(RLIMIT_NOFILE, bounds))
        return "setrlimit";
    return find_children();
}
