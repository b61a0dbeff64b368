/* The tree of processes below this one: see tree.h. */
#define _GNU_SOURCE
#include "tree.h"
#include "group.h"
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As getdents64(2) has it; readdir(3) would want memory. */
struct entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

void tree_begin(struct tree *tree)
{
    tree->list = tree->few;
    tree->count = 0;
    tree->room = sizeof tree->few / sizeof *tree->few;
}

void tree_end(struct tree *tree)
{
    if (tree->list != tree->few)
        free(tree->list);
}

static void make_room(struct tree *tree)
{
    bool first = tree->list == tree->few;
    size_t room = tree->room * 2;
    struct process *list = realloc(first ? NULL : tree->list, room * sizeof *list);

    if (!list)
        return;
    if (first)
        memcpy(list, tree->few, sizeof tree->few);
    tree->list = list;
    tree->room = room;
}

static void tree_add(struct tree *tree, pid_t pid)
{
    if (tree->count == tree->room)
        make_room(tree);
    if (tree->count < tree->room)
        tree->list[tree->count++].pid = pid;
}

/* Numbers with a blank behind each, of which a read may end within one. */
static void add_listed(struct tree *tree, int file, const struct pids *spare)
{
    char text[1024];
    pid_t pid = 0;
    ssize_t size;

    while ((size = read(file, text, sizeof text)) > 0) {
        for (ssize_t at = 0; at < size; at++) {
            if (text[at] != ' ') {
                pid = pid * 10 + (text[at] - '0');
                continue;
            }
            if (!spare || !pids_have(spare, pid))
                tree_add(tree, pid);
            pid = 0;
        }
    }
}

static void add_of_thread(struct tree *tree, int threads, const char *thread,
                          const struct pids *spare)
{
    char path[64];

    snprintf(path, sizeof path, "%s/children", thread);
    int file = openat(threads, path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    add_listed(tree, file, spare);
    close(file);
}

void tree_add_children(struct tree *tree, pid_t pid, const struct pids *spare)
{
    _Alignas(struct entry) char entries[512];
    long size;

    snprintf(entries, sizeof entries, "/proc/%d/task", (int)pid);
    int threads = open(entries, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (threads < 0)
        return; /* it ended meanwhile */
    while ((size = syscall(SYS_getdents64, threads, entries, sizeof entries)) > 0) {
        for (long at = 0; at < size;) {
            const struct entry *entry = (const struct entry *)(entries + at);

            if (entry->name[0] != '.')
                add_of_thread(tree, threads, entry->name, spare);
            at += entry->size;
        }
    }
    close(threads);
}

/*
 * Everything below us, parents first.  What forks while this looks may be missed; it is found
 * the next time.
 */
static void find_descendants(struct tree *tree, const struct pids *spare)
{
    tree->count = 0;
    tree_add_children(tree, getpid(), spare);
    for (size_t at = 0; at < tree->count; at++)
        tree_add_children(tree, tree->list[at].pid, NULL);
}

/*
 * The name of a process as in comm, which may have anything in it; false: it has ended.  One
 * that /proc hides from us (hidepid, see proc(5)) lives.
 */
static bool find_name(struct process *process)
{
    char path[32], text[256];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)process->pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        strcpy(process->name, HIDDEN);
        return kill(process->pid, 0) == 0 || errno != ESRCH;
    }
    ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    text[size > 0 ? size : 0] = '\0';
    char *name = strchr(text, '('), *end = strrchr(text, ')');
    if (!name || !end || !end[1] || strchr("ZX", end[2]))
        return false;
    *end = '\0';
    snprintf(process->name, sizeof process->name, "%s", name + 1);
    return true;
}

void tree_ask(int signal)
{
    struct pids asked = {0};
    struct tree tree;
    bool fresh = true;

    tree_begin(&tree);
    /*
     * What was forked by a process that had not got its signal yet is found by looking again.
     * What is forked later is left to do its work: it may be how a program cleans up.
     */
    for (int round = 0; round < 20 && fresh; round++) {
        fresh = false;
        find_descendants(&tree, NULL);
        for (size_t at = 0; at < tree.count; at++) {
            pid_t pid = tree.list[at].pid;

            if (pids_have(&asked, pid) || !pids_add(&asked, pid))
                continue;
            fresh = true;
            kill(pid, signal);
            kill(pid, SIGCONT);
        }
    }
    tree_end(&tree);
    free(asked.list);
}

static void add_name(struct names *names, const struct process *process)
{
    for (size_t at = 0; at < names->count; at++)
        if (names->list[at].pid == process->pid)
            return;
    if (names->count < NAMED)
        names->list[names->count++] = *process;
}

/* Of a tree, those who have not ended, with their names: which KILL takes away. */
static void keep_alive(struct tree *tree)
{
    size_t alive = 0;

    for (size_t at = 0; at < tree->count; at++)
        if (find_name(tree->list + at))
            tree->list[alive++] = tree->list[at];
    tree->count = alive;
}

/*
 * KILLs a group as a whole, once, for all of the tree from this one on: that also gets who
 * forks faster than we look.  All groups below us are of sessions that began below us, so
 * there is no stranger in them.
 */
static void kill_group(struct tree *tree, size_t first)
{
    pid_t group = tree->list[first].group;

    if (group <= 1 || group == getpgrp())
        return;
    kill(-group, SIGKILL);
    for (size_t at = first; at < tree->count; at++)
        if (tree->list[at].group == group)
            tree->list[at].group = 0;
}

void tree_kill_once(struct tree *tree, struct names *killed, const struct pids *spare)
{
    find_descendants(tree, spare);
    keep_alive(tree);
    for (size_t at = 0; at < tree->count; at++) {
        struct process *process = tree->list + at;

        process->group = getpgid(process->pid);
        if (kill(process->pid, SIGKILL) == 0 && killed)
            add_name(killed, process);
    }
    for (size_t at = 0; at < tree->count; at++)
        kill_group(tree, at);
}

bool tree_kill_all(bool (*reap)(void *), void *reaper, const char *group, struct names *killed,
                   struct names *left)
{
    struct tree tree;
    double end = monotonic() + PATIENCE, pause = 0.001;

    tree_begin(&tree);
    for (;;) {
        tree_kill_once(&tree, killed, NULL);
        if (group)
            group_kill(group);
        if (reap(reaper)) {
            tree.count = 0;
            break;
        }
        if (monotonic() >= end)
            break;
        wait_for_child(pause);
        pause = pause * 1.5 < 0.05 ? pause * 1.5 : 0.05;
    }
    keep_alive(&tree);
    for (size_t at = 0; left && at < tree.count; at++)
        add_name(left, tree.list + at);
    bool some = tree.count > 0;
    tree_end(&tree);
    return some;
}
