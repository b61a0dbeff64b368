/*
 * ask PORT PATH CONNECTIONS RATE SECONDS LOG
 *
 * Asks for PATH on so many connections that are kept: RATE times a second in all, or with RATE 0
 * each connection again as soon as it has its answer.  Every answer has to be a 200 whose body
 * is as long as it says, and is compared with the one before: one that differs is looked
 * through for what its processes are like.  One thread, so that no more than one core is taken
 * from what is measured.
 *
 * Writes to LOG, once all is over:
 *
 *   I INDEX SLUG                  where a process stands in a listing
 *   B BODY LENGTH PROCESSES       a body, by its number
 *   P INDEX PID STARTED_AT STATE  what is another there than in the body before; PID 0: none
 *   R ASKED FIRST LAST BODY       an answer: when it was due or asked for, when its first and
 *                                 its last byte had come: nanoseconds; and its body
 *
 * and the last body, as it came, to LOG.body.  Prints one JSON document:
 *
 *   answers, bytes (of bodies), wrong (what made this end early), seconds
 */
#define _GNU_SOURCE
#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD = 8192, READ = 1 << 18, WORD = 48, MOST = 256, PATIENCE = 30 };

static const long long SECOND = 1000000000;

struct connection {
    int fd;
    int busy; /* it waits for an answer */
    long long asked, first;
    char *data; /* the head and what came of the body */
    size_t room, known;
    size_t body, length; /* where the body begins, once the head is there */
};

/* What a document says; words as they stand there. */
struct process {
    char pid[WORD], started_at[WORD], state[WORD];
};

struct answer {
    long long asked, first, last;
    long body;
};

static struct connection connections[MOST];
static struct answer *answers;
static long count, room;
static struct process *processes;
static long known_processes;
static char *before; /* the last body */
static size_t before_length;
static long bodies;
static unsigned long long bytes;
static FILE *log_file;
static char request[1024];
static size_t request_size;
static const char *wrong;

/* The value behind a key, up to what ends it, as a word; a pointer behind it, or 0. */
static const char *value(const char *from, const char *end, const char *key, char *word)
{
    size_t length = strlen(key);
    const char *found = memmem(from, (size_t)(end - from), key, length);
    size_t size = 0;

    if (!found)
        return 0;
    for (found += length; found < end && *found != ',' && *found != '}'; found++)
        if (*found != '"' && size < WORD - 1)
            word[size++] = *found;
    word[size] = 0;
    return found;
}

/* A body that is not the one before: note what is new in it. */
static void look_through(const char *body, size_t length)
{
    const char *at = body, *end = body + length;
    char slug[WORD];
    struct process now;
    long index = 0;

    while ((at = value(at, end, "\"slug\": ", slug))) {
        const char *next = value(at, end, "\"state\": ", now.state);
        if (next)
            next = value(next, end, "\"pid\": ", now.pid);
        if (next)
            next = value(next, end, "\"started_at\": ", now.started_at);
        if (!next) {
            wrong = "a document lacks something";
            return;
        }
        at = next;
        if (index == known_processes) {
            if (!(processes = realloc(processes, (size_t)++known_processes * sizeof now)))
                exit(3);
            memset(&processes[index], 0, sizeof now);
            fprintf(log_file, "I %ld %s\n", index, slug);
        }
        struct process *old = &processes[index];
        if (strcmp(old->pid, now.pid) || strcmp(old->started_at, now.started_at) ||
            strcmp(old->state, now.state)) {
            *old = now;
            fprintf(log_file, "P %ld %s %s %s\n", index,
                    strcmp(now.pid, "null") ? now.pid : "0", now.started_at, now.state);
        }
        index++;
    }
    fprintf(log_file, "B %ld %zu %ld\n", bodies, length, index);
}

/* An answer is whole. */
static void take(struct connection *it)
{
    char *body = it->data + it->body;

    if (!before || it->length != before_length || memcmp(body, before, it->length)) {
        bodies++;
        look_through(body, it->length);
        if (!(before = realloc(before, it->length + 1)))
            exit(3);
        memcpy(before, body, before_length = it->length);
    }
    if (count == room && !(answers = realloc(answers, (size_t)(room += 65536) * sizeof *answers)))
        exit(3);
    answers[count++] = (struct answer){it->asked, it->first, monotonic_ns(), bodies};
    bytes += it->length;
    it->busy = 0;
    it->known = it->body = 0;
}

static void ask(struct connection *it, long long when)
{
    it->busy = 1;
    it->asked = when;
    it->first = 0;
    if (write(it->fd, request, request_size) != (ssize_t)request_size)
        wrong = "a request can't be sent";
}

/* The head is whole: what it says. */
static void read_head(struct connection *it)
{
    it->data[it->known] = 0;
    char *end = strstr(it->data, "\r\n\r\n");
    char *length = strcasestr(it->data, "\r\nContent-Length:");

    if (!end) {
        if (it->known >= HEAD)
            wrong = "a head is too long";
        return;
    }
    if (strncmp(it->data, "HTTP/1.1 200 ", 13) || !length || length > end) {
        wrong = "an answer is no 200 with a length";
        return;
    }
    it->body = (size_t)(end - it->data) + 4;
    it->length = strtoul(length + 17, 0, 10);
}

/* Some bytes have come.  Returns whether the answer is whole. */
static int receive(struct connection *it)
{
    if (it->room < it->known + READ + 1 &&
        !(it->data = realloc(it->data, it->room = 2 * it->room + READ + 1)))
        exit(3);
    ssize_t size = recv(it->fd, it->data + it->known, it->room - it->known - 1, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (size <= 0 || !it->busy) {
        wrong = size <= 0 ? "a connection ended" : "an answer nobody asked for";
        return 0;
    }
    if (!it->first)
        it->first = monotonic_ns();
    it->known += (size_t)size;
    if (!it->body)
        read_head(it);
    if (!it->body || wrong)
        return 0;
    if (it->known > it->body + it->length)
        wrong = "an answer is longer than it says";
    return !wrong && it->known == it->body + it->length;
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* One that waits for nothing; 0: there is none. */
static struct connection *free_one(int many)
{
    for (int i = 0; i < many; i++)
        if (!connections[i].busy)
            return &connections[i];
    return 0;
}

/* Ask until the time is over, then wait for what is still to come. */
static void run(struct pollfd *polled, int many, long rate, long long end)
{
    long long due = monotonic_ns(), heard = due;
    int busy = 0;

    for (;;) {
        long long now = monotonic_ns();
        struct connection *it;
        if (rate)
            /* What is due and finds all busy is asked later, and counts from when it was due. */
            for (; due <= now && due < end && (it = free_one(many)); due += SECOND / rate, busy++)
                ask(it, due);
        else
            for (; now < end && busy < many && (it = free_one(many)); busy++)
                ask(it, now);
        if (!busy && now >= end)
            return;
        long long left = heard + PATIENCE * SECOND - now;
        if (rate && due < end && busy < many && due - now < left)
            left = due - now;
        if (!busy && end - now < left)
            left = end - now;
        left = left < 0 ? 0 : left;
        struct timespec wait = {left / SECOND, left % SECOND};
        int some = ppoll(polled, (nfds_t)many, &wait, 0);
        if (!some && busy && monotonic_ns() - heard >= PATIENCE * SECOND)
            wrong = "no answer came";
        for (int i = 0; i < many && some > 0 && !wrong; i++) {
            if (!polled[i].revents)
                continue;
            heard = monotonic_ns();
            if (receive(&connections[i])) {
                take(&connections[i]);
                busy--;
            }
        }
        if (!busy)
            heard = monotonic_ns();
        if (wrong)
            return;
    }
}

static void tell(const char *path)
{
    char name[4096];
    FILE *out;

    for (long i = 0; i < count; i++)
        fprintf(log_file, "R %lld %lld %lld %ld\n", answers[i].asked, answers[i].first,
                answers[i].last, answers[i].body);
    if (fclose(log_file))
        exit(3);
    snprintf(name, sizeof name, "%s.body", path);
    if (!(out = fopen(name, "w")) || fwrite(before, 1, before_length, out) != before_length ||
        fclose(out))
        exit(3);
}

int main(int argc, char **words)
{
    if (argc != 7)
        return 2;
    int port = atoi(words[1]), many = atoi(words[3]);
    long rate = atol(words[4]);
    double seconds = atof(words[5]);
    struct pollfd polled[MOST];

    request_size = (size_t)snprintf(request, sizeof request,
                                    "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", words[2],
                                    port);
    if (many < 1 || many > MOST || !(log_file = fopen(words[6], "w")))
        return 2;
    for (int i = 0; i < many; i++) {
        if ((connections[i].fd = connect_to(port)) < 0) {
            fprintf(stderr, "ask: can't connect\n");
            return 3;
        }
        polled[i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
    }
    long long begun = monotonic_ns();
    run(polled, many, rate, begun + (long long)(seconds * 1e9));
    double took = (double)(monotonic_ns() - begun) * 1e-9;
    tell(words[6]);
    printf("{\"answers\": %ld, \"bytes\": %llu, \"seconds\": %.6f, \"wrong\": %s%s%s}\n", count,
           bytes, took, wrong ? "\"" : "", wrong ? wrong : "null", wrong ? "\"" : "");
    return 0;
}
