/*
 * relay_floor CLIENTS PROGRAM [ARGUMENT...]
 *
 * The floor of a relay, and no agent: accepts CLIENTS WebSockets on a port of its own, which
 * it prints, runs the program, and sends its lines to all of them, one frame a line, one write
 * a chunk a client.  Prints "CPU SECONDS" when it is done.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 65536, ROOM = 1 << 20, HEAD = 4096 };

static double seconds(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static int welcome(int listener)
{
    /* The answer to the key that receive.c sends (RFC 6455, section 1.3). */
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    char head[HEAD];
    size_t known = 0;
    int on = 1, fd = accept(listener, NULL, NULL);

    while (known < 4 || !memmem(head, known, "\r\n\r\n", 4)) {
        ssize_t size = read(fd, head + known, sizeof head - known);

        if (size <= 0)
            return -1;
        known += (size_t)size;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (write(fd, answer, sizeof answer - 1) < 0)
        return -1;
    return fd;
}

int main(int count, char **words)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ends[2];

    if (count < 3)
        return 2;
    int clients = atoi(words[1]);
    int *fds = calloc((size_t)clients, sizeof *fds);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fds == NULL || bind(listener, (struct sockaddr *)&address, size) ||
        listen(listener, 512) || getsockname(listener, (struct sockaddr *)&address, &size))
        return 3;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (int n = 0; n < clients; n++) {
        fds[n] = welcome(listener);
        if (fds[n] < 0)
            return 3;
    }
    double began = seconds();
    if (pipe(ends))
        return 3;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(words[2], words + 2);
        _exit(127);
    }
    close(ends[1]);
    /* Lines of 150 bytes or fewer: a head of two or four bytes each. */
    char *in = malloc(ROOM), *out = malloc(4 * ROOM);
    size_t have = 0;
    for (;;) {
        ssize_t got = read(ends[0], in + have, CHUNK);

        if (got <= 0)
            break;
        have += (size_t)got;
        char *at = in, *end = in + have, *line_end, *to = out;
        while ((line_end = memchr(at, '\n', (size_t)(end - at)))) {
            size_t length = (size_t)(line_end - at);

            *to++ = (char)0x81;
            if (length >= 126) {
                *to++ = 126;
                *to++ = (char)(length >> 8);
            }
            *to++ = (char)(length & 255);
            memcpy(to, at, length);
            to += length;
            at = line_end + 1;
        }
        have = (size_t)(end - at);
        memmove(in, at, have);
        for (int n = 0; n < clients; n++)
            for (char *from = out; from < to;) {
                ssize_t taken = write(fds[n], from, (size_t)(to - from));

                if (taken <= 0)
                    return 4;
                from += taken;
            }
    }
    waitpid(pid, NULL, 0);
    printf("CPU %.6f\n", seconds() - began);
    return 0;
}
