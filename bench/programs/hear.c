/*
 * hear PORT PATH COUNT GO
 *
 * One WebSocket to PATH.  When it shook hands, opens the FIFO GO for writing, so that lone.c on
 * the other side begins, and notes of each of COUNT lines how old it is: from before it was
 * written until the end of the read(2) that brought its last byte.  Each has to be as lone.h
 * makes it, and the next in order.  Prints one JSON document:
 *
 *   ages   nanoseconds       wrong   lines that are not what they have to be
 */
#define _GNU_SOURCE
#include "clock.h"
#include "lone.h"
#include "websocket.h"

#include <fcntl.h>
#include <sys/time.h>

enum { READ = 1 << 16, PATIENCE = 60 };

static int fail(const char *why)
{
    fprintf(stderr, "hear: %s\n", why);
    return 1;
}

/* How old a line is; less than 0 where it is not what it has to be. */
static long long age(const char *line, size_t size, long number, long long now)
{
    char right[LONE + 1], stamp[STAMP + 1];

    if (size != LONE)
        return -1;
    memcpy(stamp, line, STAMP);
    stamp[STAMP] = 0;
    long long written = atoll(stamp);
    lone_make(right, written, number);
    return memcmp(line, right, LONE) ? -1 : now - written;
}

int main(int count, char **words)
{
    static unsigned char buffer[READ];
    struct timeval patience = {.tv_sec = PATIENCE};
    struct frames frames = {0};
    char line[LONE];
    size_t known = 0;
    long heard = 0, wrong = 0;

    if (count != 5)
        return 2;
    long wanted = atol(words[3]);
    int fd = shake_hands(words[1], 0, words[2]);
    if (fd < 0)
        return fail("no WebSocket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (open(words[4], O_WRONLY | O_CLOEXEC) < 0)
        return fail("no FIFO");
    printf("{\"ages\": [");
    while (heard < wanted) {
        ssize_t size = read(fd, buffer, sizeof buffer);
        long long now = monotonic_ns();
        const unsigned char *at = buffer;

        if (size <= 0)
            return fail("it ended");
        while (frames_next(&frames, &at, buffer + size)) {
            if (frames.opcode != TEXT)
                continue;
            if (known + frames.size <= sizeof line)
                memcpy(line + known, frames.piece, frames.size);
            known += frames.size;
            if (!frames.last)
                continue;
            long long took = age(line, known, heard, now);
            wrong += took < 0;
            printf("%s%lld", heard ? ", " : "", took);
            heard++;
            known = 0;
        }
    }
    printf("], \"wrong\": %ld}\n", wrong);
    return 0;
}
