/* Time, and the signals that are waited for: all of them are blocked, so none gets lost. */
#ifndef WAITING_H
#define WAITING_H

#define NEVER -1.0

/* Seconds of CLOCK_MONOTONIC. */
double monotonic(void);

/*
 * Waits for SIGCHLD, for SIGIO (there is a packet), SIGCONT (the parent may be dead) or SIGTERM,
 * at most until a moment.  Returns 0 where none came; it may be too early.
 */
int wait_for_signal(double until);

/* Waits for SIGCHLD alone; the others stay where they are. */
void wait_for_child(double seconds);

#endif
