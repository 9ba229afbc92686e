/* output -- everything that is printed. Private to src/shell. */
#ifndef WEFT_SHELL_OUTPUT_H
#define WEFT_SHELL_OUTPUT_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include "command.h"

void output_start(Session *session);
unsigned output_columns(void);       /* of standard output */
unsigned output_rows(void);          /* the terminal's, then $LINES, then 24 */
unsigned output_error_columns(void); /* of standard error */
/* A table and, of one printed for people, its notes. If the session leaves only some lines for a result (room), rows in
 * the middle are left out so that a chart of `below` lines fits below; the lines printed are taken off the room. */
void output_table(Session *session, const Table *table, TableFormat format, size_t below);
/* The table of a command that made an object, where standard output is for results: on standard error, for people. */
void output_receipt(Session *session, const Table *table);
/* As a picture where the terminal shows those (how; AUTO: as --graphics of weft has it), else as text. Cells; 0: what
 * suits the terminal. */
void output_chart(Session *session, ChartGraphics how, const Chart *chart, unsigned width, unsigned height);
/* Only the picture, where it can be one; `text` stands for it in a pager. */
bool output_picture(Session *session, ChartGraphics how, const Chart *chart, unsigned width, unsigned height,
                    const char *text);
/* What is printed between the two is the whole output of one command: where it is longer than the screen, a pager shows
 * it (pager.h). Between them, nothing goes to standard error. */
void output_hold(Session *session);
void output_release(Session *session);
/* Text for standard output; on a terminal whatever could make it act is escaped, in a file or pipe the bytes stay. */
void output_text(Session *session, const char *text);
void output_drawn(
    Session *session,
    const char *text); /* the same without escaping: text with colours, whose names are already harmless */
/* Appends "KEY: VALUE\n", one line whatever is in them, of a long value its beginning. */
void output_add_note(Str *out, const char *key, const char *value);
void output_message(Session *session, const char *text);
void output_error(Session *session, const Error *err);
/* A closed pipe makes the session end silently with 141; any other failure of standard output is STATUS_WRITE. */
bool output_flush(Session *session, Error *err);
/* The line of progress on standard error, as far as it fits: "what [####....] done/total, rest". */
void output_progress(Session *session, const char *what, uint64_t done, uint64_t total, const char *rest);
void output_progress_clear(Session *session);
bool output_table_format(const char *name, TableFormat *out);

#endif
