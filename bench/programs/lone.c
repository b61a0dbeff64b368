/*
 * lone COUNT MICROSECONDS GO
 *
 * Waits until somebody opens the FIFO GO for writing, then writes COUNT lines (see lone.h), each
 * with the time at which it was written, so many microseconds after the one before, and exits.
 */
#define _GNU_SOURCE
#include "clock.h"
#include "lone.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **words)
{
    char line[LONE + 1];

    if (count != 4)
        return 2;
    long lines = atol(words[1]), interval = atol(words[2]) * 1000;
    struct timespec pause = {.tv_sec = interval / 1000000000, .tv_nsec = interval % 1000000000};
    if (open(words[3], O_RDONLY | O_CLOEXEC) < 0)
        return 3;
    for (long n = 0; n < lines; n++) {
        nanosleep(&pause, NULL);
        lone_make(line, monotonic_ns(), n);
        line[LONE] = '\n';
        if (write(STDOUT_FILENO, line, sizeof line) != sizeof line)
            return 3;
    }
    return 0;
}
