/* Cgroups (v2), by their folders. */
#ifndef GROUP_H
#define GROUP_H

#include <stdbool.h>

/* Writes a word to a file of a group; where that fails, errno says why.  Takes no memory. */
bool group_write(const char *folder, const char *file, const char *word);

/* KILLs all that is in it, whoever it belongs to (Linux 5.14). */
void group_kill(const char *folder);

#endif
