/*
 * receive PORT PATH CLIENTS KIND COUNT GO [FORM]
 *
 * CLIENTS readers of PATH, in which {} stands for the number of each.  When all are there,
 * opens the FIFO GO for writing, so that the program on the other side begins, and reads until
 * each has got COUNT lines of a kind (see lines.h) or its end.  Every line is compared with
 * what it has to be, byte by byte: one that is lost, doubled, cut, merged or changed makes all
 * that follow, or itself, wrong.  FORM is how they come:
 *
 *   frames  a WebSocket, a text frame each; unless another one is given
 *   json    a WebSocket, a document each, whose numbers are in order
 *   ndjson  an HTTP answer without an end, a document a line
 *   sse     the same, a server-sent event a line, whose ids are in order
 *
 * Prints one JSON document:
 *
 *   lines    of all clients together       wrong   those that are not what they have to be
 *   fewest   of any client                 ended   clients whose connection ended early
 *   seconds  from the opening of GO to the last line
 *   cpu      seconds of this program meanwhile
 */
#define _GNU_SOURCE
#include "clock.h"
#include "document.h"
#include "lines.h"
#include "websocket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>

enum { READ = 1 << 18, UNIT = 1 << 16, TURN = 64, PATIENCE_MS = 60000, AFTERWARDS_MS = 20 };

enum form { FRAMES, JSON, NDJSON, SSE, FORMS };

static const char *const names[FORMS] = {"frames", "json", "ndjson", "sse"};

struct client {
    int fd;
    struct frames frames;
    size_t seen;     /* of a line in a frame of its own */
    int is_wrong;
    char *unit;      /* a document, or a line of an answer, while it is not whole */
    size_t known;    /* bytes of it */
    size_t left;     /* of a chunk of an answer that is still to come */
    size_t size;     /* of the next, while its head is not whole */
    int in_trailer;  /* between two chunks */
    long id;         /* that the present event has */
    long lines;
    int done;
};

static struct page page;
static struct page framed; /* the same, as a server sends it in frames */
static enum form form;
static long wrong;

static int fail(const char *why)
{
    fprintf(stderr, "receive: %s\n", why);
    return 1;
}

static void count_line(struct client *client, int is_right)
{
    wrong += !is_right;
    client->lines++;
}

/* What the next line of a client has to be. */
static const char *expected(const struct client *client, size_t *length)
{
    long line = client->lines % PAGE;

    *length = page.start[line + 1] - page.start[line] - 1;
    return page.text + page.start[line];
}

/* A document, or a line of an answer, that is whole. */
static void take_unit(struct client *client, const char *at, size_t size)
{
    size_t length;
    const char *text = expected(client, &length);

    if (form != SSE) {
        int found = document_is(at, at + size, client->lines + 1, text, length);

        if (found != EVENT)
            count_line(client, found == RIGHT);
    } else if (size > 4 && !memcmp(at, "id: ", 4)) {
        client->id = strtol(at + 4, NULL, 10);
    } else if (size >= 6 && !memcmp(at, "data: ", 6)) {
        count_line(client, client->id == client->lines + 1 && size - 6 == length &&
                               !memcmp(at + 6, text, length));
        client->id = 0;
    } else if (size > 0 && at[0] != ':') {
        wrong++;
    }
}

/* A piece of one. */
static void take_piece(struct client *client, const char *at, size_t size, int last)
{
    if (last && client->known == 0) {
        take_unit(client, at, size); /* most of them */
        return;
    }
    if (client->unit == NULL)
        client->unit = malloc(UNIT);
    if (client->unit == NULL) {
        fail("no memory");
        exit(1);
    }
    if (client->known + size >= UNIT) {
        wrong++;
        size = 0;
    }
    memcpy(client->unit + client->known, at, size);
    client->known += size;
    if (last) {
        size = client->known;
        client->unit[size] = '\n'; /* as it is behind one that came in one piece */
        client->known = 0;
        take_unit(client, client->unit, size);
    }
}

/* A piece of a frame that is a line. */
static void take_line(struct client *client, const struct frames *frames)
{
    size_t length;
    const char *text = expected(client, &length);

    if (frames->first) {
        client->seen = 0;
        client->is_wrong = 0;
    }
    if (client->seen + frames->size > length)
        client->is_wrong = 1;
    else if (memcmp(text + client->seen, frames->piece, frames->size))
        client->is_wrong = 1;
    client->seen += frames->size;
    if (frames->last)
        count_line(client, !client->is_wrong && client->seen == length);
}

/* How many bytes from here are whole frames that are the next lines of this client.  Most are,
 * and one comparison of memory is all they cost: the receiver is not to be what limits. */
static size_t skip(struct client *client, const unsigned char *at, size_t size)
{
    long line = client->lines % PAGE, last = line, beyond = PAGE + 1;
    size_t from = framed.start[line];

    while (beyond - last > 1) {
        long middle = last + (beyond - last) / 2;

        if (framed.start[middle] - from <= size)
            last = middle;
        else
            beyond = middle;
    }
    size = framed.start[last] - from;
    if (memcmp(framed.text + from, at, size))
        return 0;
    client->lines += last - line;
    return size;
}

static void parse_frames(struct client *client, const unsigned char *at,
                         const unsigned char *end)
{
    struct frames *frames = &client->frames;

    for (int known = form == FRAMES;;) {
        while (known && frames->left == 0 && frames->known == 0) {
            size_t size = skip(client, at, (size_t)(end - at));

            known = size > 0;
            at += size;
        }
        if (!frames_next(frames, &at, end))
            return;
        if ((frames->opcode & CONTROL) == CONTROL)
            continue;
        if (frames->opcode != TEXT)
            wrong++; /* part of a message, or no text */
        else if (form == JSON)
            take_piece(client, (const char *)frames->piece, frames->size, frames->last);
        else
            take_line(client, frames);
    }
}

/* An answer in chunks (RFC 9112, section 7.1), and its lines, which care nothing for them. */
static void parse_answer(struct client *client, const char *at, const char *end)
{
    while (at < end) {
        if (client->left == 0) {
            char byte = *at++;

            if (byte == '\n' && !client->in_trailer) {
                client->left = client->size;
                client->size = 0;
                client->in_trailer = 1;
            } else if (byte == '\n') {
                client->in_trailer = 0;
            } else if (byte != '\r') {
                int digit = byte <= '9' ? byte - '0' : (byte | 32) - 'a' + 10;

                client->size = client->size << 4 | (size_t)digit;
            }
            continue;
        }
        size_t most = (size_t)(end - at) < client->left ? (size_t)(end - at) : client->left;
        const char *line_end = memchr(at, '\n', most);
        size_t size = line_end ? (size_t)(line_end - at) : most;

        take_piece(client, at, size, line_end != NULL);
        size += line_end != NULL;
        client->left -= size;
        at += size;
    }
}

/* Returns what read(2) does. */
static ssize_t hear(struct client *client)
{
    static unsigned char buffer[READ];
    ssize_t size = read(client->fd, buffer, sizeof buffer);

    if (size > 0 && form < NDJSON)
        parse_frames(client, buffer, buffer + size);
    else if (size > 0)
        parse_answer(client, (char *)buffer, (char *)buffer + size);
    return size;
}

/* The path of a client. */
static int attach(const char *port, const char *path, int number)
{
    char own[HEAD / 2];
    const char *mark = strstr(path, "{}");

    if (mark)
        snprintf(own, sizeof own, "%.*s%d%s", (int)(mark - path), path, number, mark + 2);
    else
        snprintf(own, sizeof own, "%s", path);
    if (form < NDJSON)
        return shake_hands(port, number, own);
    return ask(port, number, own, form == SSE ? "Accept: text/event-stream\r\n" : "", "200");
}

static double cpu_seconds(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

/* Until all have what they want; returns when the last line came. */
static long long read_all(int poll, int clients, long wanted, int *ended)
{
    struct epoll_event events[TURN];
    long long last = monotonic_ns();

    for (int running = clients;;) {
        /* When each has all its lines: nothing may come behind them. */
        int ready = epoll_wait(poll, events, TURN, running ? PATIENCE_MS : AFTERWARDS_MS);

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return last;
        for (int n = 0; n < ready; n++) {
            struct client *client = events[n].data.ptr;
            long before = client->lines;
            ssize_t size = hear(client);

            if (size < 0 && (errno == EAGAIN || errno == EINTR))
                continue;
            if (running > 0 && client->lines > before)
                last = monotonic_ns();
            if (size <= 0) {
                epoll_ctl(poll, EPOLL_CTL_DEL, client->fd, NULL);
                close(client->fd);
                *ended += !client->done;
            }
            if (!client->done && (size <= 0 || client->lines >= wanted)) {
                client->done = 1;
                running--;
            }
        }
    }
}

int main(int count, char **words)
{
    struct rlimit files;

    if (count < 7 || count > 8 || page_make(&page, words[4]) || page_frame(&framed, &page))
        return 2;
    while (count == 8 && form < FORMS && strcmp(words[7], names[form]))
        form++;
    if (form == FORMS)
        return 2;
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    int clients = atoi(words[3]), ended = 0;
    long wanted = atol(words[5]);
    struct client *all = calloc((size_t)clients, sizeof *all);
    int poll = epoll_create1(EPOLL_CLOEXEC);

    if (all == NULL || poll < 0)
        return fail("no memory");
    for (int n = 0; n < clients; n++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[n]};

        all[n].fd = attach(words[1], words[2], n);
        if (all[n].fd < 0)
            return fail("not attached");
        fcntl(all[n].fd, F_SETFL, O_NONBLOCK);
        epoll_ctl(poll, EPOLL_CTL_ADD, all[n].fd, &event);
    }
    if (open(words[6], O_WRONLY | O_CLOEXEC) < 0)
        return fail("no FIFO");
    long long began = monotonic_ns();
    double used = cpu_seconds();
    long long last = read_all(poll, clients, wanted, &ended);
    long lines = 0, fewest = all[0].lines;
    for (int n = 0; n < clients; n++) {
        lines += all[n].lines;
        if (all[n].lines < fewest)
            fewest = all[n].lines;
    }
    printf("{\"lines\": %ld, \"fewest\": %ld, \"wrong\": %ld, \"ended\": %d, \"seconds\": %.6f, "
           "\"cpu\": %.6f}\n",
           lines, fewest, wrong, ended, (double)(last - began) * 1e-9, cpu_seconds() - used);
    return 0;
}
