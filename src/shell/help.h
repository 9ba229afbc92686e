/* help -- help texts and topics. Private to src/shell. */
#ifndef WEFT_SHELL_HELP_H
#define WEFT_SHELL_HELP_H

#include "weft/base/error.h"
#include "weft/base/text.h"

/* All help is laid out for str_add_filled: lines are as long as they come. */
bool help_text(const char *topic, Str *out, Error *err); /* NULL: the list of commands */
void help_overview(Str *out);
/* Adds such a text to *out, filled to the width of standard output, and frees it. */
void help_fill(Str *text, Str *out);
bool help_apropos(const char *word, Str *out);
/* src/shell/help/NAME.txt, embedded at build time: a summary of one line, then the text. */
typedef struct HelpTopic {
    const char *name, *file;
} HelpTopic;
extern const HelpTopic help_topics[]; /* ends with name NULL */
void topic_summary(const HelpTopic *topic, Str *out);
/* The text; a line "@NAME" of the file is replaced by a list made at run time. `own`: with what the user added. */
void topic_text(const HelpTopic *topic, bool own, Str *out);

#endif
