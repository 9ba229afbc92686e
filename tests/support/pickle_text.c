/* pickle_text -- the assembler of pickles written down as text. */
#include "pickle_text.h"

#include <stdlib.h>
#include <string.h>

static void add_byte(Bytes *bytes, unsigned value) {
    bytes_fill(bytes, (uint8_t)value, 1);
}

static void add_token(Bytes *bytes, const char *token, size_t length) {
    const char *rest = token + 1, *dot;
    switch (*token) {
    case '\'':
        add_byte(bytes, 0x58);
        bytes_le(bytes, length - 1, 4);
        bytes_add(bytes, rest, length - 1);
        return;
    case '@':
        for (dot = token + length - 1; *dot != '.';) dot--;
        add_byte(bytes, 'c');
        bytes_add(bytes, rest, (size_t)(dot - rest));
        add_byte(bytes, '\n');
        bytes_add(bytes, dot + 1, (size_t)(token + length - dot - 1));
        add_byte(bytes, '\n');
        return;
    case '#':
        add_byte(bytes, (unsigned)strtoul(rest, NULL, 16));
        return;
    case '<':
    case '>':
        add_byte(bytes, *token == '<' ? 'q' : 'h');
        add_byte(bytes, (unsigned)strtoul(rest, NULL, 10));
        return;
    case 'T':
    case 'F':
        add_byte(bytes, *token == 'T' ? 0x88 : 0x89);
        return;
    default:
        break;
    }
    if (strchr("-0123456789", *token)) {
        add_byte(bytes, 0x8a);
        add_byte(bytes, 8);
        bytes_le(bytes, (uint64_t)strtoll(token, NULL, 10), 8);
    } else {
        add_byte(bytes, (uint8_t)*token);
    }
}

void bytes_pickle(Bytes *bytes, const char *program) {
    bytes_add(bytes, "\x80\x02", 2);
    while (*(program += strspn(program, " "))) {
        size_t length = strcspn(program, " ");
        add_token(bytes, program, length);
        program += length;
    }
}
