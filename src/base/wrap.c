/* wrap -- texts filled into the columns of a terminal; their lines break between words, and no word is cut. */
#include <string.h>

#include "weft/base/text.h"

/* Columns: for which texts are laid out by hand; that a line of prose fills at least, unlike a heading; that the text
 * beside a term needs. */
enum { LAID_OUT = 100, PROSE_LEAST = 60, BESIDE_LEAST = 24 };

/* Columns of the first `length` bytes; *out fails where memory runs out. */
static size_t columns_of(const char *text, size_t length, Str *out) {
    Str part = {0};
    str_add_bytes(&part, text, length);
    const size_t columns = text_columns(str_text(&part));
    if (part.failed) out->failed = true;
    str_done(&part);
    return columns;
}

/* Bytes of the next word. One that no line holds may end after a `|`, between two choices. */
static size_t word_length(const char *text, size_t room, size_t width, Str *out) {
    const size_t length = strcspn(text, " ");
    if (columns_of(text, length, out) <= width) return length;
    size_t best = strcspn(text, " |") + 1; /* the first choice, or as many as fit */
    for (size_t i = best; i < length && columns_of(text, i + 1, out) <= room; i++)
        if (text[i] == '|') best = i + 1;
    return best < length ? best : length;
}

size_t str_add_wrapped(Str *out, const char *text, size_t column, size_t hang, size_t width) {
    bool first = true; /* of its line */
    while (text[strspn(text, " ")]) {
        size_t blanks = strspn(text, " ");
        const size_t used = column + blanks,
                     length = word_length(text + blanks, width > used ? width - used : 0, width, out);
        const size_t word = columns_of(text + blanks, length, out);
        text += blanks;
        if (!first && used + word > width && word <= width) {
            str_add(out, "\n");
            blanks = hang + word > width ? width - word : hang;
            column = 0;
        }
        str_addf(out, "%*s", (int)blanks, "");
        str_add_bytes(out, text, length);
        column += blanks + word;
        if (column > width && width > 0) column %= width; /* where the terminal has broken the line */
        text += length;
        first = false;
    }
    return column;
}

/* ---- a text that is laid out already ----------------------------------------------------------------------------- */

/* A line of it, with the lines that continue it. */
typedef struct Item {
    Str body;            /* without its indentation */
    size_t indent, last; /* columns; of the last line that was added, with its indentation */
    size_t gap;          /* bytes of the body before its text, where two blanks or more stand between; else 0 */
    bool open;
} Item;

/* Bytes before the text of "term    text"; 0: there is no such gap. */
static size_t gap_of(const char *body, size_t length) {
    for (size_t i = 0; i + 2 < length; i++)
        if (body[i] == ' ' && body[i + 1] == ' ') return i + strspn(body + i, " ");
    return 0;
}

static void add_item(Str *out, Item *item, size_t width) {
    const char *body = str_text(&item->body);
    size_t indent = item->indent, below = indent < 4 ? indent + 4 : indent;
    if (item->body.failed) { /* it may be shorter than `gap` */
        out->failed = true;
        str_done(&item->body);
        item->open = false;
    }
    if (!item->open) return;
    const size_t hang = indent + columns_of(body, item->gap, out);
    if (indent > width / 2) indent = below = 6;
    str_addf(out, "%*s", (int)indent, "");
    if (indent + text_columns(body) <= width) {
        str_add(out, body);
    } else if (item->gap == 0) {
        str_add_wrapped(out, body, indent, indent == 0 ? 0 : below, width);
    } else if (hang + BESIDE_LEAST <= width) {
        str_add_bytes(out, body, item->gap);
        str_add_wrapped(out, body + item->gap, hang, hang, width);
    } else { /* no room beside the term */
        size_t length = item->gap;
        while (length > 0 && body[length - 1] == ' ') length--;
        Str term = {0};
        str_add_bytes(&term, body, length);
        str_add_wrapped(out, str_text(&term), indent, below, width);
        if (term.failed) out->failed = true;
        str_done(&term);
        str_addf(out, "\n%*s", (int)below, "");
        str_add_wrapped(out, body + item->gap, below, below, width);
    }
    str_add(out, "\n");
    str_done(&item->body);
    item->open = false;
}

/* Whether a line was broken before the next one only because it was full. */
static bool continues(const Item *item, const char *body, size_t indent, size_t gap) {
    if (!item->open) return false;
    if (item->gap == 0) return indent == 0 && item->indent == 0 && gap == 0 && item->last >= PROSE_LEAST;
    return indent == item->indent + item->gap && item->last + 1 + strcspn(body, " \n") > LAID_OUT;
}

void str_add_filled(Str *out, const char *text, size_t width) {
    Item item = {0};
    while (*text) {
        const size_t length = strcspn(text, "\n"), indent = strspn(text, " ");
        const char *body = text + indent;
        size_t bytes = length > indent ? length - indent : 0;
        while (bytes > 0 && body[bytes - 1] == ' ') bytes--;
        const size_t gap = bytes > 0 ? gap_of(body, bytes) : 0;
        if (bytes > 0 && continues(&item, body, indent, gap)) {
            str_add(&item.body, " ");
        } else {
            add_item(out, &item, width);
            item = (Item){.indent = indent, .gap = gap, .open = bytes > 0};
        }
        if (bytes > 0) str_add_bytes(&item.body, body, bytes);
        item.last = indent + bytes;
        if (bytes == 0) str_add(out, "\n");
        text += length + (text[length] == '\n');
    }
    add_item(out, &item, width);
    str_done(&item.body);
}
