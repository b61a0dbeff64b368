/*
 * JSON documents of lines (docs/console.rst): whether one is that of a line, number, stream
 * and text.
 */
#ifndef DOCUMENT_H
#define DOCUMENT_H

#include <stdlib.h>
#include <string.h>

/* What a document is. */
enum { WRONG, RIGHT, EVENT };

static inline int is(const char *at, const char *end, const char *text)
{
    size_t size = strlen(text);

    return (size_t)(end - at) == size && !memcmp(at, text, size);
}

/* The quote that ends a string which begins there, or NULL. */
static inline const char *string_end(const char *at, const char *end)
{
    for (const char *from = at;;) {
        const char *quote = memchr(from, '"', (size_t)(end - from));
        int slashes = 0;

        if (quote == NULL)
            return NULL;
        while (quote - slashes > at && quote[-1 - slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            return quote;
        from = quote + 1;
    }
}

/* Four hexadecimal digits. */
static inline unsigned long unit_of(const char *at)
{
    char digits[5] = {at[0], at[1], at[2], at[3], 0};

    return strtoul(digits, NULL, 16);
}

/* The UTF-8 of a character. */
static inline size_t utf8(unsigned long number, char *to)
{
    size_t size = number < 0x80 ? 1 : number < 0x800 ? 2 : number < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t n = size - 1; n > 0; n--, number >>= 6)
        to[n] = (char)(0x80 | (number & 0x3f));
    to[0] = (char)(lead[size] | number);
    return size;
}

/* Whether a string, with its escapes, is this text. */
static inline int string_is(const char *at, const char *end, const char *text, size_t length)
{
    static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    size_t done = 0;

    if (!memchr(at, '\\', (size_t)(end - at)))
        return (size_t)(end - at) == length && !memcmp(at, text, length);
    while (at < end) {
        char character[4] = {*at};
        size_t size = 1;

        if (*at++ == '\\') {
            if (at < end && *at == 'u' && end - at >= 5) {
                unsigned long number = unit_of(at + 1);

                at += 5;
                if (number >> 10 == 0x36 && end - at >= 6) { /* the first of two halves */
                    number = 0x10000 + ((number & 0x3ff) << 10 | (unit_of(at + 2) & 0x3ff));
                    at += 6;
                }
                size = utf8(number, character);
            } else {
                const char *found = at < end ? strchr(escapes, *at) : NULL;

                if (found == NULL || (found - escapes) % 2)
                    return 0;
                character[0] = found[1];
                at++;
            }
        }
        if (done + size > length || memcmp(text + done, character, size))
            return 0;
        done += size;
    }
    return done == length;
}

/* A document without white space and without another in it: that of this line? */
static inline int document_is(const char *at, const char *end, long number, const char *text,
                              size_t length)
{
    int found = 0;

    if (end - at < 2 || *at != '{' || end[-1] != '}')
        return WRONG;
    end--;
    while (at < end) {
        const char *key = at + 2, *key_end, *value, *value_end;

        if (at[1] != '"' || !(key_end = string_end(key, end)) || end - key_end < 3)
            return WRONG;
        value = key_end + 2;
        if (*value == '"') {
            value_end = string_end(++value, end);
            if (value_end == NULL)
                return WRONG;
            at = value_end + 1;
        } else {
            value_end = memchr(value, ',', (size_t)(end - value));
            if (value_end == NULL)
                value_end = end;
            at = value_end;
        }
        if (is(key, key_end, "event"))
            return is(value, value_end, "dropped") ? WRONG : EVENT;
        if (is(key, key_end, "seq"))
            found += strtol(value, NULL, 10) == number;
        else if (is(key, key_end, "line"))
            found += string_is(value, value_end, text, length);
        else if (is(key, key_end, "stream"))
            found += is(value, value_end, "stdout");
        else if (is(key, key_end, "partial"))
            return WRONG;
    }
    return found == 3 ? RIGHT : WRONG;
}

#endif
