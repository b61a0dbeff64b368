/*
 * Many lines at once: whether they are UTF-8, how many they are, and a WebSocket frame of each.
 *
 * A plain library, called by way of ctypes, that knows nothing of Python: one of it is for
 * every Python on machines of a kind.  lines_count is the twin of examined() in splitter.py,
 * lines_frames that of frames() in encodings.py: the same answers, byte for byte.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

ssize_t lines_count(const unsigned char *data, size_t size);
size_t lines_frames(const unsigned char *data, size_t size, unsigned char *frames);

/* Bytes that are looked at together, which a compiler makes few instructions of.  Their line
   ends are counted in a byte: no more than that can hold. */
enum { BLOCK = 128 };

/* The heads of frames (RFC 6455, section 5.2). */
enum { FINAL_TEXT = 0x81, IN_2_BYTES = 126, IN_8_BYTES = 127 };

/* How many bytes of ASCII the data begins with, counted by four words. */
static size_t ascii(const unsigned char *data, size_t size)
{
    size_t at;

    for (at = 0; size - at >= sizeof(uint64_t[4]); at += sizeof(uint64_t[4])) {
        uint64_t words[4];

        memcpy(words, data + at, sizeof words);
        if ((words[0] | words[1] | words[2] | words[3]) & UINT64_C(0x8080808080808080))
            break;
    }
    while (at < size && data[at] < 0x80)
        at++;
    return at;
}

/* How long the character is that the data begins with, which is not ASCII; 0 where it is none.
   The ranges are those of table 3-7 in the Unicode Standard, section 3.9. */
static size_t character(const unsigned char *data, size_t size)
{
    unsigned char first = data[0], low = 0x80, high = 0xBF;
    size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;

    if (!length || length > size)
        return 0;
    if (first == 0xE0)
        low = 0xA0; /* lower ones have a shorter form */
    else if (first == 0xED)
        high = 0x9F; /* higher ones are surrogates */
    else if (first == 0xF0)
        low = 0x90;
    else if (first == 0xF4)
        high = 0x8F; /* higher ones are above U+10FFFF */
    if (data[1] < low || data[1] > high)
        return 0;
    for (size_t at = 2; at < length; at++)
        if ((data[at] & 0xC0) != 0x80)
            return 0;
    return length;
}

static bool is_utf8(const unsigned char *data, size_t size)
{
    size_t at = 0;

    while ((at += ascii(data + at, size - at)) < size) {
        size_t length = character(data + at, size - at);

        if (!length)
            return false;
        at += length;
    }
    return true;
}

/* How many lines these are; -1: they are not UTF-8. */
ssize_t lines_count(const unsigned char *data, size_t size)
{
    size_t count = 0, at = 0;

    if (!is_utf8(data, size))
        return -1;
    for (; size - at >= BLOCK; at += BLOCK) {
        unsigned char ends = 0;

        for (size_t beside = 0; beside < BLOCK; beside++)
            ends = (unsigned char)(ends + (data[at + beside] == '\n'));
        count += ends;
    }
    for (; at < size; at++)
        count += data[at] == '\n';
    return (ssize_t)count;
}

/* Writes the head of a frame; says where its payload goes. */
static unsigned char *head(unsigned char *to, size_t length)
{
    int bytes = length < IN_2_BYTES ? 0 : length <= UINT16_MAX ? 2 : 8;

    *to++ = FINAL_TEXT;
    *to++ = (unsigned char)(!bytes ? length : bytes == 2 ? IN_2_BYTES : IN_8_BYTES);
    while (bytes-- > 0)
        *to++ = (unsigned char)((uint64_t)length >> 8 * bytes);
    return to;
}

/* Writes a frame for each line, each of which has its end; says how much that is.  There has to
   be room for twice the lines: an empty one is a byte, and its frame two. */
size_t lines_frames(const unsigned char *data, size_t size, unsigned char *frames)
{
    const unsigned char *behind = data + size;
    unsigned char *to = frames;

    while (data < behind) {
        const unsigned char *end = memchr(data, '\n', (size_t)(behind - data));
        size_t length = (size_t)((end ? end : behind) - data);

        to = head(to, length);
        memcpy(to, data, length);
        to += length;
        data += length + 1;
    }
    return (size_t)(to - frames);
}
