/* kinds -- one row a kind of argument: what its words mean in the shell and what completion offers. */
#ifndef WEFT_SHELL_KINDS_H
#define WEFT_SHELL_KINDS_H

#include "weft/base/error.h"
#include "command.h"
#include "words.h"

/* Candidates for the word at the cursor. */
typedef struct Offer {
    Session *session;
    Words *out;
    const char *prefix; /* what has been typed of the word */
    size_t length;
    const Setting *setting; /* that the word fills; NULL: none */
    const Command *maker;   /* the command that is run by the one that is completed, or NULL */
    const Object *about;    /* the object whose layers or columns may be asked for, or NULL */
} Offer;
void offer_text(Offer *offer, const char *text);
/* Words with a text before or behind them, such as "--layers" and "cutoff=". */
void offer_format(Offer *offer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void offer_files(Offer *offer);
void offer_any_object(Offer *offer);
void offer_command_words(Offer *offer, const char *first);
/* All values of offer->setting that begin with the prefix. */
void offer_values(Offer *offer);

/* The value that a word gives a setting: objects are looked up, names of new ones checked. */
bool kind_read(Session *session, const Setting *setting, const char *text, SettingValue *out, Error *err);

#endif
