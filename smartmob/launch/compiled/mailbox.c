/* Packets, received and sent: see mailbox.h. */
#define _GNU_SOURCE
#include "mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

bool mailbox_listen(void)
{
    return fcntl(PEER, F_SETOWN, getpid()) == 0 &&
           fcntl(PEER, F_SETFL, O_ASYNC | O_NONBLOCK) == 0;
}

static void keep_descriptors(struct parcel *parcel, struct msghdr *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        parcel->count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(parcel->descriptors, CMSG_DATA(part), parcel->count * sizeof(int));
    }
}

/*
 * Pages of their own, which are given back as a whole: of memory that is only free, the next
 * reaper would get a copy, and with it what is another program's.  They begin as zeros.
 */
static char *take_pages(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return pages == MAP_FAILED ? NULL : pages;
}

static void prepare(struct parcel *parcel, size_t size)
{
    *parcel = (struct parcel){.size = size};
    parcel->packet = size < sizeof parcel->few ? parcel->few : take_pages(size + 1);
    if (!parcel->packet)
        parcel->missing = "memory";
}

enum arrival mailbox_receive(struct parcel *parcel)
{
    union {
        struct cmsghdr aligned;
        char room[CMSG_SPACE(sizeof(int) * DESCRIPTORS)];
    } control;
    /* Its size first: no room of 4 MiB waits for an order that there may be some day. */
    ssize_t size = recv(PEER, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return NOTHING;
    if (size <= 0)
        return HUNG_UP;
    prepare(parcel, (size_t)size);
    struct iovec words = {parcel->packet, parcel->packet ? parcel->size : 0};
    struct msghdr message = {
        .msg_iov = &words,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    if (recvmsg(PEER, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0) {
        parcel_drop(parcel);
        return HUNG_UP;
    }
    keep_descriptors(parcel, &message);
    if (message.msg_flags & MSG_CTRUNC)
        parcel->missing = "descriptors";
    return PARCEL;
}

void parcel_drop(struct parcel *parcel)
{
    for (size_t at = 0; at < parcel->count; at++)
        close(parcel->descriptors[at]);
    if (parcel->packet && parcel->packet != parcel->few)
        munmap(parcel->packet, parcel->size + 1);
}

void packet_send(const struct packet *packet, int socket)
{
    while (send(socket, packet->bytes, packet->size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        if (errno != EINTR)
            return;
}

_Noreturn void broken(const char *why)
{
    struct packet packet;

    packet_begin(&packet, BROKEN);
    packet_add(&packet, why);
    packet_send(&packet, PEER);
    _exit(1);
}

_Noreturn void broken_call(const char *call)
{
    char why[200];

    snprintf(why, sizeof why, "%s: %s", call, strerror(errno));
    broken(why);
}
