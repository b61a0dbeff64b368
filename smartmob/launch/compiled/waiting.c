/* Time and signals: see waiting.h. */
#define _GNU_SOURCE
#include "waiting.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

double monotonic(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int wait_within(const sigset_t *signals, double seconds)
{
    struct timespec patience = {0};

    if (seconds > 0) {
        patience.tv_sec = (time_t)seconds;
        patience.tv_nsec = (long)((seconds - (double)patience.tv_sec) * 1e9);
    }
    return sigtimedwait(signals, NULL, &patience);
}

int wait_for_signal(double until)
{
    sigset_t signals;
    int came;

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGIO);
    sigaddset(&signals, SIGCONT);
    sigaddset(&signals, SIGTERM);
    if (until == NEVER)
        came = sigwaitinfo(&signals, NULL);
    else
        came = wait_within(&signals, until - monotonic());
    return came > 0 ? came : 0;
}

void wait_for_child(double seconds)
{
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    wait_within(&child, seconds);
}
