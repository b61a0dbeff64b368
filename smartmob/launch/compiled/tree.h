/*
 * The tree of processes below this one, as proc(5) shows it.  The twin of tree.py.
 *
 * Nothing here fails for want of memory.  A tree for which there is none is cut: what is
 * killed of it makes room for the rest, since whoever kills looks again until all is gone.
 */
#ifndef TREE_H
#define TREE_H

#include "pids.h"
#include "wire.h"

static const double PATIENCE = 5; /* seconds after which what does not end by KILL is left */

#define HIDDEN "?" /* the name of a process that has one, but not for us */

struct process {
    pid_t pid, group;
    char name[NAME_SIZE];
};

struct tree {
    struct process *list;
    size_t count, room;
    struct process few[16]; /* room that there always is */
};

/* The first few names of many. */
struct names {
    size_t count;
    struct process list[NAMED];
};

void tree_begin(struct tree *tree);
void tree_end(struct tree *tree);

/* Adds the children of all threads of a process, but for those to be spared (or NULL). */
void tree_add_children(struct tree *tree, pid_t pid, const struct pids *spare);

/* Sends a signal, then CONT, to everything below us, once each. */
void tree_ask(int signal);

/* KILLs everything below us, once.  Adds to the killed (or NULL); the tree is what is there. */
void tree_kill_once(struct tree *tree, struct names *killed, const struct pids *spare);

/*
 * KILLs everything below us, again and again until nothing is left, for at most PATIENCE.
 * reap waits for what has ended, and says whether no child is left.  The group (or NULL) is
 * the folder of a cgroup that is killed as well.  Says whether something was left, and adds it
 * (or NULL), since we have no right to end it, or the kernel can't.
 */
bool tree_kill_all(bool (*reap)(void *), void *reaper, const char *group, struct names *killed,
                   struct names *left);

#endif
