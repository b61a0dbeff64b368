/*
 * life LINES WIDTH EVERY LIFE CODE
 *
 * The life of a program: writes LINES lines of WIDTH bytes, then one EVERY so many milliseconds
 * (0: no more), and after LIFE milliseconds exits with CODE; with a LIFE below 0 it goes on until
 * it is ended.  A line is its pid and its number, from 1, and padding: so one that is lost,
 * doubled or exchanged can be told.
 */
#define _GNU_SOURCE
#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 8192 };

static char line[MOST + 1];

static int write_line(long number, int width)
{
    int size = snprintf(line, sizeof line, "%ld %ld ", (long)getpid(), number);

    if (size < width)
        memset(line + size, 'x', (size_t)(width - size));
    else
        width = size;
    line[width] = '\n';
    for (int done = 0; done <= width;) {
        ssize_t count = write(STDOUT_FILENO, line + done, (size_t)(width + 1 - done));

        if (count < 0 && errno != EINTR)
            return 0;
        done += count < 0 ? 0 : (int)count;
    }
    return 1;
}

int main(int count, char **words)
{
    long number = 0;

    if (count != 6)
        return 2;
    long lines = atol(words[1]), every = atol(words[3]), life = atol(words[4]);
    int width = atoi(words[2]);
    if (width < 0 || width >= MOST)
        return 2;
    long long end = monotonic_ns() + life * 1000000LL;
    while (number < lines)
        if (!write_line(++number, width))
            return 3;
    while (life < 0 || monotonic_ns() < end) {
        long pause = every ? every : life < 0 ? 1000000 : (long)((end - monotonic_ns()) / 1000000) + 1;
        struct timespec time = {.tv_sec = pause / 1000, .tv_nsec = pause % 1000 * 1000000};

        nanosleep(&time, NULL);
        if (every && !write_line(++number, width))
            return 3;
    }
    return atoi(words[5]);
}
