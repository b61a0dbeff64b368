/*
 * What agent, guardian and reapers say to each other: packets of words with a NUL between
 * them.  The twin of wire.py, which says what there is to be said.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#define READY "ready"
#define PING "ping"
#define ALIVE "alive"
#define RUN "run"
#define STOP "stop"
#define KILL "kill"
#define SIGNAL "signal"
#define EXECUTED "executed"
#define REFUSED "refused"
#define EXITED "exited"
#define GONE "gone"
#define BROKEN "broken"

enum {
    DESCRIPTORS = 4, /* the most that one packet carries */
    NAMED = 50,      /* names of each kind in the packet that ends a run, at most */
    NAME_SIZE = 16,  /* of a process, as comm has it (proc(5)), with its NUL */
    LONGEST = 2000,  /* bytes of a sentence that says why, at most */
};

/* A packet to be sent; what has no room in it is left out. */
struct packet {
    size_t size;
    char bytes[LONGEST + 512]; /* a sentence, or NAMED names twice, half of them with pids */
};

void packet_begin(struct packet *packet, const char *word);
void packet_add(struct packet *packet, const char *word);
void packet_add_number(struct packet *packet, long long number);

/* Digits, maybe behind a minus, for no more than the largest either way. */
bool parse_number(const char *word, long long largest, long long *number);

/* Seconds as repr(float) has them in Python, cut to what timers can do. */
bool parse_seconds(const char *word, double *seconds);

struct limit {
    char *name;
    rlim_t soft, hard;
};

/* What to execute, and as whom.  All strings are within the packet that it came as. */
struct order {
    int stop_signal;
    double grace;
    mode_t umask;
    int nice;
    bool no_new_privileges;
    size_t limit_count;
    struct limit *limits;
    size_t identity_count; /* 0: as the agent */
    gid_t *identity;       /* uid, gid and supplementary groups */
    char *group; /* the folder of its cgroup, or NULL; it comes as the first of the limits */
    char *cwd;
    char *program; /* the first word of argv */
    char **argv;   /* NULL: it was not unpacked.  The place before the first is free. */
    char **env;
};

/*
 * Unpacks an order, of which the packet becomes a part: an environment is made of its pairs.
 * Where that can't be, says why; the packet is as it was, and it can be tried again.
 * The order is zeroed at first.  There is a NUL behind the packet.
 */
const char *order_unpack(struct order *order, char *packet, size_t size);

#endif
