/*
 * receive_raw KIND COUNT GO SECONDS
 *
 * For programs that print what another writes, and have no frames: reads standard input.
 * Once something has come (they say that they are there) and nothing more for SECONDS, opens
 * the FIFO GO for writing, so that the writing program begins, says "go" in a line, and reads
 * COUNT lines of a kind (see lines.h), until their end or until nothing comes for some seconds.
 * The bytes are compared with what they have to be; line ends do not count, since some put them
 * where a chunk ends.  Prints one JSON document:
 *
 *   lines    as many as there are bytes of      right    of those, before the first that differs
 *   cut      line ends too many                 seconds  from the opening of GO to the last byte
 */
#define _GNU_SOURCE
#include "clock.h"
#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

enum { READ = 1 << 16, ATTACH_MS = 20000, IDLE_MS = 15000 };

static struct page page;

/* Whether something can be read within so long. */
static int comes(int milliseconds)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int ready;

    do
        ready = poll(&input, 1, milliseconds);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static int fail(const char *why)
{
    fprintf(stderr, "receive_raw: %s\n", why);
    return 1;
}

/* How many lines so many bytes are, line ends not counted. */
static long lines_of(long bytes)
{
    long whole = bytes / ((long)page.size - PAGE), rest = bytes % ((long)page.size - PAGE);
    long line = 0;

    while (line < PAGE && (long)page.start[line + 1] - (line + 1) <= rest)
        line++;
    return whole * PAGE + line;
}

int main(int count, char **words)
{
    static char buffer[READ];

    if (count != 5 || page_make(&page, words[1]))
        return 2;
    long wanted = atol(words[2]), ends = 0, bytes = 0, right = -1;
    if (!comes(ATTACH_MS))
        return fail("nothing came");
    while (comes((int)(atof(words[4]) * 1000)))
        if (read(STDIN_FILENO, buffer, sizeof buffer) <= 0)
            return fail("it ended");
    if (open(words[3], O_WRONLY | O_CLOEXEC) < 0)
        return fail("no FIFO");
    long long began = monotonic_ns(), last = began;
    puts("go");
    fflush(stdout);
    long most = wanted / PAGE * ((long)page.size - PAGE) +
                (long)page.start[wanted % PAGE] - wanted % PAGE;
    size_t at = 0;
    while (bytes < most && comes(IDLE_MS)) {
        ssize_t size = read(STDIN_FILENO, buffer, sizeof buffer);

        if (size <= 0)
            break;
        last = monotonic_ns();
        for (ssize_t n = 0; n < size; n++) {
            if (buffer[n] == '\n') {
                ends++;
                continue;
            }
            if (page.text[at] == '\n')
                at = (at + 1) % page.size;
            if (right < 0 && buffer[n] != page.text[at])
                right = bytes;
            at = (at + 1) % page.size;
            bytes++;
        }
    }
    long lines = lines_of(bytes);
    printf("{\"lines\": %ld, \"right\": %ld, \"cut\": %ld, \"seconds\": %.6f}\n", lines,
           right < 0 ? lines : lines_of(right), ends > lines ? ends - lines : 0,
           (double)(last - began) * 1e-9);
    return 0;
}
