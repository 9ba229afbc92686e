/* help -- all help text comes from the command table and the topics here. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "session.h"

#define X(name, help) "  " #name ": " help "\n"
const HelpTopic help_topics[] = {
    {"start", "a first session",
     "weft MODEL opens a checkpoint at the prompt as `net`; at the prompt, or in a script:\n"
     "\n"
     "  load net base sample:fashion-resnet8\n"
     "  load data test sample:fashion-test\n"
     "  evaluate base test\n"
     "  sratio base\n"
     "  lowpass base --cutoff 2 --into smooth\n"
     "  sratio base --vs smooth\n"
     "  plot\n"
     "\n"
     "Nothing is changed in place: lowpass makes a new network. `ls` lists what there is, `show NAME` how it was made.\n"
     "Tab completes commands, options, objects, layers and files. samples/ holds scripts to read and run.\n"},
    {"selectors", "choosing layers: --layers SEL",
     "SEL is a comma-separated list of:\n"
     "\n"
     "  conv1, layer1.0.conv2    layer names\n"
     "  layer1.*, *.conv?        globs: * any text, ? one character, [a-c] a set\n"
     "  0-6, 3                   index ranges from 0, over all layers (over the convolutions where a\n"
     "                           command takes only those)\n"
     "  stage:2                  the layers of a stage (layer2.* in a ResNet)\n"
     "  block:2.0                the layers of a block\n"
     "  convolutions, all        every convolution, of whatever kind; every layer\n"
     "  -NAME                    leaves out what NAME matches; a list that only leaves out starts from\n"
     "                           the command's default\n"
     "\n"
     "By default sratio, distance and show take every layer, and lowpass every convolution. lowpass takes\n"
     "no other layers. svscale and mix take any layer by its name; without --layers svscale takes the\n"
     "convolutions, and all layers of a network that has none.\n"},
    {"layers", "kinds of layers, their matrices, weights held in parts",
     "show NET names the kind of every layer: convolution (of two axes), convolution 1d, convolution 3d,\n"
     "the three transposed convolutions, linear, recurrent, attention, embedding, bilinear. A file has\n"
     "names and shapes only. They decide:\n"
     "\n"
     "  weight_ih_*, weight_hh_*                             recurrent\n"
     "  in_proj_weight, q_proj, k_proj, query, to_qkv, ...   attention\n"
     "  embed*, emb, tok, token, wte, ...; no bias           embedding\n"
     "  *.weight, *.kernel, *.w                              rank 2: linear; 3 to 5: convolutions\n"
     "\n"
     "Floats of two axes or more under other names are no layers; load net names them. Integers are no\n"
     "weights.\n"
     "\n"
     "A transposed convolution (c_in x c_out/groups x k) looks like a plain one (c_out x c_in/groups x k).\n"
     "It is taken for one where its bias, or the batch norm behind it in a Sequential (modules N and N+1),\n"
     "has as many elements as the second axis, or a multiple of it, and not as many as the first. Where\n"
     "this decides nothing (equal axes, depthwise, no bias), the name decides: deconv or transpose\n"
     "anywhere in it, or a word such as up, upconv, upsample, tconv in its last part together with an even\n"
     "kernel. Else it is a plain one.\n"
     "\n"
     "A layer's matrix has the first axis of the weight as rows and all the others as columns: c_out x\n"
     "(c_in/groups k k). A transposed convolution's first two axes are exchanged before. A recurrent\n"
     "layer's gates (4 of an LSTM, 3 of a GRU) stand one under another, and attention's q, k and v in\n"
     "in_proj_weight: one matrix, as stored.\n"
     "\n"
     "Weights that a file holds in parts are folded when it is loaded, as PyTorch does in evaluation mode,\n"
     "and a note says which:\n"
     "\n"
     "  weight norm     weight_g, weight_v; parametrizations.weight.original0, original1\n"
     "                  g v / |v|\n"
     "  spectral norm   weight_orig, weight_u, weight_v; parametrizations.weight.original, 0._u, 0._v\n"
     "                  original / sigma, sigma = u' W v\n"
     "  pruning         weight_orig, weight_mask\n"
     "                  original times mask\n"
     "\n"
     "Other parametrisations (orthogonal, ...) are named and left alone. LoRA's pairs stay layers of their\n"
     "own: their scale is not in the file.\n"},
    {"lua", "loops, variables, arithmetic",
     "A top-level line whose first word is a command is a command line; everything else is Lua 5.4. In Lua every command is a\n"
     "function of the same name and returns its table:\n"
     "\n"
     "  for _, d0 in ipairs{0.5, 1, 2, 4} do\n"
     "    lowpass{\"base\", cutoff = d0, into = \"smooth\"}\n"
     "    print(d0, evaluate{\"smooth\", \"test\"}.accuracy)\n"
     "  end\n"
     "\n"
     "t.column is a value where the table has one row, else an array; t[3] is the third row, #t the number of rows,\n"
     "t.notes what stands under the table, t.names its columns. $name and $(expression) in a command line are Lua values.\n"
     "run(\"sratio %s\", name) runs a command line. tabulate(\"name\", {\"cutoff\", \"accuracy (%)\"}, rows) makes a table of your\n"
     "own, to plot and export. near(a, b, tolerance) compares. A script's arguments are arg[1], arg[2], ..., its own name arg[0].\n"
     "\n"
     "Variables are global; a top-level local would be lost on the next line and is an error. Random numbers repeat with\n"
     "--seed, and pairs goes in sorted order.\n"},
    {"charts", "charts and the full-screen viewer",
     "A chart is a table and a way to draw it. Commands draw a compact chart under their table on a terminal; `plot TABLE` opens\n"
     "it full-screen, and prints it as text where there is no terminal or with --inline; `export TABLE FILE.svg` (.png, .pdf)\n"
     "saves it, `export TABLE FILE.csv` (.tsv, .json, .md, .txt) its rows.\n"
     "\n"
     "Options of plot choose another chart of the same table: --kind, --x, --y, --series, --value, --log-x, --log-y,\n"
     "--reference, --title. They stay with the table.\n"
     "\n"
     "  plot t --kind lines --x alpha --y loss --y2 accuracy     one more column against an axis at the right, which is linear\n"
     "                                                           and excludes --series (--series \"\" ends it)\n"
     "  plot t --kind heatmap --x u --y v --value loss --log-value --contours 10\n"
     "\n"
     "--log-value puts the colours on a log scale; values <= 0 are gaps then, counted under the chart. --contours N draws lines at N\n"
     "levels, evenly spaced between the least and the greatest value (with --log-value in the logarithm). Without colours the lines\n"
     "stand alone, and letters name the levels. export takes these three options, too, for one file.\n"
     "\n"
     "Keys of the viewer: arrows or hjkl move the cursor, + - zoom, _ fits, < > pan, Tab next series, L log axis, c contours,\n"
     "s saves, ? lists the keys, q leaves.\n"},
    {"training", "weight predictors, runs and how to go on with them",
     "A weight predictor (NeRN) is a small MLP: from the encoded place of a kernel (layer, filter, channel) to the kernel. With fewer\n"
     "parameters than the network (CR below 1) it compresses it; with more it can still do better than its source, because what it\n"
     "predicts is smooth.\n"
     "\n"
     "  train pred --net base --hidden 140 --data test     trains one; the row says L_recon, accuracy, CR\n"
     "  log pred                                           its loss curve\n"
     "  reconstruct pred --into rebuilt                    the network with predicted kernels: evaluate, sratio --vs, ...\n"
     "  show pred; save pred FILE.safetensors --dtype f16  sizes and settings; a file\n"
     "\n"
     "A run is kept with --run FOLDER: config.json, source.safetensors, log.csv, last, previous and best.safetensors (each a\n"
     "predictor that load predictor opens). resume FOLDER goes on after Ctrl-C, kill -9 or a power cut and gives what the run would\n"
     "have given, to the bit, with any number of threads. Ctrl-C ends a run after its step; TERM and HUP do, and leave.\n"
     "\n"
     "  train pred --net base --steps 68600 --run runs/a --monitor      full-screen: curves, pause, save now, stop\n"
     "  train pred --net base --steps 68600 --background                in another process, in runs/pred\n"
     "  jobs; attach 1; stop 1; resume 1                                (progressive, fit, sweep, landscape, too: jobs)\n"
     "  train pred --net base --trials 3                                three seeds, the best is kept\n"
     "\n"
     "A step takes the gradient through a batch of kernels; the loss over all of them, a common factor of that gradient, is evaluated\n"
     "every --refresh steps (--exact: in each). The paper's 350 epochs of CIFAR-10 are 68600 steps.\n"},
    {"onnx", "networks from ONNX files, and back",
     "load net NAME MODEL.onnx reads the graph and the weights (operator sets 9 to 20; PyTorch's\n"
     "exporters, tf2onnx, Paddle). A node that weft does not have is named; the weights then still serve\n"
     "every analysis.\n"
     "\n"
     "Exporters fold batch norm into the convolutions before it, unless they are told not to. The folded\n"
     "weights give the same logits, but S_ratio, spectra and distances of them are other numbers. weft\n"
     "says so when it loads such a file. Either export with training=torch.onnx.TrainingMode.PRESERVE and\n"
     "do_constant_folding=False (the network in eval mode), or take the graph from the ONNX file and the\n"
     "weights from the checkpoint:\n"
     "\n"
     "  load net a model.pth --graph model.onnx\n"
     "\n"
     "Layers are matched by their names, else by order and shapes. weft finds the batch norm that was\n"
     "folded by the weights that it explains, and puts it back.\n"
     "\n"
     "save NAME FILE.onnx writes graph and weights, operator set 13, any number of images at a time. Batch\n"
     "norm and the tensors' names stay; counters (num_batches_tracked) and tensors that no layer reads are\n"
     "left out. Quantisers of 8 bits become QuantizeLinear and DequantizeLinear.\n"
     "\n"
     "An ONNX model takes images that are normalised already. weft normalises outside of the file: it\n"
     "writes the mean and deviation to the metadata (weft.normalise) and reads them from there; for other\n"
     "files, --normalise tells them. For a model that takes pixels from 0 to 255, that is --normalise\n"
     "0/.00392157. A softmax at the end is left out, because weft works with logits. Where the file leaves\n"
     "the size of the images open, weft takes 224x224.\n"},
    {"corruptions", "corrupted images: --corrupt KIND:SEVERITY",
     "The 19 corruptions of CIFAR-10-C, computed by weft with the published constants, each at severity 1 to 5:\n"
     "\n" CORRUPTIONS(
         X) "\n"
            "  evaluate base test --corrupt fog:3         one row\n"
            "  evaluate base test --corrupt fog           five rows, and their mean\n"
            "  evaluate base test --corrupt all           95 rows; means of the kinds, and of all: ood accuracy\n"
            "  evaluate base test --corrupt all:3         all kinds at one severity\n"
            "  image test 3 --corrupt fog:3 --net base    looks at one\n"
            "  load data c cifar10c:DIR:fog:3             the published images themselves\n"
            "\n"
            "What is random is a function of --seed, the kind and the image's number. Frost is not the original: that lays photographs\n"
            "over, which weft cannot bring along; it draws ice crystals of the same brightness, contrast and colour. Accuracies on frost\n"
            "come close to published ones (a ResNet20 lost 1 to 5 points more) but do not compare. Constants are for 32 x 32: on other\n"
            "sizes lengths in pixels stay, elastic_transform goes with the shorter side. On grey images saturate, frost and spatter work\n"
            "on three equal channels, whose brightness is taken.\n"},
    {"environment", "variables that weft reads",
     "WEFT_THREADS, OMP_NUM_THREADS   threads (else all cores this process may use)\n"
     "WEFT_DATA                       folder of datasets: $WEFT_DATA/fashion-mnist\n"
     "WEFT_SAMPLES                    folder of samples\n"
     "WEFT_HISTFILE, XDG_STATE_HOME   history of the prompt and list of jobs ($XDG_STATE_HOME/weft)\n"
     "XDG_DATA_HOME                   definitions of architectures of your own ($XDG_DATA_HOME/weft/arch)\n"
     "NO_COLOR, FORCE_COLOR           never, always colours\n"
     "COLUMNS                         width where standard output is no terminal\n"
     "LC_ALL, LANG                    charts in ASCII where the locale is not UTF-8\n"
     "INPUTRC, ~/.inputrc             keys of the prompt\n"},
    {"status", "exit status",
     "0    done\n"
     "1    a command failed for another reason, or an expect did not hold\n"
     "2    usage: an unknown command, option, object or layer; a value out of range\n"
     "3    bad input: a file that cannot be read or is not what it claims to be\n"
     "4    something could not be written\n"
     "5    memory, or a limit\n"
     "128+n  ended by signal n (130 Ctrl-C, 141 a closed pipe, 143 TERM)\n"},
    {NULL, NULL, NULL}};
#undef X

/* ---- one command ------------------------------------------------------------------------------------------------- */

static void add_option(const ArgSpec *spec, bool brackets, Str *out) {
    if (brackets) str_add(out, "[");
    str_addf(out, "--%s", spec->name);
    if (spec->kind == ARG_CHOICE && strlen(spec->choices) < 24)
        str_addf(out, " %s", spec->choices);
    else if (spec->kind != ARG_FLAG)
        str_addf(out, " %s", spec->value);
    if (brackets) str_add(out, "]");
}

void command_synopsis(const Command *command, Str *out) {
    str_add(out, command->name);
    for (const ArgSpec *spec = command->positionals; spec && spec->name; spec++) {
        const char *dots = spec->repeated ? "..." : "";
        str_addf(out, spec->optional ? " [%s%s]" : " %s%s", spec->name, dots);
    }
    for (const ArgSpec *spec = command->options; spec && spec->name; spec++) {
        str_add(out, " ");
        add_option(spec, !spec->required, out);
    }
    if (command->table) str_add(out, " [--as NAME]");
}

void argument_details(const ArgSpec *spec, Str *out) {
    Str details = {0};
    bool number = spec->kind == ARG_REAL || spec->kind == ARG_INTEGER;
    if (spec->kind == ARG_CHOICE) {
        str_add(&details, "one of ");
        for (const char *at = spec->choices; *at; at++)
            str_add_bytes(&details, *at == '|' ? ", " : at, *at == '|' ? 2 : 1);
    }
    if (number && (spec->above_min || spec->min != 0 || spec->max > spec->min || spec->kind == ARG_INTEGER))
        str_addf(&details, spec->above_min ? "greater than %g" : "at least %g", spec->min);
    if (number && spec->max > spec->min && spec->max < 1e15) str_addf(&details, ", at most %g", spec->max);
    if (spec->standard) str_addf(&details, "%sdefault %s", details.length ? "; " : "", spec->standard);
    if (spec->required) str_addf(&details, "%srequired", details.length ? "; " : "");
    if (details.length) str_addf(out, " (%s)", str_text(&details));
    str_done(&details);
}

void help_filled(Str *out, const char *text, size_t indent, size_t width) {
    size_t column = 0;
    while (*text) {
        text += strspn(text, " ");
        size_t length = strcspn(text, " \n");
        if (column && column + 1 + length > width - indent) {
            str_add(out, "\n");
            column = 0;
        }
        if (!column) str_addf(out, "%*s", (int)indent, "");
        str_addf(out, "%s%.*s", column ? " " : "", (int)length, text);
        column += length + (column ? 1 : 0);
        text += length;
        if (*text == '\n') {
            str_add(out, "\n");
            column = 0;
            text++;
        }
    }
    str_add(out, "\n");
}

static void add_argument(const ArgSpec *spec, Str *out) {
    Str term = {0}, text = {0};
    if (spec->value || spec->kind == ARG_FLAG)
        str_addf(&term, "--%s%s%s", spec->name, spec->value ? " " : "", spec->value ? spec->value : "");
    else
        str_add(&term, spec->name);
    str_add(&text, spec->help);
    argument_details(spec, &text);
    if (term.length <= 22) {
        str_addf(out, "  %-22s ", str_text(&term));
        Str filled = {0};
        help_filled(&filled, str_text(&text), 25, 100);
        str_add(out, filled.length > 25 ? filled.text + 25 : "\n");
        str_done(&filled);
    } else {
        str_addf(out, "  %s\n", str_text(&term));
        help_filled(out, str_text(&text), 25, 100);
    }
    str_done(&term);
    str_done(&text);
}

static void add_arguments(const char *heading, const Command *command, const ArgSpec *specs, Str *out) {
    if (!specs || !specs->name) return;
    if (heading) str_addf(out, "\n%s\n", heading);
    for (const ArgSpec *spec = specs; spec->name; spec++)
        if (specs != common_options || common_applies(command, spec)) add_argument(spec, out);
}

static void add_command(const Command *command, Str *out) {
    Str synopsis = {0};
    command_synopsis(command, &synopsis);
    str_addf(out, "%s: %s\n\n", command->name, command->summary);
    help_filled(out, str_text(&synopsis), 2, 100);
    if (command->description) {
        str_add(out, "\n");
        help_filled(out, command->description, 0, 100);
    }
    add_arguments("Arguments", command, command->positionals, out);
    add_arguments("Options", command, command->options, out);
    add_arguments(command->options ? NULL : "Options", command, common_options, out);
    if (command->examples && command->examples[0]) {
        str_add(out, "\nExamples\n");
        for (const char *const *example = command->examples; *example; example++) str_addf(out, "  %s\n", *example);
    }
    str_done(&synopsis);
}

void help_overview(Str *out) {
    const char *group = "";
    for (const Command *const *each = commands; *each; each++) {
        if (strcmp(group, (*each)->group) != 0) {
            group = (*each)->group;
            str_addf(out, "%s%s\n", out->length ? "\n" : "", group);
        }
        str_addf(out, "  %-12s %s\n", (*each)->name, (*each)->summary);
    }
    str_add(out, "\nTopics (help TOPIC)\n");
    for (const HelpTopic *topic = help_topics; topic->name; topic++)
        str_addf(out, "  %-12s %s\n", topic->name, topic->summary);
    for (const MadeTopic *topic = made_topics; topic->name; topic++)
        str_addf(out, "  %-12s %s\n", topic->name, topic->summary);
    str_add(out, "\nhelp COMMAND explains one command; apropos WORD searches all of this.\n");
}

static void data_topic(bool own, Str *out) {
    (void)own;
    for (const DatasetKind *kind = dataset_kinds(); kind->name; kind++) {
        str_addf(out, "  %s\n", kind->form);
        help_filled(out, kind->help, 6, 100);
    }
}

const MadeTopic made_topics[] = {{"data", "what a dataset can be: DATA SPEC", data_topic},
                                 {"architectures", "networks that are recognised, and made", architectures_topic},
                                 {NULL, NULL, NULL}};

bool help_text(const char *topic, Str *out, Error *err) {
    if (!topic) {
        help_overview(out);
        return true;
    }
    size_t found = 0;
    for (const Command *const *each = commands; *each; each++) {
        const char *name = (*each)->name;
        bool first_word = strcspn(name, " ") == strlen(topic) && strncmp(name, topic, strlen(topic)) == 0;
        if (strcmp(name, topic) != 0 && !first_word) continue;
        if (found++) str_add(out, "\n\n");
        add_command(*each, out);
    }
    for (const HelpTopic *each = help_topics; each->name && !found; each++)
        if (strcmp(each->name, topic) == 0) {
            str_addf(out, "%s: %s\n\n%s", each->name, each->summary, each->text);
            found++;
        }
    for (const MadeTopic *each = made_topics; each->name && !found; each++)
        if (strcmp(each->name, topic) == 0) {
            str_addf(out, "%s: %s\n\n", each->name, each->summary);
            each->add(true, out);
            found++;
        }
    if (found) return true;
    const char *names[160];
    size_t count = 0;
    for (const Command *const *each = commands; *each && count < 128; each++) names[count++] = (*each)->name;
    for (const HelpTopic *each = help_topics; each->name; each++) names[count++] = each->name;
    for (const MadeTopic *each = made_topics; each->name; each++) names[count++] = each->name;
    const char *near = text_nearest(topic, names, count);
    if (near) return error_set(err, STATUS_USAGE, "no help on '%s'; did you mean %s?", topic, near);
    return error_set(err, STATUS_USAGE, "no help on '%s' (apropos %s searches all help)", topic, topic);
}

/* ---- apropos ----------------------------------------------------------------------------------------------------- */

static bool contains(const char *text, const char *word) {
    return text && strcasestr(text, word);
}

static bool arguments_contain(const ArgSpec *specs, const char *word) {
    for (; specs && specs->name; specs++)
        if (contains(specs->name, word) || contains(specs->help, word) || contains(specs->choices, word)) return true;
    return false;
}

bool help_apropos(const char *word, Str *out) {
    size_t before = out->length;
    for (const Command *const *each = commands; *each; each++) {
        const Command *command = *each;
        if (contains(command->name, word) || contains(command->summary, word) || contains(command->description, word) ||
            arguments_contain(command->positionals, word) || arguments_contain(command->options, word))
            str_addf(out, "  %-12s %s\n", command->name, command->summary);
    }
    for (const HelpTopic *topic = help_topics; topic->name; topic++)
        if (contains(topic->name, word) || contains(topic->summary, word) || contains(topic->text, word))
            str_addf(out, "  %-12s %s (topic)\n", topic->name, topic->summary);
    for (const MadeTopic *topic = made_topics; topic->name; topic++) {
        Str text = {0};
        topic->add(true, &text);
        if (contains(topic->name, word) || contains(topic->summary, word) || contains(str_text(&text), word))
            str_addf(out, "  %-12s %s (topic)\n", topic->name, topic->summary);
        str_done(&text);
    }
    return out->length > before;
}
