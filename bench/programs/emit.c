/*
 * emit KIND COUNT GO LOG
 *
 * Waits until somebody opens the FIFO GO for writing, writes COUNT lines of a kind (see
 * lines.h) as fast as they are taken, appends "COUNT NS" to LOG, how long that took, and
 * exits.
 */
#define _GNU_SOURCE
#include "clock.h"
#include "lines.h"

#include <fcntl.h>
#include <unistd.h>

enum { BLOCK = 4096 };

static void put(const char *data, size_t size)
{
    while (size > 0) {
        ssize_t taken = write(STDOUT_FILENO, data, size);

        if (taken <= 0)
            _exit(3);
        data += taken;
        size -= (size_t)taken;
    }
}

int main(int count, char **words)
{
    struct page page;
    char record[64];

    if (count != 5 || page_make(&page, words[1]))
        return 2;
    long lines = atol(words[2]);
    /* The page, and the beginning of its next turn: no write is cut short at its end. */
    char *text = malloc(page.size + BLOCK);
    if (text == NULL)
        return 3;
    memcpy(text, page.text, page.size);
    memcpy(text + page.size, page.text, BLOCK);
    if (open(words[3], O_RDONLY | O_CLOEXEC) < 0)
        return 3;
    long long began = monotonic_ns();
    if (page.single) {
        for (long n = 0; n < lines; n++) {
            size_t at = page.start[n % PAGE];

            put(text + at, page.start[n % PAGE + 1] - at);
        }
    } else {
        size_t left = (size_t)(lines / PAGE) * page.size + page.start[lines % PAGE];
        size_t at = 0;

        while (left > 0) {
            size_t size = left < BLOCK ? left : BLOCK;

            put(text + at, size);
            at = (at + size) % page.size;
            left -= size;
        }
    }
    int size = snprintf(record, sizeof record, "%ld %lld\n", lines, monotonic_ns() - began);
    int log = open(words[4], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log < 0 || write(log, record, (size_t)size) != size)
        return 3;
    return 0;
}
