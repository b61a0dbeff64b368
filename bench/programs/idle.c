/*
 * idle COLLECTOR [deaf]
 *
 * A program that has nothing to do: writes its first line, tells the datagram socket
 * COLLECTOR "PID NS" as soon as that is done, and waits for a signal; a deaf one ignores TERM.
 */
#define _GNU_SOURCE
#include "clock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int count, char **words)
{
    static const char line[] = "a first line\n";
    struct sockaddr_un collector = {.sun_family = AF_UNIX};
    char news[64];

    if (count < 2 || strlen(words[1]) >= sizeof collector.sun_path)
        return 2;
    if (count > 2 && strcmp(words[2], "deaf") == 0)
        signal(SIGTERM, SIG_IGN);
    if (write(STDOUT_FILENO, line, sizeof line - 1) < 0)
        return 3;
    strcpy(collector.sun_path, words[1]);
    int size = snprintf(news, sizeof news, "%d %lld", (int)getpid(), monotonic_ns());
    int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (out < 0)
        return 3;
    /* Waits where the collector has enough to read; where it is gone, nobody asks. */
    (void)!sendto(out, news, (size_t)size, 0, (struct sockaddr *)&collector, sizeof collector);
    close(out);
    for (;;)
        pause();
}
