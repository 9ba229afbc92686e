/* architecture -- the table of architectures, and recognising one from the names and shapes of a network's tensors. */
#include "net/internal.h"

#include <limits.h>
#include <string.h>

static const Architecture *const architectures[] = {
    &architecture_resnet_cifar,
};
enum { ARCHITECTURES = sizeof architectures / sizeof *architectures };

const ArchitectureInfo *architecture_names(void) {
    static ArchitectureInfo list[ARCHITECTURES + 1];
    for (size_t i = 0; i < ARCHITECTURES; i++) list[i] = architectures[i]->info;
    return list;
}

static bool known_name(const char *name, Error *err) {
    const char *names[ARCHITECTURES];
    for (size_t i = 0; i < ARCHITECTURES; i++) {
        names[i] = architectures[i]->info.name;
        if (strcmp(names[i], name) == 0) return true;
    }
    const char *nearest = text_nearest(name, names, ARCHITECTURES);
    Str known = {0};
    for (size_t i = 0; i < ARCHITECTURES; i++) str_addf(&known, "%s%s", i > 0 ? ", " : "", names[i]);
    if (str_ok(&known, err))
        error_set(err, STATUS_USAGE, "no architecture '%s'; %s %s%s", name,
                  nearest ? "did you mean" : "known:", nearest ? nearest : known.text, nearest ? "?" : "");
    str_done(&known);
    return false;
}

bool architecture_recognise(Network *network, const char *name, const Architecture **found, Error *err) {
    Str why = {0};
    bool done = !name || known_name(name, err);
    *found = NULL;
    for (size_t i = 0; done && !*found && i < ARCHITECTURES; i++) {
        ArchitectureFit fit = {0};
        if (name && strcmp(name, architectures[i]->info.name) != 0) continue;
        done = architectures[i]->fit(network, &fit, err);
        network->graph = fit.graph;
        if (done && fit.graph) {
            network->architecture = mem_copy_text(str_text(&fit.description), err);
            done = network->architecture != NULL;
            *found = architectures[i];
        } else if (done) {
            done = str_ok(&fit.why, err);
            str_addf(&why, "%snot %s: %s", why.length > 0 ? "; " : "", architectures[i]->info.name, str_text(&fit.why));
        }
        str_done(&fit.description);
        str_done(&fit.why);
    }
    if (done && !*found) done = str_ok(&why, err);
    if (done && !*found && name) done = error_set(err, STATUS_BAD_INPUT, "%s", why.text);
    if (done && !*found) {
        network->why_unknown = mem_copy_text(why.text, err);
        done = network->why_unknown != NULL;
    }
    str_done(&why);
    return done;
}

const Architecture *architecture_named(const char *name, unsigned *depth, Error *err) {
    Str known = {0};
    for (size_t i = 0; i < ARCHITECTURES; i++) {
        const size_t length = strlen(architectures[i]->family);
        uint64_t number;
        if (strncmp(name, architectures[i]->family, length) == 0 && name[length] &&
            text_to_u64(name + length, &number) && number <= UINT_MAX) {
            *depth = (unsigned)number;
            str_done(&known);
            return architectures[i];
        }
        str_addf(&known, "%s%s", i > 0 ? "; " : "", architectures[i]->depths);
    }
    if (str_ok(&known, err))
        error_set(err, STATUS_USAGE, "no architecture '%s' to create; there are %s", name, known.text);
    str_done(&known);
    return NULL;
}
