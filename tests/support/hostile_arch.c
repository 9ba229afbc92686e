/* hostile_arch -- definitions of architectures that mean harm, or are wrong: each is asked to recognise a ResNet8. */
#include "bytes.h"
#include "hostile.h"

#include <string.h>

#define FORWARD(body) "family{name = \"hostile\", help = \"-\", forward = function(net)\n" body "\nend}\n"
/* x: the stem's map, of 16 channels and 28x28. */
#define STEM(body) FORWARD("local x = conv(input(32, 32), \"conv1\")\n" body "\nreturn x")
#define FAMILY(field) "family{name = \"hostile\", " field ", forward = function(net) return input() end}\n"

static const struct {
    const char *name, *text;
    size_t length; /* 0: of the text */
} sources[] = {
    /* time */
    {"200-endless.lua", "while true do end", 0},
    {"201-endless-forward.lua", FORWARD("while true do end"), 0},
    {"202-endless-goto.lua", FORWARD("::again:: goto again"), 0},
    {"203-endless-pcall.lua", FORWARD("while true do pcall(function() while true do end end) end"), 0},
    {"204-endless-gc.lua", "setmetatable({}, {__gc = function() while true do end end})", 0},
    {"205-endless-coroutine.lua", "coroutine.wrap(function() while true do end end)()", 0},
    {"206-pattern.lua", "string.find((\"a\"):rep(1000), (\".-\"):rep(100) .. \"b\")", 0},
    {"207-method-pattern.lua", "(\"a\"):gsub(\".-.-.-.-b\", \"\")", 0},
    {"208-table-move.lua", "table.move({}, 1, 1e15, 2)", 0},
    {"209-sort.lua", "table.sort({1, 2}, function() return true end)", 0},
    {"210-recursion.lua", FORWARD("local function f() return 1 + f() end return f()"), 0},
    {"211-tail-calls.lua", FORWARD("local function f() return f() end return f()"), 0},
    {"212-tostring.lua", FORWARD("for i = 1, 1e9 do tostring(i) end"), 0},
    {"213-families.lua", "for i = 1, 1e6 do family{name = \"f\" .. i, forward = function() end} end", 0},
    /* memory */
    {"220-table.lua", "local t = {} for i = 1, 1e9 do t[i] = i end", 0},
    {"221-keys.lua", "local t = {} for i = 1, 1e9 do t[\"k\" .. i] = {} end", 0},
    {"222-doubling.lua", "local s = \"x\" while true do s = s .. s end", 0},
    {"223-rep.lua", "local s = (\"x\"):rep(1e9)", 0},
    {"224-rep-empty.lua", "local s = (\"\"):rep(1e15)", 0},
    {"225-concat.lua", "local t = {} for i = 1, 1e5 do t[i] = (\"x\"):rep(1000) end return table.concat(t)", 0},
    {"226-unpack.lua", "table.unpack({}, 1, 1e8)", 0},
    {"227-format-width.lua", "string.format(\"%99999d\", 1)", 0},
    {"228-maps.lua", STEM("for i = 1, 1e7 do x = relu(x) end"), 0},
    {"229-concats.lua", STEM("for i = 1, 60 do x = concat(x, x) end"), 0},
    {"230-pads.lua", STEM("for i = 1, 60 do x = pad(x, 65536) end"), 0},
    {"231-assume.lua", FORWARD("for i = 1, 1e9 do assume(\"x\") end"), 0},
    {"232-signature.lua", "local t = {} for i = 1, 1e5 do t[i] = \"conv1\" end\n" FAMILY("signature = t"), 0},
    {"233-variants.lua", "local t = {} for i = 1, 1e4 do t[\"v\" .. i] = \"-\" end\n" FAMILY("variants = t"), 0},
    {"234-presets.lua", "local t = {} for i = 1, 1e4 do t[\"v\" .. i] = {} end\n" FAMILY("presets = t"), 0},
    /* what is not there */
    {"240-io.lua", "io.open(\"/etc/passwd\")", 0},
    {"241-os.lua", "os.execute(\"id\")", 0},
    {"242-load.lua", "load(\"return 1\")()", 0},
    {"243-dofile.lua", "dofile(\"/etc/passwd\")", 0},
    {"244-require.lua", "require(\"os\")", 0},
    {"245-debug.lua", "debug.sethook()", 0},
    {"246-dump.lua", "string.dump(print)", 0},
    {"247-string-metatable.lua", "getmetatable(\"\").__index = nil", 0},
    {"248-rawset.lua", "rawset(_G, 1, 1)", 0},
    {"249-pairs.lua", "for k in pairs({}) do end", 0},
    {"250-package.lua", "package.loadlib(\"x\", \"y\")", 0},
    {"251-collect.lua", "collectgarbage(\"stop\")", 0},
    {"252-bytecode.lua", "\033Lua\x54\0\x19\x93\r\n\x1a\n\4\10\10", 15},
    /* wrong definitions */
    {"260-empty.lua", "-- nothing", 0},
    {"261-syntax.lua", "family{\nname =", 0},
    {"262-nesting.lua", NULL, 0},
    {"263-no-forward.lua", "family{name = \"hostile\"}", 0},
    {"264-no-table.lua", "family(7)", 0},
    {"265-name.lua", "family{name = \"a:b\", forward = function() end}", 0},
    {"266-escape.lua", FAMILY("help = \"\\27[31m\""), 0},
    {"267-not-utf8.lua", FAMILY("help = \"\\xff\""), 0},
    {"268-field.lua", FAMILY("presents = {}"), 0},
    {"269-twice.lua", FAMILY("help = \"1\"") FAMILY("help = \"2\""), 0},
    {"270-within.lua", FORWARD("family{}"), 0},
    {"271-outside.lua", "has(\"conv1\")", 0},
    {"272-error-table.lua", FORWARD("error({})"), 0},
    {"273-error-nil.lua", FORWARD("error()"), 0},
    {"274-error-escape.lua", FORWARD("error(\"\\27]0;x\\7\")"), 0},
    {"275-refuse-escape.lua", FORWARD("refuse(\"\\27[31m%s\", \"red\")"), 0},
    {"276-preset.lua", FAMILY("presets = {[\"x%s\"] = {}}"), 0},
    {"277-widths.lua", FAMILY("widths = 0/0"), 0},
    {"278-input.lua", FAMILY("input = {1e9, 1}"), 0},
    /* wrong graphs */
    {"280-forged-map.lua", STEM("x = add({0}, {5})"), 0},
    {"281-cycle.lua", STEM("local y = {} y.op = y x = add(x, y)"), 0},
    {"282-stale-map.lua",
     "local old\n" FORWARD(
         "if old then return relu(old) end old = input() return old") "family{name = \"second\", forward = function(net) return relu(old) end}",
     0},
    {"283-shapes.lua", STEM("x = add(x, max_pool(x, 2))"), 0},
    {"284-nothing.lua", STEM("x = nil"), 0},
    {"285-not-last.lua", STEM("local y = relu(x)"), 0},
    {"286-two-inputs.lua", FORWARD("return add(input(), input())"), 0},
    {"287-no-input.lua", FORWARD("return 1"), 0},
    {"288-nan-stride.lua", FORWARD("return conv(input(), \"conv1\", {stride = 0/0})"), 0},
    {"289-zero-stride.lua", FORWARD("return conv(input(), \"conv1\", {stride = 0})"), 0},
    {"290-negative-pad.lua", FORWARD("return conv(input(), \"conv1\", {pad = -1})"), 0},
    {"291-huge-pad.lua", FORWARD("return conv(input(), \"conv1\", {pad = 1e9})"), 0},
    {"292-fraction.lua", STEM("x = max_pool(x, 2.5)"), 0},
    {"293-huge-pool.lua", STEM("x = max_pool(x, 60000)"), 0},
    {"294-nan-eps.lua", STEM("x = bn(x, \"bn1\", {eps = 0/0})"), 0},
    {"295-nan-slope.lua", STEM("x = leaky_relu(x, 0/0)"), 0},
    {"296-slice.lua", STEM("x = slice(x, 10, 10)"), 0},
    {"297-shuffle.lua", STEM("x = shuffle(x, 3)"), 0},
    {"298-groups.lua", FORWARD("return conv(input(), \"conv1\", {groups = 7})"), 0},
    {"299-option.lua", FORWARD("return conv(input(), \"conv1\", {strides = 2})"), 0},
    {"300-name-escape.lua", FORWARD("return conv(input(), \"\\27[31m\")"), 0},
    {"301-name-long.lua", FORWARD("return conv(input(), (\"x\"):rep(1000))"), 0},
    {"302-narrow.lua", STEM("x = shortcut_a(x, 4)"), 0},
    {"303-before.lua", STEM("x = shortcut_a(x, 20, {before = 9})"), 0},
    {"304-linear.lua", STEM("x = linear(x, \"linear\")"), 0},
    {"305-leftover.lua", STEM("x = global_pool(x)"), 0},
    {"306-twice-taken.lua", STEM("x = conv(x, \"conv1\")"), 0},
    {"307-integer.lua", STEM("x = conv(x, \"bn1\")"), 0},
    {"308-count.lua", FORWARD("count(\"layer\")"), 0},
    {"309-count-two.lua", FORWARD("count(\"layer%d.%d\")"), 0},
    {"310-choose.lua", FORWARD("choose(\"a\", \"b\")"), 0},
    {"311-stage.lua", FORWARD("stage(-1)"), 0},
};
enum { SOURCES = sizeof sources / sizeof *sources };

static bool nested(const char *path) {
    Bytes bytes = {0};
    bytes_add(&bytes, "return ", 7);
    bytes_fill(&bytes, '(', 100000);
    const bool ok = write_bytes(path, bytes.data, bytes.length);
    bytes_done(&bytes);
    return ok;
}

static bool put(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < SOURCES; i++) {
        if (strcmp(sources[i].name, name) != 0) continue;
        if (!sources[i].text) return nested(path);
        return write_bytes(path, sources[i].text, sources[i].length ? sources[i].length : strlen(sources[i].text));
    }
    return false;
}

#define TOO_LONG "runs for too long"
#define TOO_MUCH "needs more than 16 MiB of memory"
const HostileCase hostile_arch[] = {
    {200, "200-endless.lua", "arch", put, 3, TOO_LONG},
    {201, "201-endless-forward.lua", "arch", put, 3, TOO_LONG},
    {202, "202-endless-goto.lua", "arch", put, 3, TOO_LONG},
    {203, "203-endless-pcall.lua", "arch", put, 3, "a nil value (global 'pcall')"},
    {204, "204-endless-gc.lua", "arch", put, 3, "a nil value (global 'setmetatable')"},
    {205, "205-endless-coroutine.lua", "arch", put, 3, "a nil value (global 'coroutine')"},
    {206, "206-pattern.lua", "arch", put, 3, "a nil value (field 'find')"},
    {207, "207-method-pattern.lua", "arch", put, 3, "a nil value (method 'gsub')"},
    {208, "208-table-move.lua", "arch", put, 3, "a nil value (field 'move')"},
    {209, "209-sort.lua", "arch", put, 3, "a nil value (field 'sort')"},
    {210, "210-recursion.lua", "arch", put, 3, TOO_MUCH},
    {211, "211-tail-calls.lua", "arch", put, 3, TOO_LONG},
    {212, "212-tostring.lua", "arch", put, 3, TOO_LONG},
    {213, "213-families.lua", "arch", put, 3, "more than 100 families"},
    {220, "220-table.lua", "arch", put, 3, TOO_MUCH},
    {221, "221-keys.lua", "arch", put, 3, TOO_MUCH},
    {222, "222-doubling.lua", "arch", put, 3, TOO_MUCH},
    {223, "223-rep.lua", "arch", put, 3, "string.rep makes more than 1000 bytes"},
    {224, "224-rep-empty.lua", "arch", put, 3, "string.rep makes more than 1000 bytes"},
    {225, "225-concat.lua", "arch", put, 3, TOO_MUCH},
    {226, "226-unpack.lua", "arch", put, 3, "too many results to unpack"},
    {227, "227-format-width.lua", "arch", put, 3, "invalid conversion"},
    {228, "228-maps.lua", "arch", put, 3, "more than 20000 operations"},
    {229, "229-concats.lua", "arch", put, 3, "is out of range"},
    {230, "230-pads.lua", "arch", put, 3, "is out of range"},
    {231, "231-assume.lua", "arch", put, 3, TOO_LONG},
    {232, "232-signature.lua", "arch", put, 3, "more than 64 names"},
    {233, "233-variants.lua", "arch", put, 3, "more than 32 variants"},
    {234, "234-presets.lua", "arch", put, 3, "more than 200 presets"},
    {240, "240-io.lua", "arch", put, 3, "a nil value (global 'io')"},
    {241, "241-os.lua", "arch", put, 3, "a nil value (global 'os')"},
    {242, "242-load.lua", "arch", put, 3, "a nil value (global 'load')"},
    {243, "243-dofile.lua", "arch", put, 3, "a nil value (global 'dofile')"},
    {244, "244-require.lua", "arch", put, 3, "a nil value (global 'require')"},
    {245, "245-debug.lua", "arch", put, 3, "a nil value (global 'debug')"},
    {246, "246-dump.lua", "arch", put, 3, "a nil value (field 'dump')"},
    {247, "247-string-metatable.lua", "arch", put, 3, "a nil value (global 'getmetatable')"},
    {248, "248-rawset.lua", "arch", put, 3, "a nil value (global 'rawset')"},
    {249, "249-pairs.lua", "arch", put, 3, "a nil value (global 'pairs')"},
    {250, "250-package.lua", "arch", put, 3, "a nil value (global 'package')"},
    {251, "251-collect.lua", "arch", put, 3, "a nil value (global 'collectgarbage')"},
    {252, "252-bytecode.lua", "arch", put, 3, "attempt to load a binary chunk"},
    {260, "260-empty.lua", "arch", put, 3, "defines no family"},
    {261, "261-syntax.lua", "arch", put, 3, "261-syntax.lua:2:"},
    {262, "262-nesting.lua", "arch", put, 3, "C stack overflow"},
    {263, "263-no-forward.lua", "arch", put, 3, "forward must be a function"},
    {264, "264-no-table.lua", "arch", put, 3, "table expected"},
    {265, "265-name.lua", "arch", put, 3, "name 'a:b' is not a name"},
    {266, "266-escape.lua", "arch", put, 3, "help holds a control character"},
    {267, "267-not-utf8.lua", "arch", put, 3, "help is not UTF-8"},
    {268, "268-field.lua", "arch", put, 3, "no field 'presents'"},
    {269, "269-twice.lua", "arch", put, 3, "'hostile' is defined already"},
    {270, "270-within.lua", "arch", put, 3, "not within forward"},
    {271, "271-outside.lua", "arch", put, 3, "only within forward"},
    {272, "272-error-table.lua", "arch", put, 3, "an error that is no text"},
    {273, "273-error-nil.lua", "arch", put, 3, "an error that is no text"},
    {274, "274-error-escape.lua", "arch", put, 3, "\\x1b]0;x\\x07"},
    {275, "275-refuse-escape.lua", "arch", put, 3, "\\x1b[31mred"},
    {276, "276-preset.lua", "arch", put, 3, "only %d and %g"},
    {277, "277-widths.lua", "arch", put, 3, "widths must be a whole number"},
    {278, "278-input.lua", "arch", put, 3, "input must be a whole number"},
    {280, "280-forged-map.lua", "arch", put, 3, "weft.map expected, got table"},
    {281, "281-cycle.lua", "arch", put, 3, "weft.map expected, got table"},
    {282, "282-stale-map.lua", "arch", put, 3, "a map of another run"},
    {283, "283-shapes.lua", "arch", put, 3, "adds 16x14x14 to 16x28x28"},
    {284, "284-nothing.lua", "arch", put, 3, "must return its last operation"},
    {285, "285-not-last.lua", "arch", put, 3, "must return its last operation"},
    {286, "286-two-inputs.lua", "arch", put, 3, "input: only once"},
    {287, "287-no-input.lua", "arch", put, 3, "must return its last operation"},
    {288, "288-nan-stride.lua", "arch", put, 3, "stride must be a whole number"},
    {289, "289-zero-stride.lua", "arch", put, 3, "stride must be a whole number from 1"},
    {290, "290-negative-pad.lua", "arch", put, 3, "pad must be a whole number from 0"},
    {291, "291-huge-pad.lua", "arch", put, 3, "pad must be a whole number"},
    {292, "292-fraction.lua", "arch", put, 3, "a pool's kernel must be a whole number"},
    {293, "293-huge-pool.lua", "arch", put, 3, "does not fit on a map of 28x28"},
    {294, "294-nan-eps.lua", "arch", put, 3, "eps must be from 0 to 1"},
    {295, "295-nan-slope.lua", "arch", put, 3, "the slope must be a number"},
    {296, "296-slice.lua", "arch", put, 3, "channels 10 to 20 of 16"},
    {297, "297-shuffle.lua", "arch", put, 3, "3 groups do not divide 16 channels"},
    {298, "298-groups.lua", "arch", put, 3, "7 groups do not divide 1 and 16 channels"},
    {299, "299-option.lua", "arch", put, 3, "no option 'strides'"},
    {300, "300-name-escape.lua", "arch", put, 3, "no tensor '\\x1b[31m.weight'"},
    {301, "301-name-long.lua", "arch", put, 3, "a name of more than 256 bytes"},
    {302, "302-narrow.lua", "arch", put, 3, "cannot narrow 16 channels to 4"},
    {303, "303-before.lua", "arch", put, 3, "makes no sense"},
    {304, "304-linear.lua", "arch", put, 3, "'linear.weight' is 10x64, expected Nx12544"},
    {305, "305-leftover.lua", "arch", put, 3, "tensor 'bn1.weight' does not belong to it"},
    {306, "306-twice-taken.lua", "arch", put, 3, "does not belong to it"},
    {307, "307-integer.lua", "arch", put, 3, "'bn1.weight' is 16, expected"},
    {308, "308-count.lua", "arch", put, 3, "must have one %d"},
    {309, "309-count-two.lua", "arch", put, 3, "must have one %d"},
    {310, "310-choose.lua", "arch", put, 3, "no variant 'a'"},
    {311, "311-stage.lua", "arch", put, 3, "a stage must be a whole number"},
    {0, NULL, NULL, NULL, 0, NULL},
};
