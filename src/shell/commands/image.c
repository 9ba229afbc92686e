/* image -- images of a dataset, drawn in the terminal: one, several as a contact sheet, or what an attack does to them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../attack_options.h"
#include "../dispatch.h"
#include "../output.h"
#include "../picture_sheet.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/probe.h"

/* The attack to show; *count is 0 without one. */
static bool read_attack(const Args *args, const Image *o, Attack *out, size_t *count, Error *err) {
    Attack *attacks;
    if (!attacks_read(args, &o->attack, &attacks, count, err)) return false;
    bool ok = true;
    if (*count > 0 && !o->network)
        ok = error_set(err, STATUS_USAGE, "--attack needs a network: --net NET");
    else if (*count > 0 && o->corrupt)
        ok = error_set(err, STATUS_USAGE, "--attack cannot be combined with --corrupt");
    else if (*count > 1)
        ok = error_set(err, STATUS_USAGE, "image shows a single attack; give --eps one number, not %zu", *count);
    else if (*count == 1)
        *out = attacks[0];
    mem_free(attacks);
    return ok;
}

/* ---- one image --------------------------------------------------------------------------------------------------- */

static bool add_title(const Image *o, uint64_t index, const Shown *shown, Str *out, Error *err) {
    const Dataset *data = o->data->dataset;
    Str prefix = {0};
    bool right;
    str_addf(out, "%s, image %llu", o->data->name, (unsigned long long)index);
    if (o->corrupt) str_addf(out, ", %s", o->corrupt);
    if (data->labels) add_class(data, ": label ", data->labels[index], out);
    str_addf(&prefix, "; %s predicts ", o->network ? o->network->name : "");
    const bool ok = str_ok(&prefix, err) && add_prediction(o, str_text(&prefix), index, shown, &right, out, err);
    str_done(&prefix);
    return ok && str_ok(out, err);
}

static bool draw(const Session *session, const Dataset *data, const Shown *shown, const char *title, Str *out,
                 Error *err) {
    ChartGrid grid;
    if (!picture_grid(shown->bytes, data->channels, data->height, data->width, output_columns(), session->ascii,
                      session->colours, &grid, err))
        return false;
    Str escaped = {0};
    str_add_escaped(&escaped, title, strlen(title)); /* classes are folders' names */
    str_add_wrapped(out, str_text(&escaped), 0, 0, output_columns());
    str_done(&escaped);
    str_add(out, "\n");
    chart_grid_text(&grid, session->colours, out);
    chart_grid_done(&grid);
    if (!session->options.interactive) str_add(out, "\n"); /* results of a script stand apart */
    return true;
}

static bool show_one(Session *session, const Image *o, uint64_t index, Result *result, Error *err) {
    const Dataset *data = o->data->dataset;
    Shown shown = {0};
    Str title = {0};
    const bool ok = shown_take(session, o, index, &shown, err) && add_title(o, index, &shown, &title, err) &&
                    draw(session, data, &shown, str_text(&title), &result->text, err) &&
                    (result->table = pixels_table(shown.bytes, data->channels, data->height, data->width, err));
    if (ok) {
        pixels_chart(result, CHART_HEATMAP, str_text(&title));
        result->encoding.y_names = true;
        result->encoding.picture = true;
    }
    str_done(&title);
    shown_done(&shown);
    return ok;
}

/* ---- which ------------------------------------------------------------------------------------------------------- */

enum { IMAGES_MOST = 400 };

static bool add_range(uint64_t first, uint64_t last, const Object *data, uint64_t *out, size_t *count, Error *err) {
    const uint64_t all = data->dataset->count;
    if (last >= all)
        return error_set(err, STATUS_USAGE, "'%s' has no image %llu; its %llu images are counted from 0", data->name,
                         (unsigned long long)(first >= all ? first : last), (unsigned long long)all);
    for (uint64_t index = first; index <= last; index++) {
        size_t known = 0;
        while (known < *count && out[known] != index) known++;
        if (known < *count) continue;
        if (*count == IMAGES_MOST)
            return error_set(err, STATUS_USAGE, "image shows at most %d images at a time", IMAGES_MOST);
        out[(*count)++] = index;
    }
    return true;
}

/* "3" or "0-11", `length` bytes of it. */
static bool read_range(const char *text, size_t length, uint64_t *first, uint64_t *last) {
    char part[48];
    if (length >= sizeof part) return false;
    memcpy(part, text, length);
    part[length] = '\0';
    char *dash = strchr(part, '-');
    if (dash) *dash = '\0';
    return text_to_u64(part, first) && text_to_u64(dash ? dash + 1 : part, last);
}

/* "3", "0-11", "3,5,9", "0-3,8": each index once, in the order given. */
static bool read_indices(const char *text, const Object *data, uint64_t out[IMAGES_MOST], size_t *count, Error *err) {
    *count = 0;
    for (const char *at = text;; at++) {
        const size_t length = strcspn(at, ",");
        uint64_t first, last;
        if (!read_range(at, length, &first, &last))
            return error_set(err, STATUS_USAGE,
                             "N is the number of an image, a range (0-11) or a list (3,5,9), not '%s'", text);
        if (last < first)
            return error_set(err, STATUS_USAGE, "the range %llu-%llu runs backwards; write %llu-%llu",
                             (unsigned long long)first, (unsigned long long)last, (unsigned long long)last,
                             (unsigned long long)first);
        if (!add_range(first, last, data, out, count, err)) return false;
        at += length;
        if (*at == '\0') return true;
    }
}

static bool image_command(Session *session, const Args *args, Result *result, Error *err) {
    const Image *o = args->options;
    uint64_t indices[IMAGES_MOST];
    size_t count, attacks;
    Attack attack;
    if (!read_indices(o->which, o->data, indices, &count, err) || !read_attack(args, o, &attack, &attacks, err))
        return false;
    if (count == 1 && attacks == 0) return show_one(session, o, indices[0], result, err);
    return show_sheet(session, o, attacks > 0 ? &attack : NULL, indices, count, result, err);
}

static const Setting positionals[] = {
    OBJECT(Image, data, DATASET, "DATA", NULL, .help = "the images"),
    WORD(Image, which, TEXT, "N", NULL,
         .help = "number of the image, counted from 0; a range (0-11) or a list (3,5,9)"),
    {0}};
#define X(name, help) #name ":3",
static const Setting own[] = {WORD(Image, corrupt, TEXT, "corrupt", "KIND:SEVERITY",
                                   .choices = (const char *const[]){CORRUPTIONS(X) NULL},
                                   .help = "corrupt it first (help corruptions)"),
                              OBJECT(Image, network, NETWORK, "net", "NET",
                                     .help = "report the class that this network predicts, and its probability"),
                              {0}};
#undef X
static const SettingGroup options[] = {{own, 0}, {attack_settings, offsetof(Image, attack)}, {NULL, 0}};
static const SettingChange changes[] = {
    {.name = "eps", .help = "largest change of a pixel, in [0, 1]: a number or a fraction such as 2/255"},
    {.name = NULL}};
static const char *const examples[] = {"image test 3", "image test 3 --corrupt motion_blur:4 --net base",
                                       "image test 3 --attack fgsm --eps 8/255 --net base",
                                       "image test 0-11 --net base", NULL};

const Command command_image = {
    .name = "image",
    .group = "Measuring",
    .summary = "Draw images in the terminal",
    .description =
        "Each character shows two pixels with 256 colours, or one level of a grey ramp without them. The image is "
        "reduced if it does not fit. The table holds the pixels, with values 0 to 255 (--as NAME). --format "
        "prints them, and `export` draws them in their own colours.\n\n"
        "Several images make a contact sheet, with the label of each and the class that --net predicts. --attack shows "
        "three pictures in a row: the original, the attacked image, and the difference. The difference is amplified "
        "around grey; its caption says how many times. The table then begins with the columns image and caption.",
    .size = sizeof(Image),
    .positionals = positionals,
    .options = options,
    .changes = changes,
    .examples = examples,
    .run = image_command,
    .table = true,
};
