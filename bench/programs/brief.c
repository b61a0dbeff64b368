/*
 * brief LOG MILLISECONDS
 *
 * A program that is soon over: writes one line, appends "F NS" to LOG, sleeps, appends
 * "L NS" and exits.  From the L of a run to the F of the next is what a restart takes.
 * Both are taken by the program itself, so that no supervisor's reading of output counts.
 */
#define _GNU_SOURCE
#include "clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void tell(int log, char what)
{
    char record[32];
    int size = snprintf(record, sizeof record, "%c %lld\n", what, monotonic_ns());

    if (write(log, record, (size_t)size) != size)
        _exit(3);
}

int main(int count, char **words)
{
    static const char line[] = "a first line\n";

    if (count != 3)
        return 2;
    if (write(STDOUT_FILENO, line, sizeof line - 1) < 0)
        return 3;
    int log = open(words[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log < 0)
        return 3;
    tell(log, 'F');
    usleep((useconds_t)atoi(words[2]) * 1000);
    tell(log, 'L');
    _exit(0);
}
