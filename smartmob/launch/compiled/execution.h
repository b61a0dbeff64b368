/* From the fork to the program.  The twin of execution.py. */
#ifndef EXECUTION_H
#define EXECUTION_H

#include "wire.h"

enum { NOT_FOUND = 127, NOT_EXECUTABLE = 126 }; /* as a shell has it */

/* Why it can't be executed, for a person. */
struct refusal {
    volatile int code; /* 0: it was executed */
    char why[LONGEST + 1];
};

/* Whether vfork(2) does here what execute needs: what emulates a kernel may have it copy. */
bool borrows(void);

void refuse(struct refusal *refusal, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Executes a program as a child, with these descriptors as 0, 1 and 2; all others close on
 * exec.  Returns its pid, also where it was refused: then it has ended, and is to be reaped.
 * -1: there is none.  All signals are to be blocked.
 */
pid_t execute(const struct order *order, const int streams[3], struct refusal *refusal);

#endif
