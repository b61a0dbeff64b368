/*
 * The parent of one program: it executes it, stops it, and reaps all that came of it.
 *
 * One process a program, forked from the guardian, asleep until a signal comes:
 *
 *   SIGCHLD  something of the tree has ended
 *   SIGIO    there is a packet on control, or its end: the agent let go, or is dead
 *   SIGCONT  the guardian may be dead (PR_SET_PDEATHSIG)
 *   SIGTERM  somebody wants it to end
 */
#define _GNU_SOURCE
#include "reaper.h"
#include "execution.h"
#include "tree.h"
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEFT = 3 }; /* exit code of a reaper that could not end its tree */

enum { CONTROL, STDOUT, STDERR, STDIN }; /* the descriptors of an order, in their order */

struct reaper {
    char *packet; /* the order, as it came */
    size_t size;
    struct order order;
    int output, errors; /* what the program gets as stdout and stderr */
    pid_t pid;       /* the leader's; 0 while the program does not run */
    bool ended;      /* the leader was reaped */
    bool left;       /* something of the last run could not be ended */
    double deadline; /* when what is left of the tree gets KILL; NEVER: nobody asked it to end */
};

static void say_number(const char *word, long long number)
{
    struct packet packet;

    packet_begin(&packet, word);
    packet_add_number(&packet, number);
    packet_send(&packet, PEER);
}

static void say_refused(int code, const char *why)
{
    struct packet packet;

    packet_begin(&packet, REFUSED);
    packet_add_number(&packet, code);
    packet_add(&packet, why);
    packet_send(&packet, PEER);
}

static void say_gone(const struct names *killed, const struct names *left)
{
    struct packet packet;

    packet_begin(&packet, GONE);
    packet_add_number(&packet, (long long)killed->count);
    for (size_t at = 0; at < killed->count; at++)
        packet_add(&packet, killed->list[at].name);
    for (size_t at = 0; at < left->count; at++) {
        packet_add_number(&packet, left->list[at].pid);
        packet_add(&packet, left->list[at].name);
    }
    packet_send(&packet, PEER);
}

/* Waits for what has ended; says whether nothing is left of the tree. */
static bool reap(void *whose)
{
    struct reaper *reaper = whose;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == reaper->pid) {
            reaper->ended = true;
            say_number(EXITED, status);
        }
    }
    return pid < 0;
}

/*
 * Nobody is there to ask for the program again, nor to be told how it ended.  Between two runs
 * its group may be that of another reaper by now, with the same program.
 */
static _Noreturn void leave(struct reaper *reaper)
{
    const char *group = reaper->pid ? reaper->order.group : NULL;

    reaper->pid = 0;
    _exit(tree_kill_all(reap, reaper, group, NULL, NULL) ? LEFT : 0);
}

/* Runs the program: it is executed when this returns, or refused. */
static void run(struct reaper *reaper, int input)
{
    const int streams[] = {input, reaper->output, reaper->errors};
    struct refusal refusal;
    const char *wrong = NULL;
    pid_t pid = -1;

    reaper->ended = reaper->left = false;
    reaper->deadline = NEVER;
    if (!reaper->order.argv)
        wrong = order_unpack(&reaper->order, reaper->packet, reaper->size);
    if (wrong)
        refuse(&refusal, NOT_EXECUTABLE, "it can't be executed: %s", wrong);
    else
        pid = execute(&reaper->order, streams, &refusal);
    if (!refusal.code) {
        reaper->pid = pid;
        say_number(EXECUTED, pid);
        return;
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    say_refused(refusal.code, refusal.why);
}

/* Asks the tree to end, unless that was done; KILLs it then, or when it was to be, if earlier. */
static void stop(struct reaper *reaper, double grace)
{
    double deadline = monotonic() + grace;

    if (reaper->deadline == NEVER) {
        reaper->deadline = deadline;
        tree_ask(reaper->order.stop_signal);
    } else if (deadline < reaper->deadline) {
        reaper->deadline = deadline;
    }
}

/* The run has ended. */
static void finish(struct reaper *reaper, const struct names *killed, const struct names *left)
{
    reaper->pid = 0;
    reaper->deadline = NEVER;
    reaper->left = left->count > 0;
    say_gone(killed, left);
}

/* KILLs the tree. */
static void force(struct reaper *reaper)
{
    struct names killed, left;

    killed.count = left.count = 0;
    tree_kill_all(reap, reaper, reaper->order.group, &killed, &left);
    if (reaper->pid && !reaper->ended && !left.count) {
        /* Nothing could be seen, as where the system has no more open files (ENFILE). */
        kill(-reaper->pid, SIGKILL);
        left.list[left.count++] = (struct process){.pid = reaper->pid, .name = HIDDEN};
    }
    finish(reaper, &killed, &left);
}

/* Something has ended: was it the last, or the leader? */
static void settle(struct reaper *reaper)
{
    bool empty = reap(reaper);

    if (!reaper->pid)
        return;
    if (empty) {
        struct names none;

        none.count = 0;
        finish(reaper, &none, &none);
    } else if (reaper->ended && reaper->deadline == NEVER) {
        stop(reaper, reaper->order.grace);
    }
}

/* Does what a packet other than RUN asks for: a word, and its value. */
static void obey(struct reaper *reaper, const char *word, const char *value)
{
    long long number;
    double grace;

    if (strcmp(word, KILL) == 0) {
        if (reaper->pid || reaper->left)
            force(reaper);
    } else if (!reaper->pid) {
        return; /* the run that was meant is over */
    } else if (strcmp(word, STOP) == 0) {
        if (!parse_seconds(value, &grace))
            broken("a time was garbled");
        stop(reaper, grace);
    } else if (strcmp(word, SIGNAL) == 0 && !reaper->ended) {
        if (!parse_number(value, INT_MAX, &number))
            broken("a number was garbled");
        kill(-reaper->pid, (int)number); /* in vain where the group became another user's */
    }
}

static void run_again(struct reaper *reaper, const struct parcel *parcel)
{
    if (reaper->pid)
        return;
    if (parcel->missing)
        say_refused(NOT_EXECUTABLE, "there is no descriptor left for its input");
    else
        run(reaper, parcel->count ? parcel->descriptors[0] : 0);
}

/* Does what the agent asks for. */
static void hear(struct reaper *reaper)
{
    struct parcel parcel;
    enum arrival arrival;

    while ((arrival = mailbox_receive(&parcel)) == PARCEL) {
        if (!parcel.packet)
            broken("there is no memory left for a packet");
        const char *word = parcel.packet;
        size_t length = strlen(word);

        if (strcmp(word, RUN) == 0)
            run_again(reaper, &parcel);
        else
            obey(reaper, word, word + length + (length < parcel.size));
        parcel_drop(&parcel);
    }
    if (arrival == HUNG_UP)
        leave(reaper);
}

/* Makes a reaper of a copy of the guardian. */
static void settle_in(const struct parcel *order, pid_t guardian)
{
    if (dup3(order->descriptors[CONTROL], PEER, O_CLOEXEC) < 0)
        broken_call("dup3");
    close(order->descriptors[CONTROL]);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) || prctl(PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0) ||
        prctl(PR_SET_NAME, "smartmob-reaper", 0, 0, 0))
        broken_call("prctl");
    if (getppid() != guardian)
        _exit(0);
    setsid();
    if (!mailbox_listen())
        broken_call("fcntl");
}

_Noreturn void reaper_live(const struct parcel *order, pid_t guardian)
{
    struct reaper reaper = {
        .packet = order->packet,
        .size = order->size,
        .output = order->descriptors[STDOUT],
        .errors = order->descriptors[STDERR],
    };

    settle_in(order, guardian);
    run(&reaper, order->count > STDIN ? order->descriptors[STDIN] : 0);
    if (order->count > STDIN)
        close(order->descriptors[STDIN]);
    hear(&reaper);
    for (;;) {
        int signal = wait_for_signal(reaper.deadline);

        if (reaper.deadline != NEVER && reaper.deadline <= monotonic())
            force(&reaper);
        if (signal == SIGTERM || (signal == SIGCONT && getppid() != guardian))
            leave(&reaper);
        else if (signal == SIGIO)
            hear(&reaper);
        else if (signal == SIGCHLD)
            settle(&reaper);
    }
}
