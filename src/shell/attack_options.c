/* attack_options -- see attack_options.h. */
#include "attack_options.h"

#include <stdio.h>
#include <math.h>
#include <string.h>

#include "train_options.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

const Setting attack_settings[] = {
    CHOICE(AttackOptions, kind, "attack", "KIND", ATTACKS,
           .help =
               "change every image against the network first: by one step up its loss (fgsm), or by several (ifgsm)"),
    WORD(AttackOptions, eps, TEXT, "eps", "E", .needs = "attack",
         .help =
             "largest change of a pixel, in [0, 1]: a number or a fraction such as 2/255; a list gives one row each"),
    INTEGER(AttackOptions, steps, "steps", "N", .min = 1, .max = 1000000, .standard = "10", .needs = "attack=ifgsm",
            .help = "steps of ifgsm"),
    WORD(AttackOptions, step, TEXT, "step", "S", .usual = "eps/4", .needs = "attack=ifgsm",
         .help = "length of a step of ifgsm, as --eps"),
    {0}};

/* A number, or a fraction A/B, from 0 to 1: what --eps and --step take. */
static bool read_pixels(const char *option, const char *text, double *out, Error *err) {
    char above[64];
    const char *slash = strchr(text, '/');
    const size_t length = slash ? (size_t)(slash - text) : strlen(text);
    double value = 0, below = 1;
    snprintf(above, sizeof above, "%.*s", (int)(length < sizeof above ? length : sizeof above), text);
    if (!*text) return error_set(err, STATUS_USAGE, "--%s has an empty entry in its list", option);
    if (length >= sizeof above || !text_to_double(above, &value) || (slash && !text_to_double(slash + 1, &below)) ||
        !isfinite(value) || !isfinite(below))
        return error_set(err, STATUS_USAGE, "--%s needs a number or a fraction such as 2/255, not '%s'", option, text);
    if (below == 0) return error_set(err, STATUS_USAGE, "--%s: '%s' divides by 0", option, text);
    value = value / below + 0.0; /* -0 becomes 0 */
    if (!(value >= 0 && value <= 1))
        return error_set(err, STATUS_USAGE, "--%s must be from 0 to 1, like pixels, not %s%s", option, text,
                         !slash && value > 1 && value <= 255 ? " (write 8-bit levels as 2/255)" : "");
    *out = value;
    return true;
}

/* The attacks of a list of eps, an allocation; *count of them. */
static Attack *read_attacks(const char *list, Attack common, size_t *count, Error *err) {
    size_t places = 1;
    for (const char *at = list; *at; at++) places += *at == ',';
    char *text = mem_copy_text(list, err);
    Attack *attacks = text ? mem_alloc(places, sizeof *attacks, err) : NULL;
    bool ok = attacks != NULL;
    char *at = text;
    for (*count = 0; ok && *count < places; ++*count) {
        char *end = at + strcspn(at, ",");
        *end = '\0';
        attacks[*count] = common;
        ok = read_pixels("eps", at, &attacks[*count].epsilon, err);
        at = end + 1;
    }
    mem_free(text);
    if (ok) return attacks;
    mem_free(attacks);
    return NULL;
}

/* What the options say but for --eps. */
static bool read_common(const AttackOptions *o, Attack *common, Error *err) {
    if (!o->eps)
        return error_set(err, STATUS_USAGE, "--attack needs --eps: the most that a pixel may change, such as 2/255");
    *common = (Attack){.kind = o->kind, .steps = o->steps};
    if (!o->step) return true;
    return read_pixels("step", o->step, &common->step, err) &&
           (common->step > 0 || error_set(err, STATUS_USAGE, "--step must be greater than 0"));
}

bool attacks_read(const Args *args, const AttackOptions *options, Attack **out, size_t *count, Error *err) {
    Attack common;
    *out = NULL;
    *count = 0;
    if (!args_given(args, "attack")) return true;
    return read_common(options, &common, err) && (*out = read_attacks(options->eps, common, count, err)) != NULL;
}
