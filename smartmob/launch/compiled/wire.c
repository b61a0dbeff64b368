/* Packets of words: see wire.h. */
#include "wire.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GARBLED "the order is garbled"
#define MISNAMED "a name in its environment is empty, or has = in it"
#define NO_MEMORY "its helper has no memory left"

static const double FOREVER = 1e9; /* seconds */

/* An order on its way to be unpacked.  Beyond its end there are empty words. */
struct reader {
    char *at, *end;
    bool garbled; /* a number was none */
};

void packet_begin(struct packet *packet, const char *word)
{
    packet->size = 0;
    packet_add(packet, word);
}

void packet_add(struct packet *packet, const char *word)
{
    size_t between = packet->size != 0, length = strlen(word);

    if (length + between > sizeof packet->bytes - packet->size)
        return;
    if (between)
        packet->bytes[packet->size++] = '\0';
    memcpy(packet->bytes + packet->size, word, length);
    packet->size += length;
}

void packet_add_number(struct packet *packet, long long number)
{
    char word[24];

    snprintf(word, sizeof word, "%lld", number);
    packet_add(packet, word);
}

bool parse_number(const char *word, long long largest, long long *number)
{
    bool negative = *word == '-';
    long long sum = 0;

    word += negative;
    if (!*word || strlen(word) > 20)
        return false;
    for (; *word; word++) {
        int digit = *word - '0';

        if (digit < 0 || digit > 9 || sum > (largest - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *number = negative ? -sum : sum;
    return true;
}

bool parse_seconds(const char *word, double *seconds)
{
    char *end;

    if (*word < '0' || *word > '9' || word[strspn(word, "0123456789.e+-")])
        return false;
    *seconds = strtod(word, &end);
    if (*seconds > FOREVER)
        *seconds = FOREVER;
    return !*end;
}

static char *next(struct reader *reader)
{
    char *word = reader->at;

    if (word > reader->end)
        return reader->end;
    reader->at += strlen(word) + 1;
    return word;
}

static long long next_number(struct reader *reader, long long least, long long largest)
{
    long long number = least;

    if (!parse_number(next(reader), largest, &number) || number < least)
        reader->garbled = true;
    return number;
}

static size_t count_words(const char *packet, size_t size)
{
    size_t words = 1;

    for (size_t at = 0; at < size; at++)
        words += !packet[at];
    return words;
}

static void read_limits(struct order *order, struct reader *reader)
{
    for (size_t at = 0; at < order->limit_count; at++) {
        struct limit *limit = order->limits + at;

        limit->name = next(reader);
        limit->soft = (rlim_t)next_number(reader, -LLONG_MAX, LLONG_MAX);
        limit->hard = (rlim_t)next_number(reader, -LLONG_MAX, LLONG_MAX);
    }
}

/* Where each variable begins; false: one has no name that can be.  Nothing is changed yet. */
static bool read_names(char **env, size_t count, struct reader *reader)
{
    for (size_t at = 0; at < count; at++) {
        env[at] = next(reader);
        next(reader);
        if (!*env[at] || strchr(env[at], '='))
            return false;
    }
    env[count] = NULL;
    return true;
}

static void make_pairs(char **env)
{
    for (; *env; env++)
        (*env)[strlen(*env)] = '=';
}

/* Room for what there is any number of; what an attempt that failed has left is used no more. */
static char **make_room(struct order *order, size_t pointers)
{
    free(order->limits);
    free(order->identity);
    order->limits = calloc(order->limit_count + 1, sizeof *order->limits);
    order->identity = calloc(order->identity_count + 1, sizeof *order->identity);
    if (!order->limits || !order->identity)
        return NULL;
    return calloc(pointers, sizeof(char *));
}

const char *order_unpack(struct order *order, char *packet, size_t size)
{
    struct reader reader = {packet, packet + size, false};
    long long words = (long long)count_words(packet, size);

    order->stop_signal = (int)next_number(&reader, -INT_MAX, INT_MAX);
    if (!parse_seconds(next(&reader), &order->grace))
        return GARBLED;
    order->umask = (mode_t)next_number(&reader, -INT_MAX, INT_MAX);
    order->nice = (int)next_number(&reader, -INT_MAX, INT_MAX);
    order->no_new_privileges = strcmp(next(&reader), "1") == 0;
    long long limits = next_number(&reader, 0, INT_MAX);
    long long identity = next_number(&reader, 0, INT_MAX);
    long long argc = next_number(&reader, 1, INT_MAX);
    long long rest = words - 8 - 3 * limits - identity - argc - 1;
    if (reader.garbled || rest < 0 || rest % 2 || identity == 1)
        return GARBLED;

    order->limit_count = (size_t)limits;
    order->identity_count = (size_t)identity;
    char **pointers = make_room(order, (size_t)(1 + argc + 1 + rest / 2 + 1));
    if (!pointers)
        return NO_MEMORY;
    char **argv = pointers + 1, **env = argv + argc + 1; /* each ends with a NULL */
    read_limits(order, &reader);
    for (long long at = 0; at < identity; at++)
        order->identity[at] = (gid_t)next_number(&reader, 0, UINT32_MAX);
    for (long long at = 0; at < argc; at++)
        argv[at] = next(&reader);
    order->cwd = next(&reader);
    bool named = read_names(env, (size_t)rest / 2, &reader);
    if (reader.garbled || !named) {
        free(pointers);
        return reader.garbled ? GARBLED : MISNAMED;
    }
    make_pairs(env);
    if (limits && *order->limits[0].name == '/')
        order->group = order->limits[0].name;
    order->program = argv[0];
    order->env = env;
    order->argv = argv;
    return NULL;
}
