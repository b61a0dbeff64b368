/*
 * The other side's packets, on the descriptor PEER: to the agent, in the guardian as in a
 * reaper.  The twin of Mailbox in reaper.py.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include "wire.h"

enum { PEER = 3 };

/* A packet that came.  Its descriptors close on exec.  It stays where it is. */
struct parcel {
    char *packet; /* with a NUL behind it */
    size_t size;
    char few[64]; /* where it is when it is small: verbs need no memory */
    int descriptors[DESCRIPTORS];
    size_t count;
    const char *missing; /* what there was none left of for all of it, or NULL */
};

enum arrival { NOTHING, PARCEL, HUNG_UP };

/* Has SIGIO sent to this process whenever there is something to receive. */
bool mailbox_listen(void);

enum arrival mailbox_receive(struct parcel *parcel);
void parcel_drop(struct parcel *parcel);

/* Where the other side is gone, receiving finds out. */
void packet_send(const struct packet *packet, int socket);

/* The last words of this process, with errno's; the agent has to know. */
_Noreturn void broken(const char *why);
_Noreturn void broken_call(const char *call);

#endif
