/* How the guardian begins: it leaves the world of the agent.  The twin of settling.py. */
#ifndef SETTLING_H
#define SETTLING_H

#include <sys/resource.h>

/*
 * Leaves the agent's session, its signals, its folder, and all its descriptors but PEER; the
 * bounds are those of open files for the programs.  Returns what failed (see errno), or NULL.
 *
 * All signals are blocked: those that we wait for, and those that a terminal or somebody else
 * sends.  None is ignored or caught, so that the programs have nothing to undo but the mask.
 */
const char *settle(const struct rlimit *bounds);

#endif
