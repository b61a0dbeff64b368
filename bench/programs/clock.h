/* Time, as all programs here tell it: one clock for the whole machine. */
#ifndef CLOCK_H
#define CLOCK_H

#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline long long monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

#endif
