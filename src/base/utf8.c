/* utf8 -- decoding (RFC 3629) and escaping of untrusted text.
 *
 * Escaped are C0 controls, DEL and bytes that are not UTF-8 (\xNN); C1 controls (U+0080-009F) and the bidirectional
 * controls U+061C, U+200E-200F, U+202A-202E and U+2066-2069 (\u{NNNN}), which could make a terminal act or a line read
 * as something else (CWE-150).
 */
#include "utf8.h"

#include <string.h>

size_t utf8_decode(const char *bytes, size_t length, uint32_t *code) {
    const unsigned char *in = (const unsigned char *)bytes;
    if (length == 0) return 0;
    if (in[0] < 0x80) {
        *code = in[0];
        return 1;
    }
    size_t need = in[0] >= 0xf0 ? 4 : in[0] >= 0xe0 ? 3 : 2;
    if (in[0] < 0xc2 || in[0] > 0xf4 || need > length) return 0;
    static const unsigned char lead[] = {0, 0, 0x1f, 0x0f, 0x07};
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t value = in[0] & lead[need];
    for (size_t i = 1; i < need; i++) {
        if ((in[i] & 0xc0) != 0x80) return 0;
        value = value << 6 | (in[i] & 0x3fu);
    }
    if (value < least[need] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return 0;
    *code = value;
    return need;
}

bool utf8_unsafe(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x061c || code == 0x200e || code == 0x200f ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

size_t utf8_safe(const char *bytes, size_t length, char out[UTF8_SAFE_MAX], size_t *written) {
    static const char digits[] = "0123456789abcdef";
    uint32_t code = 0;
    size_t used = utf8_decode(bytes, length, &code);
    if (used > 0 && !utf8_unsafe(code)) {
        memcpy(out, bytes, used);
        *written = used;
        return used;
    }
    size_t n = 0;
    out[n++] = '\\';
    if (used <= 1) {
        unsigned char byte = (unsigned char)bytes[0];
        out[n++] = 'x';
        out[n++] = digits[byte >> 4];
        out[n++] = digits[byte & 15];
    } else {
        out[n++] = 'u';
        out[n++] = '{';
        for (int shift = 12; shift >= 0; shift -= 4) out[n++] = digits[code >> shift & 15]; /* unsafe codes: <= FFFF */
        out[n++] = '}';
    }
    *written = n;
    return used > 0 ? used : 1;
}
