/* corrupt -- corrupted copies of a dataset, image by image, in parallel. */
#include "data/corrupt.h"

#include <string.h>

#include "data/dataset.h"
#include "weft/base/error.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

/* Images of one piece of work: their memory is taken once. */
enum { TOGETHER = 32 };

#define X(name, help) {#name, help, corrupt_##name},
static const struct {
    const char *name, *help;
    Corrupt *corrupt;
} kinds[] = {CORRUPTIONS(X)};
#undef X

const char *corruption_name(CorruptionKind kind) {
    return kinds[kind].name;
}

const char *corruption_help(CorruptionKind kind) {
    return kinds[kind].help;
}

/* ---- which ones -------------------------------------------------------------------------------------------------- */

static bool unknown(const char *text, size_t length, Error *err) {
    const char *names[CORRUPTION_COUNT];
    Str known = {0}, word = {0};
    for (int i = 0; i < CORRUPTION_COUNT; i++) {
        names[i] = kinds[i].name;
        str_addf(&known, ", %s", kinds[i].name);
    }
    str_add_bytes(&word, text, length);
    if (str_ok(&known, err) && str_ok(&word, err)) {
        const char *nearest = text_nearest(str_text(&word), names, CORRUPTION_COUNT);
        if (nearest)
            error_set(err, STATUS_USAGE, "no corruption '%s'; did you mean %s?", str_text(&word), nearest);
        else
            error_set(err, STATUS_USAGE, "no corruption '%s'; one of: all%s", str_text(&word), str_text(&known));
    }
    str_done(&known);
    str_done(&word);
    return false;
}

bool corruption_choose(const char *text, CorruptionChoice *out, Error *err) {
    const size_t length = strcspn(text, ":");
    const char *digit = text[length] ? text + length + 1 : NULL;
    const bool all = length == strlen("all") && memcmp(text, "all", length) == 0;
    int kind = 0;
    while (!all && kind < CORRUPTION_COUNT &&
           (strlen(kinds[kind].name) != length || memcmp(kinds[kind].name, text, length)))
        kind++;
    if (kind == CORRUPTION_COUNT) return unknown(text, length, err);
    if (digit && (digit[0] < '1' || digit[0] > '0' + SEVERITIES || digit[1]))
        return error_set(err, STATUS_USAGE, "%s: the severity must be 1 to %d", text, SEVERITIES);
    const unsigned severity = digit ? (unsigned)(digit[0] - '0') : 0;
    *out = (CorruptionChoice){(CorruptionKind)kind, (CorruptionKind)(all ? CORRUPTION_COUNT : kind + 1),
                              digit ? severity : 1, digit ? severity : SEVERITIES};
    return true;
}

bool corruption_single(const CorruptionChoice *choice) {
    return choice->end - choice->first == 1 && choice->low == choice->high;
}

/* ---- one image --------------------------------------------------------------------------------------------------- */

static void studio_done(Studio *studio) {
    mem_free(studio->picture);
}

/* One allocation for all: planes of picture and spare, single planes, the map. */
static bool studio_init(Studio *studio, unsigned channels, unsigned height, unsigned width, Error *err) {
    *studio = (Studio){.channels = channels, .height = height, .width = width, .area = (size_t)height * width};
    for (studio->map_side = 2; studio->map_side < height || studio->map_side < width;) studio->map_side *= 2;
    const size_t planes = 2 * channels + SPARE_PLANES;
    double *memory = mem_alloc(planes * studio->area + studio->map_side * studio->map_side, sizeof *memory, err);
    if (!memory) return false;
    studio->picture = memory;
    studio->spare = memory + channels * studio->area;
    for (size_t i = 0; i < SPARE_PLANES; i++) studio->plane[i] = memory + (2 * channels + i) * studio->area;
    studio->map = memory + planes * studio->area;
    return true;
}

/* Kinds that are about colours and see a grey image as one of three equal channels. */
static bool coloured(CorruptionKind kind) {
    return kind == CORRUPTION_saturate || kind == CORRUPTION_frost || kind == CORRUPTION_spatter;
}

static uint8_t byte_of(double value) {
    return (uint8_t)(clip(value, 0, 1) * 255);
}

/* Corrupts `clean`, channels x area bytes, into `out`. */
static bool corrupt_image(Studio *studio, unsigned channels, CorruptionKind kind, unsigned severity, Rng rng,
                          const uint8_t *clean, uint8_t *out, Error *err) {
    const size_t area = studio->area;
    for (unsigned c = 0; c < studio->channels; c++)
        for (size_t i = 0; i < area; i++)
            studio->picture[c * area + i] = (double)clean[(channels == 1 ? 0 : c * area) + i] / 255;
    kinds[kind].corrupt(studio, severity - 1, &rng);
    if (studio->error.status != STATUS_OK) {
        *err = studio->error;
        return false;
    }
    const double *picture = studio->picture;
    if (studio->channels == channels)
        for (size_t i = 0; i < channels * area; i++) out[i] = byte_of(picture[i]);
    else
        for (size_t i = 0; i < area; i++)
            out[i] =
                (uint8_t)(luminance(byte_of(picture[i]), byte_of(picture[area + i]), byte_of(picture[2 * area + i])) +
                          0.5);
    return true;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

typedef struct Job {
    const Dataset *clean;
    CorruptionKind kind;
    unsigned severity;
    uint64_t seed;
    uint8_t *out; /* of all images */
} Job;

/* Images [first, end), to `out`. */
static bool corrupt_range(const Job *job, uint64_t first, uint64_t end, uint8_t *out, Error *err) {
    const Dataset *clean = job->clean;
    const uint64_t size = (uint64_t)clean->channels * clean->height * clean->width;
    const unsigned channels = coloured(job->kind) ? 3 : clean->channels;
    Studio studio;
    if (!studio_init(&studio, channels, clean->height, clean->width, err)) return false;
    bool ok = true;
    for (uint64_t i = first; ok && i < end; i++, out += size) {
        const Rng rng = {.seed = job->seed, .stream = STREAM_CORRUPT + ((uint64_t)job->kind << 35) + i};
        ok = corrupt_image(&studio, clean->channels, job->kind, job->severity, rng, clean->pixels + i * size, out, err);
    }
    studio_done(&studio);
    return ok;
}

static bool corrupt_some(void *context, size_t point, Error *err) {
    const Job *job = context;
    const Dataset *clean = job->clean;
    const uint64_t size = (uint64_t)clean->channels * clean->height * clean->width;
    const uint64_t first = (uint64_t)point * TOGETHER;
    const uint64_t end = first + TOGETHER < clean->count ? first + TOGETHER : clean->count;
    return corrupt_range(job, first, end, job->out + first * size, err);
}

static bool check_clean(const Dataset *clean, unsigned severity, Error *err) {
    if (severity < 1 || severity > SEVERITIES)
        return error_set(err, STATUS_USAGE, "the severity must be 1 to %d", SEVERITIES);
    if (!clean->pixels) return error_set(err, STATUS_USAGE, "'%s' has no pixels to corrupt", clean->spec);
    if (clean->channels != 1 && clean->channels != 3)
        return error_set(err, STATUS_USAGE, "corruptions need images with 1 or 3 channels; '%s' has %u", clean->spec,
                         clean->channels);
    return true;
}

/* Memory, labels and names. */
static bool prepare_copy(const Dataset *clean, CorruptionKind kind, unsigned severity, Dataset *out, Error *err) {
    const uint64_t bytes = clean->count * clean->channels * clean->height * clean->width;
    Str spec = {0}, title = {0};
    *out = *clean;
    out->spec = out->title = out->folder = NULL;
    out->pixels = NULL;
    out->labels = NULL;
    str_addf(&spec, "%s, %s:%u", clean->spec, kinds[kind].name, severity);
    str_addf(&title, "%s, %s at severity %u", clean->title, kinds[kind].name, severity);
    bool ok = str_ok(&spec, err) && str_ok(&title, err) && (out->spec = mem_copy_text(str_text(&spec), err)) &&
              (out->title = mem_copy_text(str_text(&title), err)) &&
              mem_admit(bytes + clean->count * sizeof *clean->labels, out->spec, err) &&
              (out->pixels = mem_alloc(bytes, 1, err));
    if (ok && clean->labels) {
        out->labels = mem_alloc(clean->count, sizeof *clean->labels, err);
        ok = out->labels != NULL;
        if (ok) memcpy(out->labels, clean->labels, clean->count * sizeof *clean->labels);
    }
    str_done(&spec);
    str_done(&title);
    return ok;
}

Dataset *dataset_corrupt(const Dataset *clean, CorruptionKind kind, unsigned severity, uint64_t seed, const Task *task,
                         Error *err) {
    if (!check_clean(clean, severity, err)) return NULL;
    Dataset *out = mem_alloc(1, sizeof *out, err);
    if (!out) return NULL;
    Job job = {clean, kind, severity, seed, NULL};
    if (prepare_copy(clean, kind, severity, out, err)) {
        job.out = out->pixels;
        if (map_points((clean->count + TOGETHER - 1) / TOGETHER, NULL, corrupt_some, &job, "corrupting", task, err))
            return out;
    }
    dataset_free(out);
    return NULL;
}

bool dataset_corrupt_image(const Dataset *clean, uint64_t index, CorruptionKind kind, unsigned severity, uint64_t seed,
                           uint8_t *out, Error *err) {
    const Job job = {clean, kind, severity, seed, NULL};
    return check_clean(clean, severity, err) && corrupt_range(&job, index, index + 1, out, err);
}
