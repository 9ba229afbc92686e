/* notes -- what whoever loads a network should know. */
#include "net/internal.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

bool network_add_note(Network *network, const char *key, Str *text, Error *err) {
    const bool ok = str_ok(text, err) && key_value_add(&network->notes, &network->note_count, key, str_text(text), err);
    str_done(text);
    return ok;
}

bool network_note(Network *network, Error *err, const char *format, ...) {
    Str text = {0};
    va_list args;
    va_start(args, format);
    str_addv(&text, format, args);
    va_end(args);
    return network_add_note(network, "note", &text, err);
}
