/*
 * swallow PORT CLIENTS PATH ...
 *
 * CLIENTS WebSockets to each PATH, which read as fast as anything comes, and throw it away.
 * Writes "ready\n" when all shook hands.  When its standard input ends it prints one JSON
 * document and exits:
 *
 *   bytes  that came, of all clients together      ended  clients whose connection ended
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ = 1 << 18, HEAD = 4096, TURN = 64 };

static int fail(const char *why)
{
    fprintf(stderr, "swallow: %s\n", why);
    return 1;
}

/* Connect and shake hands.  What comes behind the head is left in the socket. */
static int shake_hands(int port, const char *path)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    char text[HEAD];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        return -1;
    int size = snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        path, port);
    if (size >= (int)sizeof text || write(fd, text, (size_t)size) != size)
        return -1;
    for (size_t known = 0; known < sizeof text; known++) {
        if (read(fd, text + known, 1) != 1)
            return -1;
        if (known >= 3 && !memcmp(text + known - 3, "\r\n\r\n", 4))
            return memcmp(text, "HTTP/1.1 101", 12) ? -1 : fd;
    }
    return -1;
}

static int watch(int poll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

int main(int count, char **words)
{
    static char buffer[READ];
    struct epoll_event events[TURN];
    long long bytes = 0;
    int poll = epoll_create1(EPOLL_CLOEXEC), ended = 0;

    if (count < 4 || poll < 0)
        return 2;
    for (int word = 3; word < count; word++) {
        for (int n = atoi(words[2]); n > 0; n--) {
            int fd = shake_hands(atoi(words[1]), words[word]);

            if (fd < 0)
                return fail("no WebSocket");
            fcntl(fd, F_SETFL, O_NONBLOCK);
            if (watch(poll, fd))
                return fail("no memory");
        }
    }
    if (watch(poll, STDIN_FILENO) || write(STDOUT_FILENO, "ready\n", 6) != 6)
        return fail("no one to tell");
    for (;;) {
        int ready = epoll_wait(poll, events, TURN, -1);

        for (int n = 0; n < ready; n++) {
            int fd = events[n].data.fd;
            ssize_t size = read(fd, buffer, sizeof buffer);

            if (size > 0 && fd != STDIN_FILENO) {
                bytes += size;
            } else if (size <= 0 && fd == STDIN_FILENO) {
                printf("{\"bytes\": %lld, \"ended\": %d}\n", bytes, ended);
                return 0;
            } else if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) {
                ended++;
                close(fd);
            }
        }
    }
}
