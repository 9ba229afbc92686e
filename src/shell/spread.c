/* spread -- see spread.h. A parcel: the length of the JSON (8 bytes), the JSON, the bytes of the objects in its order.
 */
#include "spread.h"
#include "dispatch.h"
#include "session.h"
#include "signals.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/json_text.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/text.h"

/* ---- rank 0: packing --------------------------------------------------------------------------------------------- */

typedef struct Packing {
    json_t *list;
    Str bytes;
    struct Sent *sent, *before; /* of this parcel, of the last one */
} Packing;

/* The objects of the last parcel: their numbers, which no other object gets. */
typedef struct Sent {
    uint64_t *number;
    size_t count, capacity;
} Sent;
static Sent sent;

static bool was_sent(const Sent *list, uint64_t number) {
    for (size_t i = 0; number && i < list->count; i++)
        if (list->number[i] == number) return true;
    return false;
}

/* A network that is read where it is needed travels as its path; what is only in memory or in temporary files as its
 * bytes, unless they are too many. */
static json_t *describe_network(const Object *object) {
    const NetworkOrigin *origin = object->network->origin;
    json_t *entry =
        json_pack("{s:s, s:s, s:I}", "name", object->name, "kind", "network", "number", (json_int_t)object->number);
    if (entry && origin &&
        json_object_set_new(entry, "origin",
                            json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:s*}", "path", origin->path, "name", origin->name,
                                      "architecture", origin->architecture, "prefix", origin->prefix, "normalise",
                                      origin->normalise, "key", origin->key))) {
        json_decref(entry); /* a path that is not UTF-8 */
        return NULL;
    }
    return entry;
}

static json_t *describe(const Object *object) {
    const Dataset *data = object->dataset;
    if (object->kind == OBJECT_NETWORK) return describe_network(object);
    json_t *entry = json_pack("{s:s, s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:b, s:b, s:b}", "name", object->name, "kind",
                              "dataset", "number", (json_int_t)object->number, "images", (json_int_t)data->count,
                              "channels", (int)data->channels, "height", (int)data->height, "width", (int)data->width,
                              "classes", (int)data->classes, "noise", (int)data->noise, "pixels", data->pixels != NULL,
                              "labels", data->labels != NULL);
    /* For the records of runs; what is not UTF-8 stays away, and the name stands for it. */
    if (entry) json_object_set_new(entry, "spec", json_string(data->spec));
    if (entry && data->folder) json_object_set_new(entry, "folder", json_string(data->folder));
    return entry;
}

static uint64_t pixel_bytes(const Dataset *data) {
    return data->count * data->channels * data->height * data->width;
}

enum { SENT_MOST = 1 << 30 };

static bool add_network(const Network *network, Str *out, Error *err) {
    FileParts parts;
    uint64_t bytes = 0;
    if (network->origin) return network_identity(network, out, err);
    for (size_t i = 0; network_lazy(network) && i < network->tensor_count; i++)
        bytes += network->tensors[i].tensor->count * sizeof(float);
    if (bytes > SENT_MOST) return error_set(err, STATUS_LIMIT, "too large to send");
    if (!network_parts(network, &parts, err)) return false;
    const bool done = safetensors_pack(&parts, out, err);
    file_parts_done(&parts);
    return done;
}

static bool add_bytes(const Object *object, Str *out, Error *err) {
    const Dataset *data = object->dataset;
    if (object->kind == OBJECT_NETWORK) return add_network(object->network, out, err);
    if (data->pixels) str_add_bytes(out, (const char *)data->pixels, pixel_bytes(data));
    if (data->labels) str_add_bytes(out, (const char *)data->labels, data->count * sizeof *data->labels);
    return str_ok(out, err);
}

/* Once, under its name. */
static bool add_object(void *context, const Object *object, Error *err) {
    Packing *packing = context;
    size_t i;
    json_t *each;
    json_array_foreach(packing->list, i, each) if (strcmp(json_string_value(json_object_get(each, "name")),
                                                          object->name) == 0) return true;
    if (object->kind != OBJECT_NETWORK && object->kind != OBJECT_DATASET)
        return error_set(err, STATUS_FAILED, "'%s' does not travel", object->name);
    const size_t before = packing->bytes.length;
    const bool again = was_sent(packing->before, object->number);
    if (!again && !add_bytes(object, &packing->bytes, err)) return false;
    json_t *entry = describe(object);
    if (!entry || json_object_set_new(entry, "bytes", json_integer((json_int_t)(packing->bytes.length - before))) ||
        json_object_set_new(entry, "again", json_boolean(again)) || json_array_append_new(packing->list, entry))
        return error_set(err, STATUS_LIMIT, "no memory for a parcel");
    Sent *list = packing->sent;
    if (!mem_grow(&list->number, &list->capacity, list->count + 1, sizeof *list->number, err)) return false;
    list->number[list->count++] = object->number;
    return true;
}

static bool pack_json(const Spread *spread, json_t *objects, Str *parcel, Error *err) {
    char *folder = getcwd(NULL, 0);
    json_t *json = json_pack("{s:o, s:s, s:I, s:O}", "args", args_json(spread->args), "line", spread->args->line,
                             "seed", (json_int_t)args_seed(spread->session, spread->args), "objects", objects);
    if (json && folder) json_object_set_new(json, "folder", json_string(folder));
    Str text = {0};
    const bool made = str_add_json(&text, json, JSON_COMPACT);
    const uint64_t length = text.length;
    if (made) {
        str_add_bytes(parcel, (const char *)&length, sizeof length);
        str_add(parcel, str_text(&text));
    }
    str_done(&text);
    free(folder);
    json_decref(json);
    return made ? str_ok(parcel, err) : error_set(err, STATUS_FAILED, "the command does not travel");
}

bool spread_pack(void *context, bool all, Str *parcel, Error *err) {
    const Spread *spread = context;
    Sent fresh = {0}, none = {0};
    Packing packing = {.list = json_array(), .sent = &fresh, .before = all ? &none : &sent};
    const bool done = packing.list && args_each_object(spread->args, add_object, &packing, err) &&
                      pack_json(spread, packing.list, parcel, err);
    if (done) str_add_bytes(parcel, str_text(&packing.bytes), packing.bytes.length);
    json_decref(packing.list);
    str_done(&packing.bytes);
    if (!done) {
        mem_free(fresh.number);
        return false;
    }
    mem_free(sent.number);
    sent = fresh;
    return str_ok(parcel, err);
}

bool args_each_object(const Args *args, bool (*use)(void *context, const Object *object, Error *err), void *context,
                      Error *err) {
    bool done = true;
    for (size_t i = 0; done && i < args->own_count; i++) {
        const ArgValue *value = &args->values[i];
        if (!value->given || setting_form(&value->setting) != FORM_OBJECT) continue;
        if (!value->setting.repeated) done = use(context, value->value.object, err);
        for (size_t k = 0; done && value->setting.repeated && k < args->rest_count; k++)
            done = use(context, args->rest[k], err);
    }
    return done && (!args->inner || args_each_object(args->inner, use, context, err));
}

/* ---- workers: unpacking ------------------------------------------------------------------------------------------ */

/* The objects of a parcel. */
typedef struct Held {
    Object *object;
    int *file; /* of a network's bytes, or -1 */
    size_t count;
} Held;
static Held held;

static void held_done(Held *list) {
    for (size_t i = 0; i < list->count; i++) {
        network_free(list->object[i].network);
        dataset_free(list->object[i].dataset);
        mem_free(list->object[i].name);
        if (list->file[i] >= 0) close(list->file[i]);
    }
    mem_free(list->object);
    mem_free(list->file);
    *list = (Held){0};
}

static const void *find_held(void *context, const char *name) {
    const Held *list = context;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->object[i].name, name) == 0) return &list->object[i];
    return NULL;
}

static Network *open_network(const json_t *json, const char *identity, uint64_t length, Error *err) {
    NetworkOrigin origin = {0};
    if (json_unpack((json_t *)(uintptr_t)json, "{s:s, s:s, s?s, s?s, s?s, s?s}", "path", &origin.path, "name",
                    &origin.name, "architecture", &origin.architecture, "prefix", &origin.prefix, "normalise",
                    &origin.normalise, "key", &origin.key) != 0) {
        error_set(err, STATUS_FAILED, "a parcel of another kind");
        return NULL;
    }
    Str text = {0};
    str_add_bytes(&text, identity, length);
    Network *network = str_ok(&text, err) ? network_load_again(&origin, str_text(&text), err) : NULL;
    str_done(&text);
    return network;
}

static bool read_network(const json_t *entry, const char *bytes, uint64_t length, Object *out, int *file, Error *err) {
    const NetworkOptions own = {.own = true};
    const json_t *origin = json_object_get(entry, "origin");
    char path[FILE_HELD_PATH];
    if (origin) return (out->network = open_network(origin, bytes, length, err)) != NULL;
    *file = file_hold(bytes, length, path, err);
    return *file >= 0 && (out->network = network_load(path, &own, err));
}

static bool read_dataset(const json_t *entry, const char *bytes, uint64_t length, Object *out, Error *err) {
    int channels = 0, height = 0, width = 0, classes = 0, noise = 0, pixels = 0, labels = 0;
    json_int_t images = 0;
    Dataset *data = out->dataset = mem_alloc(1, sizeof *data, err);
    if (!data) return false;
    if (json_unpack((json_t *)(uintptr_t)entry, "{s:I, s:i, s:i, s:i, s:i, s:b, s:b, s:b}", "images", &images,
                    "channels", &channels, "height", &height, "width", &width, "classes", &classes, "noise", &noise,
                    "pixels", &pixels, "labels", &labels) != 0)
        return error_set(err, STATUS_FAILED, "a parcel of another kind");
    *data = (Dataset){.count = (uint64_t)images,
                      .channels = (unsigned)channels,
                      .height = (unsigned)height,
                      .width = (unsigned)width,
                      .classes = (unsigned)classes,
                      .noise = noise};
    const uint64_t of_pixels = pixels ? pixel_bytes(data) : 0,
                   of_labels = labels ? data->count * sizeof *data->labels : 0;
    if (of_pixels + of_labels != length) return error_set(err, STATUS_FAILED, "a parcel that is cut");
    const char *spec = json_string_value(json_object_get(entry, "spec")),
               *folder = json_string_value(json_object_get(entry, "folder"));
    if (!(data->spec = mem_copy_text(spec ? spec : out->name, err)) || !(data->title = mem_copy_text(out->name, err)) ||
        (folder && !(data->folder = mem_copy_text(folder, err))))
        return false;
    if (pixels && !(data->pixels = mem_alloc(of_pixels, 1, err))) return false;
    if (labels && !(data->labels = mem_alloc(data->count, sizeof *data->labels, err))) return false;
    if (pixels) memcpy(data->pixels, bytes, of_pixels);
    if (labels) memcpy(data->labels, bytes + of_pixels, of_labels);
    return true;
}

/* Takes it out of the last parcel's. */
static bool take_again(uint64_t number, Object *out, int *file, Error *err) {
    for (size_t i = 0; i < held.count; i++) {
        Object *old = &held.object[i];
        if (old->number != number) continue;
        out->network = old->network;
        out->dataset = old->dataset;
        *file = held.file[i];
        old->network = NULL;
        old->dataset = NULL;
        held.file[i] = -1;
        return true;
    }
    return error_set(err, STATUS_FAILED, "an object of an earlier parcel is not here");
}

static bool read_object(const json_t *entry, const char **bytes, uint64_t *left, Held *list, Error *err) {
    Object *out = &list->object[list->count];
    int *file = &list->file[list->count++];
    const char *name = json_string_value(json_object_get(entry, "name")),
               *kind = json_string_value(json_object_get(entry, "kind"));
    const uint64_t length = (uint64_t)json_integer_value(json_object_get(entry, "bytes"));
    *file = -1;
    if (!name || !kind || length > *left) return error_set(err, STATUS_FAILED, "a parcel that is cut");
    if (!(out->name = mem_copy_text(name, err))) return false;
    out->kind = strcmp(kind, "network") == 0 ? OBJECT_NETWORK : OBJECT_DATASET;
    out->number = (uint64_t)json_integer_value(json_object_get(entry, "number"));
    const char *own = *bytes;
    *bytes += length;
    *left -= length;
    if (json_is_true(json_object_get(entry, "again"))) return take_again(out->number, out, file, err);
    return out->kind == OBJECT_NETWORK ? read_network(entry, own, length, out, file, err)
                                       : read_dataset(entry, own, length, out, err);
}

static bool read_objects(const json_t *json, const char *bytes, uint64_t left, Error *err) {
    const json_t *objects = json_object_get(json, "objects");
    Held list = {.object = mem_alloc(json_array_size(objects), sizeof *list.object, err),
                 .file = mem_alloc(json_array_size(objects), sizeof *list.file, err)};
    bool done = list.object && list.file;
    for (size_t i = 0; done && i < json_array_size(objects); i++)
        done = read_object(json_array_get(objects, i), &bytes, &left, &list, err);
    held_done(&held);
    held = list;
    return done;
}

/* ---- workers: running -------------------------------------------------------------------------------------------- */

static bool run_command(Session *session, const json_t *json, Error *err) {
    const SettingObjects objects = {.context = &held, .find = find_held};
    const json_t *settings = json_object_get(json, "args");
    const char *name = json_string_value(json_object_get(settings, "command")),
               *line = json_string_value(json_object_get(json, "line")),
               *folder = json_string_value(json_object_get(json, "folder"));
    size_t used;
    Args args = {0};
    Result result = {.encoding = encoding_new(CHART_BARS)};
    const Command *command = name ? command_find(&name, 1, &used) : NULL;
    if (!command || !line) return error_set(err, STATUS_FAILED, "a parcel of another kind");
    if (folder && chdir(folder) != 0) return error_set(err, STATUS_FAILED, "%s: %s", folder, strerror(errno));
    session->seed = (uint64_t)json_integer_value(json_object_get(json, "seed"));
    bool done = args_from_json(session, command, settings, &objects, &args, err) &&
                (args.line = mem_copy_text(line, err)) && dispatch_command(session, &args, &result, err);
    result_done(&result);
    args_done(&args);
    return done;
}

static bool run_parcel(Session *session, const char *parcel, size_t length, Error *err) {
    uint64_t of_json;
    json_error_t problem;
    memcpy(&of_json, parcel, sizeof of_json);
    parcel += sizeof of_json;
    length -= sizeof of_json;
    json_t *json = of_json <= length ? json_loadb(parcel, of_json, 0, &problem) : NULL;
    const bool done =
        json ? read_objects(json, parcel + of_json, length - of_json, err) && run_command(session, json, err)
             : error_set(err, STATUS_FAILED, "a parcel that is cut");
    json_decref(json);
    return done;
}

Status session_serve(Session *session) {
    char *parcel;
    size_t length;
    while (!signals_ending() && ranks_await(&parcel, &length)) {
        Error err;
        const bool done = length >= sizeof(uint64_t) && run_parcel(session, parcel, length, &err);
        mem_free(parcel);
        ranks_leave(done ? NULL : &err);
    }
    held_done(&held);
    return STATUS_OK;
}
