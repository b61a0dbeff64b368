/* A set of processes: a sorted array, which most of the time grows at its end. */
#ifndef PIDS_H
#define PIDS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pids {
    pid_t *list;
    size_t count, room;
};

/* Makes room for one more, so that adding it can't fail. */
bool pids_reserve(struct pids *pids);
bool pids_add(struct pids *pids, pid_t pid);
bool pids_have(const struct pids *pids, pid_t pid);
bool pids_remove(struct pids *pids, pid_t pid);

#endif
