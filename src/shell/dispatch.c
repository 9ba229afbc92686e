/* dispatch -- runs a command: parse, run, publish, print; nothing is published if anything failed. */
#include <string.h>

#include "dispatch.h"
#include "help.h"
#include "graphics.h"
#include "lesson.h"
#include "output.h"
#include "session.h"
#include "spread.h"
#include "workspace.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"
#include "weft/base/version.h"
#include "weft/net.h"

void result_chart(Result *result, ChartKind kind, const char *x, const char *y, const char *title, ...) {
    result->encoding = encoding_new(kind);
    result->plots = true;
    snprintf(result->encoding.x, CHART_NAME_MAX, "%s", x);
    snprintf(result->encoding.y[0], CHART_NAME_MAX, "%s", y);
    va_list args;
    va_start(args, title);
    vsnprintf(result->encoding.title, sizeof result->encoding.title, title, args);
    va_end(args);
}

void result_images(Result *result, const Object *data) {
    char *title = result->encoding.title;
    const size_t length = strlen(title);
    if (!data) return;
    snprintf(title + length, sizeof result->encoding.title - length, ", %s, %llu image%s", data->name,
             (unsigned long long)data->dataset->count, data->dataset->count == 1 ? "" : "s");
}

void result_interval(Result *result, bool compared) {
    Encoding *encoding = &result->encoding;
    snprintf(encoding->low, CHART_NAME_MAX, "%.*s_low", CHART_NAME_MAX - 6, encoding->y[0]);
    snprintf(encoding->high, CHART_NAME_MAX, "%.*s_high", CHART_NAME_MAX - 6, encoding->y[0]);
    if (compared) snprintf(encoding->flag, CHART_NAME_MAX, "significant");
}

void result_done(Result *result) {
    table_free(result->table);
    network_free(result->network);
    predictor_free(result->predictor);
    dataset_free(result->dataset);
    str_done(&result->text);
    str_done(&result->message);
    mem_free(result->own_name);
}

/* What every table says of itself: the command that made it, the network it was compared with, the seed, the program.
 */
static void sign(Session *session, const Args *args, Table *table) {
    const Object *versus = args_object(args, "vs");
    if (versus) table_note(table, "vs", "%s", versus->name);
    table_note(table, "command", "%s", args->line);
    table_note(table, "seed", "%llu", (unsigned long long)session->seed);
    table_note(table, "weft", "%s", WEFT_VERSION);
}

static bool publish(Session *session, const Args *args, Result *result, Error *err) {
    const char *names[2];
    Object objects[2];
    size_t count = 0;
    if (result->name) {
        names[count] = result->name;
        objects[count++] = (Object){.kind = result->network     ? OBJECT_NETWORK
                                            : result->predictor ? OBJECT_PREDICTOR
                                                                : OBJECT_DATASET,
                                    .network = result->network,
                                    .predictor = result->predictor,
                                    .dataset = result->dataset};
    }
    Table *kept = NULL;
    if (result->table && !result->transient && !(session->aside && !args_given(args, "as"))) {
        const char *as = args->common.as;
        if (result->name && strcmp(result->name, as) == 0)
            return error_set(err, STATUS_USAGE, "'%s' cannot be both the %s and its table; choose another --as", as,
                             object_kind_name(objects[0].kind));
        if (!(kept = table_copy(result->table, err))) return false;
        names[count] = as;
        objects[count++] =
            (Object){.kind = OBJECT_TABLE, .table = kept, .encoding = result->encoding, .plots = result->plots};
    }
    if (!workspace_put(session, names, objects, count, err)) {
        table_free(kept);
        return false;
    }
    if (result->name) {
        result->network = NULL;
        result->predictor = NULL;
        result->dataset = NULL;
    }
    return true;
}

/* An object that is to be replaced by one of another kind is found out before anything is computed. */
static bool publishable(const Session *session, const Args *args, Error *err) {
    if (!args->command->table) return true;
    return workspace_accepts(session, args->common.as, OBJECT_TABLE, err);
}

/* An image is a picture where the terminal shows those, else the text that the command drew. */
static void print_drawn(Session *session, const Result *result) {
    Error ignored;
    Chart *chart = result->plots && result->table && graphics_choice(session) != GRAPHICS_OFF
                       ? chart_new(result->table, &result->encoding, &ignored)
                       : NULL;
    if (!chart || !output_picture(session, GRAPHICS_AUTO, chart, 0, 0, str_text(&result->text)))
        output_drawn(session, str_text(&result->text));
    chart_free(chart);
}

/* A table, and at a terminal its chart. */
static void print_table(Session *session, const Result *result, bool all, TableFormat format) {
    Error ignored;
    const Table *table = result->table;
    Table *filled = all || table->rows == 0 ? NULL : table_filled(table, NULL, &ignored);
    Chart *chart = result->plots && table->rows && session->out_terminal && format == TABLE_TEXT
                       ? chart_new(table, &result->encoding, &ignored)
                       : NULL;
    output_table(session, filled ? filled : table, format, chart ? chart_height_least(chart, output_columns()) : 0);
    if (chart) output_chart(session, GRAPHICS_AUTO, chart, 0, 0);
    chart_free(chart);
    table_free(filled);
}

/* What a table leaves out is said also where its notes do not print. */
static void say_left_out(Session *session, const Table *table) {
    static const char *const keys[] = {"no_logits", "skipped", "unmatched", "repeated"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = table_get_note(table, keys[i]);
        Str text = {0};
        str_addf(&text, "%s: %s\n", i == 0 ? "no logits" : keys[i], value ? value : "");
        if (value) output_message(session, str_text(&text));
        str_done(&text);
    }
}

static void show_result(Session *session, const Args *args, const Result *result) {
    const bool asked = session->format_given || args_given(args, "format");
    const TableFormat format = args_given(args, "format") ? args->common.format : session->format;
    const bool receipt = result->receipt && !session->out_terminal && !args_given(args, "format");
    if (session->options.quiet || args->common.quiet) return;
    const bool lesson = lesson_command(args->command->name) || (result->table && lesson_active(session));
    if (!lesson) output_hold(session); /* a lesson goes on below its charts */
    if (result->text.length && !(result->drawn && result->table && asked)) {
        if (result->drawn)
            print_drawn(session, result);
        else
            output_text(session, str_text(&result->text));
    }
    const bool nothing = result->transient && result->table && !result->table->rows && result->message.length;
    if (result->table && !nothing && !receipt && (!result->drawn || asked)) {
        print_table(session, result, asked || !result->sparse || !session->out_terminal, format);
    }
    output_release(session);
    if (result->table && receipt) output_receipt(session, result->table);
    if (result->table && (receipt || (format != TABLE_TEXT && (!result->drawn || asked))))
        say_left_out(session, result->table);
    if (result->message.length) output_message(session, str_text(&result->message));
}

/* ---- weights in memory ------------------------------------------------------------------------------------------- */

/* The tensors that are held: the command may remove their network, or put another in its place. */
typedef struct Holding {
    Session *session;
    Tensor **tensors;
    size_t count, capacity;
} Holding;

static const Network *network_of(const Object *object) {
    return object->kind == OBJECT_NETWORK     ? object->network
           : object->kind == OBJECT_PREDICTOR ? object->predictor->source
                                              : NULL;
}

static bool hold_object(void *context, const Object *object, Error *err) {
    Holding *holding = context;
    const Network *network = network_of(object);
    if (!network || !network_lazy(network)) return true;
    const uint64_t need = holding->count + network->tensor_count;
    if (!mem_grow(&holding->tensors, &holding->capacity, need, sizeof(Tensor *), err)) return false;
    if (!network_hold(network, object->name, &holding->session->task, err)) return false;
    for (size_t i = 0; i < network->tensor_count; i++)
        holding->tensors[holding->count++] = tensor_share(network->tensors[i].tensor);
    return true;
}

/* Most commands read weights freely: those of their objects are in memory while they run. */
static bool run_holding(Session *session, const Args *args, Result *result, Error *err) {
    Holding holding = {.session = session};
    const bool ok =
        args_each_object(args, hold_object, &holding, err) && args->command->run(session, args, result, err);
    for (size_t i = 0; i < holding.count; i++) {
        tensor_unpin(holding.tensors[i]);
        tensor_release(holding.tensors[i]);
    }
    mem_free(holding.tensors);
    return ok;
}

bool dispatch_command(Session *session, const Args *args, Result *result, Error *err) {
    for (size_t i = 0; i < args->own_count; i++)
        if (strcmp(args->values[i].setting.name, "convolutions") == 0)
            engine_set_convolutions(args->values[i].value.choice);
    Spread spread = {.session = session, .args = args};
    RanksCommand command = {.pack = spread_pack, .context = &spread};
    ranks_begin(&command);
    const bool ok = args->command->streams ? args->command->run(session, args, result, err)
                                           : run_holding(session, args, result, err);
    ranks_end(&command);
    engine_set_convolutions(-1);
    return ok;
}

/* Memory that was refused on the way, whoever swallowed it: a result may lack parts, and a message may give a wrong
 * reason. */
static bool memory_sufficed(const Command *command, uint64_t refusals, bool ok, Error *err) {
    const bool known = !ok && (err->status == STATUS_LIMIT || err->status == STATUS_WRITE);
    if (mem_refusals() == refusals || known || (ok && command->retries)) return ok;
    return error_set(err, STATUS_LIMIT, "out of memory in %s", command->name);
}

static void show_whole_result(Session *session, const Args *args, Result *result) {
    const uint64_t refusals = mem_refusals();
    show_result(session, args, result);
    if (mem_refusals() != refusals && result->afterwards.status == STATUS_OK)
        error_set(&result->afterwards, STATUS_LIMIT, "out of memory while the result was printed; it is kept");
}

static bool run_parsed(Session *session, const Args *args, bool show, Table **copy, Error *err) {
    Result result = {.encoding = encoding_new(CHART_BARS)};
    if (args->common.help) {
        Str text = {0};
        bool ok = help_text(args->command->name, &text, err);
        help_fill(&text, &result.text);
        ok = ok && str_ok(&result.text, err);
        if (ok && show) show_result(session, args, &result);
        result_done(&result);
        return ok;
    }
    const uint64_t refusals = mem_refusals();
    uint64_t seed = session->seed;
    Rng random = session->random;
    if (args_given(args, "seed")) {
        session->seed = args->common.seed;
        session->random = (Rng){.seed = session->seed};
    }
    session->room = show ? lesson_room(session) : 0;
    bool ok = publishable(session, args, err) && dispatch_command(session, args, &result, err);
    output_progress_clear(session);
    if (ok && result.table && !result.transient) {
        sign(session, args, result.table);
        result.table = table_finish(result.table, err);
        ok = result.table != NULL;
    }
    ok = ok && str_ok(&result.text, err) && str_ok(&result.message, err);
    ok = memory_sufficed(args->command, refusals, ok, err) && publish(session, args, &result, err);
    if (ok && show) show_whole_result(session, args, &result);
    if (!ok) {
        session->seed = seed;
        session->random = random;
    } else if (result.afterwards.status != STATUS_OK) {
        *err = result.afterwards;
        ok = false;
    } else if (copy) {
        *copy = result.table;
        result.table = NULL;
    }
    result_done(&result);
    return ok;
}

/* The first word of a command of two words, without its second: "load is load net or load data: load net NAME FILE". */
static bool half_known(const char *word, Error *err) {
    Str text = {0};
    size_t length = strlen(word);
    for (const Command *const *each = commands; *each; each++)
        if (strncmp((*each)->name, word, length) == 0 && (*each)->name[length] == ' ') {
            str_add(&text, text.length ? "; or " : "");
            command_synopsis(*each, &text);
        }
    error_set(err, STATUS_USAGE, "%s of what? %s", word, str_text(&text));
    str_done(&text);
    return false;
}

bool dispatch(Session *session, const char *const *words, const bool *literal, size_t count, bool show, Table **copy,
              Error *err) {
    size_t used;
    if (copy) *copy = NULL;
    if (cancel_level()) return error_set(err, STATUS_CANCELLED, "interrupted");
    const Command *command = command_find(words, count, &used);
    if (!command && command_word(words[0], strlen(words[0]))) return half_known(words[0], err);
    if (!command) return command_unknown(words[0], err);
    Args args;
    bool ok = args_parse(session, command, words + used, literal ? literal + used : NULL, count - used, &args, err) &&
              run_parsed(session, &args, show, copy, err);
    args_done(&args);
    return ok && (!show || output_flush(session, err));
}
