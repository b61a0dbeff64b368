/*
 * receive PORT PATH CLIENTS KIND COUNT GO
 *
 * CLIENTS WebSockets to PATH.  When all shook hands, opens the FIFO GO for writing, so that
 * the program on the other side begins, and reads until each has got COUNT lines of a kind
 * (see lines.h) or its end.  Every line is compared with what it has to be.  Prints one JSON
 * document:
 *
 *   lines    of all clients together       wrong   those that are not what they have to be
 *   fewest   of any client                 ended   clients whose connection ended early
 *   seconds  from the opening of GO to the last line
 */
#define _GNU_SOURCE
#include "clock.h"
#include "lines.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ = 1 << 18, HEAD = 4096, TURN = 64, PATIENCE_MS = 60000 };

struct client {
    int fd;
    unsigned char header[10]; /* of a frame, while it is not whole */
    size_t known;             /* bytes of it */
    size_t left;              /* payload that is still to come */
    size_t seen;              /* payload that came */
    int is_line;              /* it is a text frame */
    int is_wrong;
    long lines;
    int done;
};

static struct page page;
static long wrong;

static int fail(const char *why)
{
    fprintf(stderr, "receive: %s\n", why);
    return 1;
}

/* Connect and shake hands.  What comes behind the head is left in the socket. */
static int shake_hands(int port, const char *path)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    char text[HEAD];
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int size = snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        path, port);
    if (write(fd, text, (size_t)size) != size)
        return -1;
    for (size_t known = 0; known < sizeof text; known++) {
        if (read(fd, text + known, 1) != 1)
            return -1;
        if (known >= 3 && !memcmp(text + known - 3, "\r\n\r\n", 4))
            return memcmp(text, "HTTP/1.1 101", 12) ? -1 : fd;
    }
    return -1;
}

/* A part of a payload. */
static void take(struct client *client, const unsigned char *data, size_t size)
{
    if (client->is_line) {
        long line = client->lines % PAGE;
        size_t start = page.start[line], length = page.start[line + 1] - start - 1;

        if (client->seen + size > length)
            client->is_wrong = 1;
        else if (memcmp(page.text + start + client->seen, data, size))
            client->is_wrong = 1;
        client->seen += size;
        if (size == client->left && client->seen != length)
            client->is_wrong = 1;
    }
    client->left -= size;
    if (client->left == 0 && client->is_line) {
        wrong += client->is_wrong;
        client->lines++;
    }
}

static void begin(struct client *client, int opcode, size_t length)
{
    client->is_line = opcode == 0x81;
    client->is_wrong = 0;
    client->seen = 0;
    client->left = length;
    client->known = 0;
    if (length == 0)
        take(client, NULL, 0);
}

static void parse(struct client *client, const unsigned char *at, const unsigned char *end)
{
    while (at < end) {
        if (client->left > 0) {
            size_t size = (size_t)(end - at) < client->left ? (size_t)(end - at) : client->left;

            take(client, at, size);
            at += size;
        } else if (client->known == 0 && end - at >= 2 && at[1] < 126) {
            begin(client, at[0], at[1]); /* most of them: whole, and short */
            at += 2;
        } else {
            client->header[client->known++] = *at++;
            if (client->known < 2)
                continue;
            int kind = client->header[1] & 127;
            size_t size = kind < 126 ? 2 : kind == 126 ? 4 : 10, length = 0;

            if (client->known < size)
                continue;
            for (size_t n = 2; n < size; n++)
                length = length << 8 | client->header[n];
            begin(client, client->header[0], size == 2 ? (size_t)kind : length);
        }
    }
}

int main(int count, char **words)
{
    static unsigned char buffer[READ];
    struct epoll_event events[TURN];

    if (count != 7 || page_make(&page, words[4]))
        return 2;
    int clients = atoi(words[3]), running = clients, ended = 0;
    long wanted = atol(words[5]);
    struct client *all = calloc((size_t)clients, sizeof *all);
    int poll = epoll_create1(EPOLL_CLOEXEC);

    if (all == NULL || poll < 0)
        return fail("no memory");
    for (int n = 0; n < clients; n++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[n]};

        all[n].fd = shake_hands(atoi(words[1]), words[2]);
        if (all[n].fd < 0)
            return fail("no WebSocket");
        fcntl(all[n].fd, F_SETFL, O_NONBLOCK);
        epoll_ctl(poll, EPOLL_CTL_ADD, all[n].fd, &event);
    }
    if (open(words[6], O_WRONLY | O_CLOEXEC) < 0)
        return fail("no FIFO");
    long long began = monotonic_ns(), last = began;
    while (running > 0) {
        int ready = epoll_wait(poll, events, TURN, PATIENCE_MS);

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            break;
        for (int n = 0; n < ready; n++) {
            struct client *client = events[n].data.ptr;
            long before = client->lines;
            ssize_t size = read(client->fd, buffer, sizeof buffer);

            if (size < 0 && (errno == EAGAIN || errno == EINTR))
                continue;
            if (size > 0)
                parse(client, buffer, buffer + size);
            if (client->lines > before)
                last = monotonic_ns();
            if (size <= 0) {
                epoll_ctl(poll, EPOLL_CTL_DEL, client->fd, NULL);
                close(client->fd);
                if (!client->done)
                    ended++;
            }
            if (!client->done && (size <= 0 || client->lines >= wanted)) {
                client->done = 1;
                running--;
            }
        }
    }
    long lines = 0, fewest = all[0].lines;
    for (int n = 0; n < clients; n++) {
        lines += all[n].lines;
        if (all[n].lines < fewest)
            fewest = all[n].lines;
    }
    printf("{\"lines\": %ld, \"fewest\": %ld, \"wrong\": %ld, \"ended\": %d, \"seconds\": %.6f}\n",
           lines, fewest, wrong, ended, (double)(last - began) * 1e-9);
    return 0;
}
