/*
 * The lines that are sent, so that each one that arrives can be compared with what it has
 * to be.  They repeat after a page of a prime number of lines: where some are lost, all
 * that follow are others than they should be.
 *
 *   fixed   80 bytes, ASCII
 *   mixed   10 to 150 bytes, one in ten with characters of two to four bytes (UTF-8)
 *   single  as fixed, but one line a write instead of 4 KiB
 */
#ifndef LINES_H
#define LINES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4099, LONGEST = 150 };

struct page {
    char *text;             /* each line with its end */
    size_t size;
    size_t start[PAGE + 1]; /* of each line in it */
    int single;
};

/* The same numbers everywhere: Knuth's MMIX generator. */
static inline unsigned page_random(unsigned long long *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(*state >> 33);
}

/* Returns 0, or -1 where there is no such kind. */
static inline int page_make(struct page *page, const char *kind)
{
    static const char *const wide[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9a\x80"};
    unsigned long long state = 2;
    int mixed = !strcmp(kind, "mixed");

    page->single = !strcmp(kind, "single");
    if (!mixed && !page->single && strcmp(kind, "fixed"))
        return -1;
    page->text = malloc((size_t)PAGE * (LONGEST + 1));
    if (page->text == NULL)
        return -1;
    page->size = 0;
    for (int n = 0; n < PAGE; n++) {
        size_t length = mixed ? 10 + page_random(&state) % (LONGEST - 9) : 80;
        char *line = page->text + page->size, number[16];
        size_t size = 0;

        page->start[n] = page->size;
        if (mixed && n % 10 == 0) {
            while (size + 4 <= length) {
                const char *character = wide[page_random(&state) % 3];

                memcpy(line + size, character, strlen(character));
                size += strlen(character);
            }
        }
        while (size < length)
            line[size++] = (char)('a' + page_random(&state) % 26);
        if (!mixed || n % 10) {
            snprintf(number, sizeof number, "%06d ", n);
            memcpy(line, number, 7);
        }
        line[size] = '\n';
        page->size += length + 1;
    }
    page->start[PAGE] = page->size;
    return 0;
}

/* The same lines as a WebSocket server sends them (RFC 6455, section 5.2): a frame each, final,
 * text, not masked, without line ends.  Returns 0, or -1 where there is no memory. */
static inline int page_frame(struct page *framed, const struct page *page)
{
    framed->single = page->single;
    framed->size = 0;
    framed->text = malloc((size_t)PAGE * (LONGEST + 4));
    if (framed->text == NULL)
        return -1;
    for (int n = 0; n < PAGE; n++) {
        size_t length = page->start[n + 1] - page->start[n] - 1;
        char *to = framed->text + framed->size;

        framed->start[n] = framed->size;
        *to++ = (char)0x81;
        *to++ = (char)(length < 126 ? length : 126);
        if (length >= 126) {
            *to++ = (char)(length >> 8);
            *to++ = (char)(length & 255);
        }
        memcpy(to, page->text + page->start[n], length);
        framed->size += length + (length < 126 ? 2 : 4);
    }
    framed->start[PAGE] = framed->size;
    return 0;
}

#endif
