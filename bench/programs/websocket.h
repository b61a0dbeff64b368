/*
 * The client's side of a WebSocket (RFC 6455), as much of it as a reader needs; and of HTTP,
 * whose request begins it.
 */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD = 4096, OF_AN_ADDRESS = 200 };
enum { TEXT = 0x81, CONTROL = 0x88 }; /* final and text; final and any control */

/* A connection to a port of loopback, or -1.  Many clients come from several addresses, as
 * they do anywhere: servers have bounds for each. */
static inline int reach(const char *port, int number)
{
    struct sockaddr_in own = {.sin_family = AF_INET}, address = own;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)number / OF_AN_ADDRESS);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((unsigned short)atoi(port));
    if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) ||
        connect(fd, (struct sockaddr *)&address, sizeof address))
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Ask for a path, as the client of that number.  What comes behind the head of the answer is left in the socket.  Returns
 * the socket, or -1 where the status is another. */
static inline int ask(const char *port, int number, const char *path, const char *headers,
                      const char *status)
{
    char text[HEAD];
    int fd = reach(port, number);
    int size = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n%s\r\n",
                        path, port, headers);

    if (fd < 0 || size >= HEAD || write(fd, text, (size_t)size) != size)
        return -1;
    for (size_t known = 0; known < sizeof text; known++) {
        if (read(fd, text + known, 1) != 1)
            return -1;
        if (known < 3 || memcmp(text + known - 3, "\r\n\r\n", 4))
            continue;
        if (!memcmp(text + 9, status, 3))
            return fd;
        fprintf(stderr, "%.*s: ", (int)strcspn(text, "\r"), text);
        break;
    }
    return -1;
}

/* A WebSocket to a path, or -1. */
static inline int shake_hands(const char *port, int number, const char *path)
{
    return ask(port, number, path,
               "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
               "101");
}

/* Frames that come in pieces. */
struct frames {
    unsigned char header[10]; /* of a frame, while it is not whole */
    size_t known;             /* bytes of it */
    size_t left;              /* payload that is still to come */
    int opcode;               /* with the bits beside it */
    const unsigned char *piece; /* of a payload */
    size_t size;
    int first, last; /* piece of its frame; one with an empty payload is both */
};

static inline int frames_begin(struct frames *frames, int opcode, size_t length)
{
    frames->opcode = opcode;
    frames->left = length;
    frames->known = 0;
    frames->first = 1;
    return length == 0;
}

/* The next piece of what was read: 1; or 0, where nothing is left of it. */
static inline int frames_next(struct frames *frames, const unsigned char **at,
                              const unsigned char *end)
{
    while (*at < end || frames->left > 0) {
        if (frames->left > 0) {
            size_t size = (size_t)(end - *at);

            if (size == 0)
                return 0;
            frames->first = frames->known == 0;
            frames->known = 1;
            frames->size = size < frames->left ? size : frames->left;
            frames->piece = *at;
            frames->left -= frames->size;
            *at += frames->size;
            frames->last = frames->left == 0;
            if (frames->last)
                frames->known = 0;
            return 1;
        }
        const unsigned char *from = *at;
        int empty = 0;
        if (frames->known == 0 && end - from >= 2 && from[1] < 126) {
            empty = frames_begin(frames, from[0], from[1]); /* most: whole, and short */
            *at += 2;
        } else {
            frames->header[frames->known++] = *(*at)++;
            if (frames->known < 2)
                continue;
            int kind = frames->header[1] & 127;
            size_t head = kind < 126 ? 2 : kind == 126 ? 4 : 10, length = 0;

            if (frames->known < head)
                continue;
            for (size_t n = 2; n < head; n++)
                length = length << 8 | frames->header[n];
            empty = frames_begin(frames, frames->header[0], head == 2 ? (size_t)kind : length);
        }
        if (empty) {
            frames->piece = *at;
            frames->size = 0;
            frames->last = 1;
            return 1;
        }
    }
    return 0;
}

#endif
