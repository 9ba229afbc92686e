/* family -- what family{...} of a definition says, checked and kept. */
#include <stdlib.h>
#include <string.h>

#include "net/arch/state.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

/* ---- keeping ----------------------------------------------------------------------------------------------------- */

void *keep_bytes(lua_State *lua, size_t count, size_t size) {
    if (count > (SIZE_MAX / 2) / size) luaL_error(lua, "too much to keep");
    void *bytes = lua_newuserdatauv(lua, count * size + 1, 0);
    memset(bytes, 0, count * size + 1);
    luaL_ref(lua, LUA_REGISTRYINDEX);
    return bytes;
}

const char *keep_text(lua_State *lua, int index, const char *what) {
    size_t length;
    if (lua_type(lua, index) != LUA_TSTRING) luaL_error(lua, "family: %s must be a text", what);
    const char *text = lua_tolstring(lua, index, &length);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            luaL_error(lua, "family: %s holds a control character", what);
    if (!text_valid_utf8(text, length)) luaL_error(lua, "family: %s is not UTF-8", what);
    return memcpy(keep_bytes(lua, length, 1), text, length);
}

enum { FAMILIES_MAX = 100 /* of a file */, LIST_MAX = 200, SIGNATURE_MAX = 64 };

/* What --arch can say: no ',', which parts variants; `more`: further characters. */
static const char *keep_name(lua_State *lua, int index, const char *what, const char *more) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    const char *name = keep_text(lua, index, what);
    bool sound = *name && strlen(name) <= 60;
    for (const char *at = name; *at; at++) sound = sound && (strchr(allowed, *at) || strchr(more, *at));
    if (!sound) luaL_error(lua, "family: %s '%s' is not a name", what, name);
    return name;
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

/* Pushes the field of the family's table (index 1) if it is a table; false where it is absent. */
static bool push_list(lua_State *lua, const char *field) {
    const int type = lua_getfield(lua, 1, field);
    if (type == LUA_TTABLE) return true;
    if (type != LUA_TNIL) luaL_error(lua, "family: %s must be a table", field);
    lua_pop(lua, 1);
    return false;
}

static const char **keep_list(lua_State *lua, const char *field, size_t *count) {
    *count = 0;
    if (!push_list(lua, field)) return NULL;
    const size_t length = (size_t)lua_rawlen(lua, -1);
    if (length > LIST_MAX) luaL_error(lua, "family: %s holds more than %d", field, LIST_MAX);
    const char **list = keep_bytes(lua, length, sizeof *list);
    for (; *count < length; ++*count) {
        lua_rawgeti(lua, -1, (lua_Integer)*count + 1);
        list[*count] = keep_text(lua, -1, field);
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    return list;
}

/* A text for a name: by digits as numbers, so that resnet8 comes before resnet20. */
static int compare_natural(const char *a, const char *b) {
    while (*a && *b) {
        const size_t m = strspn(a, "0123456789"), n = strspn(b, "0123456789");
        if (m > 0 && n > 0) {
            if (m != n) return m < n ? -1 : 1;
            const int order = strncmp(a, b, m);
            if (order != 0) return order;
            a += m, b += n;
        } else if (*a != *b) {
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        } else {
            a++, b++;
        }
    }
    return *a ? 1 : *b ? -1 : 0;
}

static int compare_presets(const void *a, const void *b) {
    return compare_natural(((const Preset *)a)->name, ((const Preset *)b)->name);
}

static int compare_variants(const void *a, const void *b) {
    return compare_natural(((const ArchitectureVariant *)a)->name, ((const ArchitectureVariant *)b)->name);
}

static size_t table_size(lua_State *lua) {
    size_t size = 0;
    for (lua_pushnil(lua); lua_next(lua, -2); lua_pop(lua, 1)) size++;
    return size;
}

static void read_variants(lua_State *lua, Family *family) {
    if (!push_list(lua, "variants")) return;
    const size_t size = table_size(lua);
    if (size > VARIANTS_MAX) luaL_error(lua, "family: more than %d variants", VARIANTS_MAX);
    family->variants = keep_bytes(lua, size, sizeof *family->variants);
    for (lua_pushnil(lua); lua_next(lua, -2); lua_pop(lua, 1)) {
        ArchitectureVariant *variant = &family->variants[family->variant_count++];
        variant->name = keep_name(lua, -2, "a variant", "");
        variant->help = keep_text(lua, -1, variant->name);
    }
    lua_pop(lua, 1);
    if (size > 0) qsort(family->variants, size, sizeof *family->variants, compare_variants);
}

static void read_presets(lua_State *lua, Family *family) {
    if (!push_list(lua, "presets")) return;
    const size_t size = table_size(lua);
    if (size > LIST_MAX) luaL_error(lua, "family: more than %d presets", LIST_MAX);
    family->presets = keep_bytes(lua, size, sizeof *family->presets);
    for (lua_pushnil(lua); lua_next(lua, -2); lua_pop(lua, 1)) {
        Preset *preset = &family->presets[family->preset_count++];
        preset->name = keep_name(lua, -2, "a preset", ":%");
        const int expected = strchr(preset->name, '%') ? LUA_TFUNCTION : LUA_TTABLE;
        for (const char *at = strchr(preset->name, '%'); at; at = strchr(at + 1, '%'))
            if (at[1] != 'd' && at[1] != 'g') luaL_error(lua, "family: preset '%s': only %%d and %%g", preset->name);
        if (lua_type(lua, -1) != expected)
            luaL_error(lua, "family: preset '%s' must be a %s", preset->name, lua_typename(lua, expected));
        lua_pushvalue(lua, -1);
        preset->values = luaL_ref(lua, LUA_REGISTRYINDEX);
    }
    lua_pop(lua, 1);
    if (family->preset_count > 0)
        qsort(family->presets, family->preset_count, sizeof *family->presets, compare_presets);
}

/* Presets that are no patterns, then the examples of patterns. */
static void list_presets(lua_State *lua, Family *family) {
    size_t examples;
    const char **list = keep_list(lua, "examples", &examples);
    family->listed = keep_bytes(lua, family->preset_count + examples, sizeof *family->listed);
    for (size_t i = 0; i < family->preset_count; i++)
        if (!strchr(family->presets[i].name, '%')) family->listed[family->listed_count++] = family->presets[i].name;
    for (size_t i = 0; i < examples; i++) {
        bool exact;
        if (!family_preset(family, list[i], &exact) || exact)
            luaL_error(lua, "family: '%s' is no example of a pattern", list[i]);
        family->listed[family->listed_count++] = list[i];
    }
}

/* One name, or a list of which one must be there, at the top of the stack. */
static void read_signature(lua_State *lua, Signature *signature) {
    const bool list = lua_istable(lua, -1);
    signature->count = list ? (size_t)lua_rawlen(lua, -1) : 1;
    if (signature->count > SIGNATURE_MAX) luaL_error(lua, "family: signature: more than %d names", SIGNATURE_MAX);
    signature->names = keep_bytes(lua, signature->count, sizeof *signature->names);
    for (size_t i = 0; i < signature->count; i++) {
        if (list)
            lua_rawgeti(lua, -1, (lua_Integer)i + 1);
        else
            lua_pushvalue(lua, -1);
        signature->names[i] = keep_text(lua, -1, "signature");
        lua_pop(lua, 1);
    }
}

static void read_signatures(lua_State *lua, Family *family) {
    if (!push_list(lua, "signature")) return;
    const size_t length = (size_t)lua_rawlen(lua, -1);
    if (length > SIGNATURE_MAX) luaL_error(lua, "family: signature: more than %d names", SIGNATURE_MAX);
    family->signature = keep_bytes(lua, length, sizeof *family->signature);
    for (size_t i = 0; i < length; i++) {
        lua_rawgeti(lua, -1, (lua_Integer)i + 1);
        read_signature(lua, &family->signature[i]);
        lua_pop(lua, 1);
    }
    family->signature_count = length;
    lua_pop(lua, 1);
}

static unsigned whole(lua_State *lua, const char *what, lua_Integer most) {
    int is_whole;
    const lua_Integer number = lua_tointegerx(lua, -1, &is_whole);
    if (!is_whole || lua_type(lua, -1) != LUA_TNUMBER || number < 1 || number > most)
        luaL_error(lua, "family: %s must be a whole number from 1 to %d", what, (int)most);
    return (unsigned)number;
}

static void read_numbers(lua_State *lua, Family *family) {
    family->height = family->width = 32;
    if (lua_getfield(lua, 1, "widths") != LUA_TNIL) family->widths = whole(lua, "widths", WIDTHS_MAX);
    lua_pop(lua, 1);
    if (push_list(lua, "input")) {
        lua_rawgeti(lua, -1, 1);
        family->height = whole(lua, "input", 1 << 14);
        lua_rawgeti(lua, -2, 2);
        family->width = whole(lua, "input", 1 << 14);
        lua_pop(lua, 3);
    }
    const int type = lua_getfield(lua, 1, "predicted");
    const char *rule = type == LUA_TNIL ? "spatial" : type == LUA_TSTRING ? lua_tostring(lua, -1) : "";
    if (strcmp(rule, "spatial") != 0 && strcmp(rule, "all") != 0 && strcmp(rule, "none") != 0)
        luaL_error(lua, "family: predicted must be spatial, all or none");
    family->predicted = rule[0] == 's' ? PREDICTED_SPATIAL : rule[0] == 'a' ? PREDICTED_ALL : PREDICTED_NONE;
    lua_pop(lua, 1);
}

static const char *read_repositories(lua_State *lua) {
    size_t count, length = 0;
    const char **list = keep_list(lua, "repositories", &count);
    for (size_t i = 0; i < count; i++) length += strlen(list[i]) + 2;
    char *text = keep_bytes(lua, length, 1), *at = text;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) *at++ = ',', *at++ = ' ';
        memcpy(at, list[i], strlen(list[i]));
        at += strlen(list[i]);
    }
    return text;
}

/* Fields that there are; another one is a mistake in writing. */
static void check_fields(lua_State *lua) {
    static const char *const known[] = {"name",     "help",      "repositories", "signature", "variants", "presets",
                                        "examples", "predicted", "widths",       "input",     "forward"};
    for (lua_pushnil(lua); lua_next(lua, 1); lua_pop(lua, 1)) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || (lua_type(lua, -2) == LUA_TSTRING && strcmp(lua_tostring(lua, -2), known[i]) == 0);
        if (!found) luaL_error(lua, "family: no field '%s'", luaL_tolstring(lua, -2, NULL));
    }
}

/* family{...} */
static int family(lua_State *lua) {
    Definitions *definitions = definitions_of(lua);
    Family one = {.file = definitions->file, .own = definitions->own};
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 1);
    if (definitions->build || !one.file) return luaL_error(lua, "family: not within forward");
    if (definitions->count - definitions->before >= FAMILIES_MAX)
        return luaL_error(lua, "more than %d families in a file", FAMILIES_MAX);
    check_fields(lua);
    lua_getfield(lua, 1, "name");
    one.name = keep_name(lua, -1, "name", "");
    lua_getfield(lua, 1, "help");
    one.help = lua_isnil(lua, -1) ? "" : keep_text(lua, -1, "help");
    lua_settop(lua, 1);
    one.repositories = read_repositories(lua);
    read_variants(lua, &one);
    read_presets(lua, &one);
    list_presets(lua, &one);
    read_signatures(lua, &one);
    read_numbers(lua, &one);
    if (lua_getfield(lua, 1, "forward") != LUA_TFUNCTION) return luaL_error(lua, "family: forward must be a function");
    one.forward = luaL_ref(lua, LUA_REGISTRYINDEX);
    for (size_t i = 0; i < definitions->count; i++)
        if (strcmp(definitions->families[i].name, one.name) == 0)
            return luaL_error(lua, "family: '%s' is defined already, in %s", one.name, definitions->families[i].file);
    if (!mem_grow(&definitions->families, &definitions->capacity, definitions->count + 1, sizeof one,
                  &definitions->starved_by)) {
        definitions->starved = true;
        return luaL_error(lua, "out of memory");
    }
    definitions->families[definitions->count++] = one;
    return 0;
}

void open_family(lua_State *lua) {
    lua_register(lua, "family", family);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

int preset_numbers(lua_State *lua, const char *pattern, const char *name) {
    int count = 0;
    for (; *pattern; pattern++) {
        const char kind = pattern[0] == '%' ? pattern[1] : '\0';
        if (kind != 'd' && kind != 'g') {
            if (*pattern != *name++) return -1;
            continue;
        }
        const size_t length = strspn(name, kind == 'd' ? "0123456789" : "0123456789.");
        char word[20];
        double number;
        if (length == 0 || length >= sizeof word || (length > 1 && name[0] == '0' && name[1] != '.')) return -1;
        memcpy(word, name, length);
        word[length] = '\0';
        if (!text_to_double(word, &number)) return -1;
        count++;
        if (lua && kind == 'd') lua_pushinteger(lua, (lua_Integer)number);
        if (lua && kind == 'g') lua_pushnumber(lua, number);
        name += length;
        pattern++;
    }
    return *name ? -1 : count;
}

bool family_preset(const Family *family, const char *name, bool *exact) {
    bool found = false;
    *exact = false;
    for (size_t i = 0; i < family->preset_count; i++) {
        *exact = *exact || strcmp(family->presets[i].name, name) == 0;
        found = found || *exact || preset_numbers(NULL, family->presets[i].name, name) > 0;
    }
    return found;
}

bool family_variants(const Family *family, const char *text, Variants *out, Error *err) {
    *out = (Variants){0};
    for (const char *at = text; at && *at;) {
        const size_t length = strcspn(at, ",");
        size_t i = 0;
        while (i < family->variant_count &&
               (strlen(family->variants[i].name) != length || strncmp(family->variants[i].name, at, length) != 0))
            i++;
        if (i == family->variant_count) {
            Str known = {0};
            for (size_t k = 0; k < family->variant_count; k++)
                str_addf(&known, "%s%s", k > 0 ? ", " : "", family->variants[k].name);
            if (str_ok(&known, err))
                error_set(err, STATUS_USAGE, "%s has no variant '%.*s'%s%s", family->name, (int)length, at,
                          known.length > 0 ? "; there are " : "", str_text(&known));
            str_done(&known);
            return false;
        }
        out->chosen[i] = true;
        at += length + (at[length] == ',');
    }
    return true;
}

size_t family_signature(const Family *family, const View *view) {
    size_t found = 0;
    for (size_t i = 0; i < family->signature_count; i++) {
        const Signature *signature = &family->signature[i];
        bool one = false;
        for (size_t k = 0; !one && k < signature->count; k++) one = view_has(view, signature->names[k]);
        found += one;
    }
    return found;
}
