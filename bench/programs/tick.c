/*
 * tick MICROSECONDS
 *
 * A quiet program: writes the time (CLOCK_MONOTONIC, nanoseconds) as a line, again and again,
 * so many microseconds after the one before, until nobody reads it or it is ended.
 */
#define _GNU_SOURCE
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **words)
{
    char line[32];

    if (count != 2)
        return 2;
    long interval = atol(words[1]) * 1000;
    struct timespec pause = {.tv_sec = interval / 1000000000, .tv_nsec = interval % 1000000000};
    for (;;) {
        nanosleep(&pause, NULL);
        int size = snprintf(line, sizeof line, "%lld\n", monotonic_ns());

        if (write(STDOUT_FILENO, line, (size_t)size) != size)
            return 3;
    }
}
