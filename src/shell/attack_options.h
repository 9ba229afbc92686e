/* attack_options -- --attack and what goes with it: the same for all commands that attack. */
#ifndef WEFT_SHELL_ATTACK_OPTIONS_H
#define WEFT_SHELL_ATTACK_OPTIONS_H

#include "session.h"
#include "weft/base/error.h"
#include "weft/probe.h"

/* The attacks that --attack and --eps ask for, one for each eps, an allocation (mem_free); without --attack none, and
 * *count 0. STATUS_USAGE, naming the option, where one is no number, out of range, or has no meaning here. */
bool attacks_read(const Args *args, Attack **out, size_t *count, Error *err);

#define OPTIONS_ATTACK(eps_more)                                                                                      \
    {.name = "attack",                                                                                                \
     .kind = ARG_CHOICE,                                                                                              \
     .value = "KIND",                                                                                                 \
     .choices = "fgsm|ifgsm",                                                                                         \
     .help = "change every image against the network first: by one step up its loss, or by several"},                 \
        {.name = "eps",                                                                                               \
         .kind = ARG_TEXT,                                                                                            \
         .value = "E",                                                                                                \
         .help = "the most that a pixel may change, on [0, 1]: a number or a fraction such as 2/255" eps_more},       \
        {.name = "steps",                                                                                             \
         .kind = ARG_INTEGER,                                                                                         \
         .value = "N",                                                                                                \
         .min = 1,                                                                                                    \
         .max = 1000000,                                                                                              \
         .standard = "10",                                                                                            \
         .help = "steps of ifgsm"},                                                                                   \
    {                                                                                                                 \
        .name = "step", .kind = ARG_TEXT, .value = "S", .help = "how far a step of ifgsm goes, as --eps (else eps/4)" \
    }

#endif
