/* dispatch -- running one command and publishing its result. Private to src/shell. */
#ifndef WEFT_SHELL_DISPATCH_H
#define WEFT_SHELL_DISPATCH_H

#include "weft/base/error.h"
#include "weft/base/table.h"

#include "command.h"

/* Runs one command (its name and arguments as words; `literal` marks words that are never options, NULL: none) and
 * publishes its result only if everything succeeded. `show`: print the result. `copy`, if not NULL, receives the
 * caller's own copy of its table, or NULL if it has none. */
bool dispatch(Session *session, const char *const *words, const bool *literal, size_t count, bool show, Table **copy,
              Error *err);

/* Only runs a parsed command; its engines compute convolutions as its --convolutions says. */
bool dispatch_command(Session *session, const Args *args, Result *result, Error *err);

/* How the result's table is drawn. */
void result_chart(Result *result, ChartKind kind, const char *x, const char *y, const char *title, ...)
    __attribute__((format(printf, 5, 6)));
/* Adds the images to the chart's title: ", test, 2000 images"; nothing for NULL. */
void result_images(Result *result, const Object *data);
/* Draws the 95 % interval of what is drawn, the columns NAME_low and NAME_high. `compared`: marks the points whose
 * cell of the column significant is not empty. */
void result_interval(Result *result, bool compared);
/* Frees what a result holds. */
void result_done(Result *result);

#endif
