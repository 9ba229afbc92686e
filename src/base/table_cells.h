/* table_cells -- numbers and cells of a table as text (inside base). */
#ifndef WEFT_BASE_TABLE_CELLS_H
#define WEFT_BASE_TABLE_CELLS_H

#include "weft/base/table.h"
#include "weft/base/text.h"

/* For machines: a number with all digits, or the words given for NaN and for infinity ("inf" gets its sign). */
void cell_add_exact(Str *out, const Column *column, size_t row, const char *nan, const char *infinity);

/* For people: the decimals that a column shows, and a cell with so many; text is escaped for terminals. */
int cell_decimals(const Column *column, size_t rows);
void cell_add_shown(Str *out, const Column *column, size_t row, int decimals);

#endif
