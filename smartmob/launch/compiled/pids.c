/* A set of processes: see pids.h. */
#include "pids.h"

#include <stdlib.h>
#include <string.h>

/* How many of the set are less than this one. */
static size_t place(const struct pids *pids, pid_t pid)
{
    size_t low = 0, high = pids->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pids->list[middle] < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool pids_have(const struct pids *pids, pid_t pid)
{
    size_t at = place(pids, pid);

    return at < pids->count && pids->list[at] == pid;
}

bool pids_reserve(struct pids *pids)
{
    if (pids->count < pids->room)
        return true;
    size_t room = pids->room ? pids->room * 2 : 16;
    pid_t *list = realloc(pids->list, room * sizeof *list);
    if (!list)
        return false;
    pids->list = list;
    pids->room = room;
    return true;
}

bool pids_add(struct pids *pids, pid_t pid)
{
    size_t at = place(pids, pid);

    if (at < pids->count && pids->list[at] == pid)
        return true;
    if (!pids_reserve(pids))
        return false;
    memmove(pids->list + at + 1, pids->list + at, (pids->count - at) * sizeof *pids->list);
    pids->list[at] = pid;
    pids->count++;
    return true;
}

bool pids_remove(struct pids *pids, pid_t pid)
{
    size_t at = place(pids, pid);

    if (at == pids->count || pids->list[at] != pid)
        return false;
    pids->count--;
    memmove(pids->list + at, pids->list + at + 1, (pids->count - at) * sizeof *pids->list);
    return true;
}
