/* attack_options -- --attack and what goes with it: the same for all commands that attack. */
#ifndef WEFT_SHELL_ATTACK_OPTIONS_H
#define WEFT_SHELL_ATTACK_OPTIONS_H

#include "command.h"
#include "weft/base/error.h"
#include "weft/probe.h"

typedef struct AttackOptions {
    AttackKind kind;
    const char *eps, *step;
    unsigned steps;
} AttackOptions;
extern const Setting attack_settings[];

/* The attacks that --attack and --eps ask for, one for each eps, an allocation (mem_free); without --attack none, and
 * *count 0. STATUS_USAGE, naming the option, if one is not a number or out of range. */
bool attacks_read(const Args *args, const AttackOptions *options, Attack **out, size_t *count, Error *err);

#endif
