/* range -- lists and ranges of numbers, "1,2,4" and "MIN:MAX:COUNT[:log]". */
#include "weft/probe/survey.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

/* What is read, and how. */
typedef struct Reader {
    const char *what;
    bool whole;
    Range *out;
} Reader;

static bool add_value(const Reader *reader, double value, Error *err) {
    Range *out = reader->out;
    if (out->count >= RANGE_MOST)
        return error_set(err, STATUS_LIMIT, "%s: more than %d values", reader->what, RANGE_MOST);
    if (reader->whole) value = round(value);
    /* Whole numbers of a fine range, and a range of no width. */
    if (out->count > 0 && out->values[out->count - 1] == value) return true;
    if (!mem_grow(&out->values, &out->capacity, out->count + 1, sizeof *out->values, err)) return false;
    out->values[out->count++] = value;
    return true;
}

/* The bounds of a range, checked. */
typedef struct Bounds {
    double low, high;
    uint64_t count;
} Bounds;

static bool read_bounds(const Reader *reader, const char *text, Bounds *bounds, Error *err) {
    char *copy = mem_copy_text(text, err), *part[4] = {copy};
    size_t parts = 1;
    if (!copy) return false;
    for (char *at = copy; parts < 4 && (at = strchr(at, ':')); parts++) {
        *at++ = '\0';
        part[parts] = at;
    }
    const bool log = reader->out->log = parts == 4 && strcmp(part[3], "log") == 0;
    const bool read = (parts == 3 || log) && text_to_double(part[0], &bounds->low) &&
                      text_to_double(part[1], &bounds->high) && text_to_u64(part[2], &bounds->count) &&
                      isfinite(bounds->low) && isfinite(bounds->high);
    mem_free(copy);
    if (!read)
        return error_set(err, STATUS_USAGE, "%s=%s must be a list (1,2,4) or MIN:MAX:COUNT[:log]", reader->what, text);
    if (bounds->count == 0 || (bounds->count == 1 && bounds->low != bounds->high))
        return error_set(err, STATUS_USAGE, "%s=%s: a range from %g to %g needs at least two values", reader->what,
                         text, bounds->low, bounds->high);
    if (bounds->count > RANGE_MOST)
        return error_set(err, STATUS_LIMIT, "%s=%s: more than %d values", reader->what, text, RANGE_MOST);
    return !log || (bounds->low > 0 && bounds->high > 0) ||
           error_set(err, STATUS_USAGE, "%s=%s: a logarithmic range needs numbers above 0", reader->what, text);
}

static bool add_range(const Reader *reader, const char *text, Error *err) {
    Bounds bounds;
    bool ok = read_bounds(reader, text, &bounds, err);
    for (uint64_t i = 0; ok && i < bounds.count; i++) {
        const double low = bounds.low, high = bounds.high;
        const double share = bounds.count > 1 ? (double)i / (double)(bounds.count - 1) : 0;
        ok = add_value(reader,
                       i == 0                  ? low
                       : i + 1 == bounds.count ? high
                       : reader->out->log      ? low * pow(high / low, share)
                                               : low + share * (high - low),
                       err);
    }
    return ok;
}

static bool add_word(const Reader *reader, const char *text, Error *err) {
    double value;
    if (strchr(text, ':')) return add_range(reader, text, err);
    if (!text_to_double(text, &value) || !isfinite(value))
        return error_set(err, STATUS_USAGE, "%s: '%s' is not a number", reader->what, text);
    if (reader->whole && value != floor(value))
        return error_set(err, STATUS_USAGE, "%s: '%s' is not a whole number", reader->what, text);
    return add_value(reader, value, err);
}

bool range_read(const char *what, const char *text, bool whole, Range *out, Error *err) {
    const Reader reader = {what, whole, out};
    *out = (Range){0};
    char *copy = mem_copy_text(text, err);
    bool ok = copy != NULL;
    for (char *word = copy, *next; ok && word; word = next) {
        if ((next = strchr(word, ','))) *next++ = '\0';
        ok = add_word(&reader, word, err);
    }
    mem_free(copy);
    return ok;
}

void range_done(Range *range) {
    mem_free(range->values);
    *range = (Range){0};
}
