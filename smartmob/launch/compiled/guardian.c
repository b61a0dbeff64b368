/*
 * smartmob-guardian SOFT HARD
 *
 * The one process below the agent that outlives it, for as long as it takes to end everything
 * that the agent started.  The twin of guardian.py: the same packets, the same answers.
 *
 * A SOCK_SEQPACKET socket to the agent is descriptor 3.  SOFT and HARD are the bounds of open
 * files (RLIMIT_NOFILE) with which the agent was started, for the programs.
 *
 * Each order makes a reaper: a copy of this process, which is small on purpose.  The agent's
 * end, however it comes, closes the socket.  What a reaper that was killed leaves behind
 * becomes the guardian's, since it is the next one up the tree (PR_SET_CHILD_SUBREAPER).
 */
#define _GNU_SOURCE
#include "execution.h"
#include "reaper.h"
#include "settling.h"
#include "tree.h"
#include "waiting.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct guardian {
    pid_t agent;
    struct pids spared; /* reapers that live, and orphans that can't be ended */
    double until;       /* how long orphans are killed again; NEVER: there are none */
};

/* Waits for what has ended; says whether no child is left. */
static bool reap(void *whose)
{
    struct guardian *guardian = whose;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pids_remove(&guardian->spared, pid) && status && guardian->until == NEVER)
            guardian->until = monotonic() + PATIENCE;
    return pid < 0;
}

/* The agent is gone: KILL everything. */
static _Noreturn void leave(struct guardian *guardian)
{
    /* The leaders die with their reapers: one sweep for most. */
    for (size_t at = 0; at < guardian->spared.count; at++)
        kill(guardian->spared.list[at], SIGKILL);
    tree_kill_all(reap, guardian, NULL, NULL, NULL);
    _exit(0);
}

/* Says that a program can't be executed. */
static void refuse_order(const struct parcel *order, const char *format, const char *what)
{
    struct packet packet;
    char why[200];

    if (!order->count) /* control comes first, so that it is the last to be missed */
        return;
    snprintf(why, sizeof why, format, what);
    packet_begin(&packet, REFUSED);
    packet_add_number(&packet, NOT_EXECUTABLE);
    packet_add(&packet, why);
    packet_send(&packet, order->descriptors[0]);
}

/* Makes a reaper. */
static void delegate(struct guardian *guardian, const struct parcel *order)
{
    pid_t me = getpid(), pid = -1;

    if (order->missing || order->count < 3) {
        refuse_order(order, "its helper has no %s left",
                     order->missing ? order->missing : "descriptors");
        return;
    }
    if (pids_reserve(&guardian->spared))
        pid = fork();
    if (pid == 0)
        reaper_live(order, me);
    if (pid < 0)
        refuse_order(order, "no process can be made for it: %s", strerror(errno));
    else
        pids_add(&guardian->spared, pid);
}

static void say(const char *word)
{
    struct packet packet;

    packet_begin(&packet, word);
    packet_send(&packet, PEER);
}

static bool is_ping(const struct parcel *parcel)
{
    return !parcel->count && parcel->packet && parcel->size == strlen(PING) &&
           memcmp(parcel->packet, PING, parcel->size) == 0;
}

/* Makes a reaper of each order, and answers who asks whether we are here. */
static void hear(struct guardian *guardian)
{
    struct parcel parcel;
    enum arrival arrival;

    while ((arrival = mailbox_receive(&parcel)) == PARCEL) {
        if (is_ping(&parcel))
            say(ALIVE);
        else
            delegate(guardian, &parcel);
        parcel_drop(&parcel);
    }
    if (arrival == HUNG_UP)
        leave(guardian);
}

/* KILLs what a reaper left behind: all our children that are no reapers. */
static void kill_orphans(struct guardian *guardian)
{
    struct tree orphans;
    double until = guardian->until;

    tree_begin(&orphans);
    tree_kill_once(&orphans, NULL, &guardian->spared);
    reap(guardian);
    orphans.count = 0;
    tree_add_children(&orphans, getpid(), &guardian->spared);
    if (!orphans.count || monotonic() >= until) {
        for (size_t at = 0; at < orphans.count; at++)
            pids_add(&guardian->spared, orphans.list[at].pid);
        guardian->until = NEVER;
    }
    tree_end(&orphans);
}

/* Stays until the agent is gone. */
static _Noreturn void live(struct guardian *guardian)
{
    if (!mailbox_listen())
        broken_call("fcntl");
    say(READY);
    hear(guardian);
    for (;;) {
        bool hunting = guardian->until != NEVER;
        int signal = wait_for_signal(hunting ? monotonic() + 0.002 : NEVER);

        if (hunting)
            kill_orphans(guardian);
        if (signal == SIGCHLD)
            reap(guardian);
        else if (signal == SIGIO)
            hear(guardian);
        else if (signal == SIGCONT && getppid() != guardian->agent)
            leave(guardian);
    }
}

/* A bound as Python says it: -1 is none. */
static rlim_t bound(const char *word)
{
    return (rlim_t)strtoll(word, NULL, 10);
}

int main(int count, char **words)
{
    struct guardian guardian = {.until = NEVER};

    if (count != 3) {
        fprintf(stderr, "usage: %s SOFT HARD\n", words[0]);
        return 2;
    }
    const char *failed = settle(&(struct rlimit){bound(words[1]), bound(words[2])});
    if (failed)
        broken_call(failed);
    /* SIGCONT, which one that was stopped gets as well. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) || prctl(PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0) ||
        prctl(PR_SET_NAME, "smartmob-guard", 0, 0, 0))
        broken_call("prctl");
    if (!borrows())
        broken("vfork(2) does not work, or copies memory");
    guardian.agent = getppid();
    live(&guardian);
}
