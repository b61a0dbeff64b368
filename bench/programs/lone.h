/*
 * A line of 80 bytes that says when it was written, and which one it is:
 * NANOSECONDS NUMBER and letters.
 */
#ifndef LONE_H
#define LONE_H

#include <stdio.h>
#include <string.h>

enum { LONE = 80, STAMP = 20 };

/* Of LONE bytes, without a line end. */
static inline void lone_make(char *line, long long nanoseconds, long number)
{
    int size = snprintf(line, LONE, "%020lld %08ld ", nanoseconds, number);

    memset(line + size, 'a' + (int)(number % 26), (size_t)(LONE - size));
}

#endif
