/* lua_shell -- Lua in the shell. Private to src/shell. */
#ifndef WEFT_SHELL_LUA_SHELL_H
#define WEFT_SHELL_LUA_SHELL_H

#include <lua.h>

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include "command.h"
#include "sheet.h"

typedef enum LuaState { LUA_CHUNK_DONE, LUA_CHUNK_MORE, LUA_CHUNK_FAILED } LuaState;
bool lua_start(Session *session, Error *err);
void lua_stop(Session *session);
/* Compiles and runs a chunk that begins at `line` of session->source. MORE: a syntax error at its very end. Values of
 * an expression are printed. A script that calls os.exit is DONE; if that happens in an expression, the functions below
 * fail with STATUS_OK. */
LuaState lua_chunk(Session *session, const char *text, int line, Error *err);
/* The text of a Lua expression's value. */
bool lua_value_text(Session *session, const char *expression, Str *out, Error *err);
/* True or false. Where it is false: both sides of a comparison in `detail`; of `EXPR, "text"` the text in `message`. */
bool lua_truth(Session *session, const char *expression, bool *truth, Str *detail, Str *message, Error *err);
/* Whether `prefix` ("return ": an expression; NULL: a chunk) and `text` are Lua; runs nothing. */
bool lua_compiles(Session *session, const char *prefix, const char *text, Error *err);
/* Whether a chunk ends before it is complete. */
bool lua_open(Session *session, const char *text);
/* Whether a global of this name (`length` bytes) has a value; the Tables of the workspace are globals, too. */
bool lua_defined(Session *session, const char *name, size_t length);
/* A Table of this name was put into the workspace: a script's variable of that name gives way to it. */
void lua_table_named(Session *session, const char *name);
/* Where a script's variable of this name holds a table, the table is put into the workspace under the name, so that a
 * command finds it: after `top = t:head(3)`, `plot top`. True where there is nothing to do. */
bool lua_publish(Session *session, const char *name, Error *err);
/* Calls `take` with each name that completes the end of `text`: globals, or what a dot or colon leads to ("math.fl",
 * "last.acc"). `own`: only what is not part of Lua or a command. Takes no values from functions. */
typedef void LuaNameTaker(void *context, const char *name);
void lua_names(Session *session, const char *text, bool own, LuaNameTaker *take, void *context);
void lua_names_open(lua_State *lua);
/* A table as its constructor, {1, 2, x = "a"}, in sorted order and shortened where it is large. False for values that
 * are shown as tostring has them. */
bool lua_show(lua_State *lua, int index, Str *out);
/* Calls a C function, whose argument is the light userdata `context`, so that it may raise Lua errors. */
bool lua_guarded(Session *session, lua_CFunction function, void *context, Error *err);
/* Pushes a table value, empty until the caller puts a Table, which Lua then frees, into the place returned. */
Table **lua_push_table(lua_State *lua);
/* The same with its chart: the table's place is that of the sheet. */
Sheet *lua_push_sheet(lua_State *lua);
Sheet *lua_check_sheet(lua_State *lua, int index); /* raises an error where the value is no table */
void lua_table_open(lua_State *lua);
/* Pushes the table of functions that table values have: t:sort(...). */
void lua_push_methods(lua_State *lua);
/* Pushes a column as an array with arithmetic. */
void lua_push_column(lua_State *lua, const Table *table, const Column *column);
void lua_push_cell(lua_State *lua, const Column *column, size_t row);
bool lua_is_column(lua_State *lua, int index);
void lua_column_open(lua_State *lua);
/* Narrowest type of every `step`-th value from `first` to `last` of the array at `index`: whole numbers, numbers (nil:
 * NaN), else text. */
ColumnType lua_values_type(lua_State *lua, int index, lua_Integer first, lua_Integer last, lua_Integer step);
/* "accuracy (%)" is the column accuracy in %; both appended. */
void lua_heading(const char *heading, Str *name, Str *unit);
/* Pushes those rows of the table at `from` for which the expression or function at `which` is true, as a table value.
 * Names of an expression are columns; a function gets the row. */
void lua_filter(lua_State *lua, int from, int which);
/* Pushes a row for a function: a missing text is "", a name that is no column an error. */
void lua_push_full_row(lua_State *lua, int from, size_t row);
/* STATUS_USAGE in a finaliser (__gc), which runs wherever Lua allocates and when the session ends: in the middle of
 * another command, with objects in its hands. (Lua's collector answers nothing while it is at work.) */
bool lua_allowed(lua_State *lua, Error *err);
/* Arguments 2 and 3 (headings, rows) as a table, pushed; raises Lua errors. */
const Table *lua_tabulate(lua_State *lua);
void lua_repeat_open(lua_State *lua);
void lua_call_open(lua_State *lua);
/* A command's failure as a Lua error, which keeps its status. What ends the session cannot be caught by a script. */
int lua_fail(lua_State *lua, const Error *err);
int lua_leave(lua_State *lua); /* the same after quit */
/* A Lua value as a word of a command; arrays are joined by commas. */
bool lua_argument_text(lua_State *lua, int index, Str *out, Error *err);
void lua_files_open(lua_State *lua); /* before lua_safe_open */
void lua_safe_open(Session *session, lua_State *lua);
Session *lua_session(lua_State *lua);
/* Shortest digits that read back as the same number; integers plain. */
void lua_number_text(double value, Str *out);

#endif
