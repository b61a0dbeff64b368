/* connect PORT SECONDS ADDRESS: connects to 127.0.0.1 as fast as it can, from an address of
 * loopback, and leaves at once.
 *
 * It never waits, neither for an answer nor until there is room for it, and closes with a reset,
 * so that no address is used up.  Prints one line: how many connections it asked for, and how
 * many of these there were.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

int main(int argc, char **argv)
{
    struct sockaddr_in there = {.sin_family = AF_INET};
    struct sockaddr_in here = {.sin_family = AF_INET};
    struct linger reset = {1, 0};
    int yes = 1;
    long asked = 0, made = 0;
    long long end;

    if (argc != 4 || inet_pton(AF_INET, argv[3], &here.sin_addr) != 1)
        return 2;
    there.sin_port = htons((unsigned short)atoi(argv[1]));
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    end = monotonic_ns() + (long long)(atof(argv[2]) * 1e9);
    while (monotonic_ns() < end) {
        int one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (one < 0) {
            perror("socket");
            return 1;
        }
        setsockopt(one, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        setsockopt(one, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        bind(one, (struct sockaddr *)&here, sizeof here);
        asked++;
        if (connect(one, (struct sockaddr *)&there, sizeof there) == 0) {
            made++;
        } else if (errno == EINPROGRESS) {
            struct pollfd ready = {one, POLLOUT, 0};

            if (poll(&ready, 1, 0) == 1 && !(ready.revents & (POLLERR | POLLHUP)))
                made++;
        }
        close(one);
    }
    printf("%ld %ld\n", asked, made);
    return 0;
}
