/* The parent of one program.  The twin of reaper.py. */
#ifndef REAPER_H
#define REAPER_H

#include "mailbox.h"

/* What the guardian's child does: execute the program, and stay until nobody can ask for it. */
_Noreturn void reaper_live(const struct parcel *order, pid_t guardian);

#endif
