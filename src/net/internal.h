/* internal -- what the files of src/net share: building graphs, shapes, the table of architectures. Private to src/net
 * and its tests. */
#ifndef WEFT_NET_INTERNAL_H
#define WEFT_NET_INTERNAL_H

#include "weft/base/error.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"
#include "weft/net.h"

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

/* The shape of every operation's result for one input size (graph->count entries, mem_free). STATUS_FAILED if the
 * network cannot run: no graph, unknown normalisation, an operation that cannot work on what it is given, a tensor that
 * is missing or of another shape than its operation needs. */
Shape *graph_shapes(const Network *network, unsigned height, unsigned width, Error *err);

/* Whether the network has the tensors that each operation needs, of the shapes that follow from `shapes`. STATUS_FAILED
 * naming the operation. */
bool graph_tensors_fit(const Graph *graph, const Network *network, const Shape *shapes, Error *err);
/* The graph of such a text as network_graph_text writes, over the tensors of `network`. STATUS_BAD_INPUT, naming the
 * line or the operation, where it is none or cannot run on the size it was made for. */
Graph *network_graph_read(const Network *network, const char *text, Error *err);

/* ---- quantisers -------------------------------------------------------------------------------------------------- */

/* Quantisers and the layers' bits to the metadata of a file, and back from it; network->graph and layers are there.
 * STATUS_BAD_INPUT if they do not fit. */
bool quantisers_write(const Network *network, FileParts *parts, Error *err);
bool quantisers_read(Network *network, const Checkpoint *checkpoint, Error *err);

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* Grows the tensors of a new network, one by one, within the memory budget. As with GraphBuilder, a failure sticks. */
typedef struct TensorBuilder {
    Network *network;
    size_t capacity;
    uint64_t bytes;
    Error *err;
    bool failed;
} TensorBuilder;
void tensor_add(TensorBuilder *builder, unsigned rank, const uint64_t *dim, const char *name, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- architectures ----------------------------------------------------------------------------------------------- */

/* Sets architecture, graph or why_unknown of a network whose tensors are loaded, strips the prefixes of wrappers, and
 * notes what was assumed. STATUS_USAGE for an unknown name, STATUS_BAD_INPUT if the requested one does not fit. */
bool architecture_recognise(Network *network, const NetworkOptions *options, Error *err);

/* ---- ONNX -------------------------------------------------------------------------------------------------------- */

/* Sets architecture or why_unknown, graph and notes of a network whose tensors come from an ONNX file (src/net/onnx);
 * tensors that no layer reads are dropped. False only where memory ran out. */
bool onnx_recognise(Network *network, Checkpoint *checkpoint, Error *err);
/* Gives the network, whose tensors come from another file, the graph of `model`, which the ONNX file `path` holds.
 * Batch norm that an exporter folded is restored if the network has it. STATUS_BAD_INPUT, naming the layer, if they do
 * not fit. */
bool onnx_take_graph(Network *network, const Network *model, const char *path, Error *err);
/* Saves the network as float32. STATUS_USAGE if it has no graph, or an operation that
 * ONNX does not have. */
bool onnx_save_network(const Network *network, const char *path, bool overwrite, Error *err);

/* What a file is for: every bit of the network (a run), or a network to pass on. */
typedef enum SaveForm { FORM_KEPT, FORM_SAFETENSORS, FORM_NPZ } SaveForm;
/* Lazy tensors, and all that are converted, are read while they are written (TensorOut.read); not so for FORM_KEPT. */
bool network_parts_of(const Network *network, SaveForm form, FileParts *out, Error *err);
/* A line for each thing that the file does not hold as the network does, once its parts were written: what was rounded
 * to its former dtype, what the format has no dtype for. */
void network_save_notes(const Network *network, SaveForm form, const FileParts *parts, Str *notes);

/* ---- engine ------------------------------------------------------------------------------------------------------ */

/* Lets an engine run on other kernels than the best (tests run all of them). */
struct Kernels;
void engine_set_kernels(Engine *engine, const struct Kernels *kernels);

/* ---- networks ---------------------------------------------------------------------------------------------------- */

/* Adds a note, shown on loading. */
bool network_add_note(Network *network, const char *key, Str *text, Error *err); /* `text` is freed */
bool network_note(Network *network, Error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
void net_tensor_done(NetTensor *tensor); /* frees what it holds */
/* The elements of a tensor as they are stored. bytes_new: in memory, to be filled (stored_memory). bytes_at: at their
 * place in a file, whose checksums are taken as it is read. */
StoredBytes *bytes_new(uint64_t length, Error *err);
StoredBytes *bytes_at(const CheckpointPlace *place, const char *name, Error *err);
StoredBytes *bytes_share(StoredBytes *stored); /* NULL stays NULL */
void bytes_release(StoredBytes *stored);
unsigned char *bytes_memory(StoredBytes *stored);  /* NULL: they are in a file */
const File *bytes_file(const StoredBytes *stored); /* NULL: they are in memory */
/* Bytes of those in a file, from `offset` on. From any thread. STATUS_BAD_INPUT where the file is not what it was. */
bool bytes_read(StoredBytes *stored, uint64_t offset, uint64_t length, void *out, Error *err);
/* A lazy tensor of these elements, as float32. */
Tensor *bytes_tensor(StoredBytes *stored, DType dtype, unsigned rank, const uint64_t *dim, Error *err);
/* Notes where a network was loaded from; origin_free takes NULL, too. */
bool origin_note(Network *network, const char *path, const NetworkOptions *options, Error *err);
void origin_free(NetworkOrigin *origin);
/* Reads all tensors of a new network, or with `lazy`, unless it is small (and not `always`), only says where they are;
 * those that are not numbers are carried along, with a note. */
bool network_load_tensors(Network *network, Checkpoint *checkpoint, bool lazy, bool always, Error *err);
/* Adds the further names of tied tensors, which the metadata of a safetensors file holds. */
bool network_load_ties(Network *network, const Checkpoint *checkpoint, Error *err);
bool network_copy_tensors(Network *copy, const Network *network, Error *err);
void network_free_tensors(Network *network);
void tensor_put(Network *network, size_t index, Tensor *tensor); /* network_replace of this one tensor alone */
/* Takes out the tensors that `drop` (tensor_count booleans) marks; `graph` (NULL: none yet), which is nobody else's,
 * follows. Before there are layers. */
bool network_drop_tensors(Network *network, Graph *graph, const bool *drop, Error *err);

/* Tensors by name; valid while the network's tensors do not change. */
typedef struct TensorNames {
    const Network *network;
    const NetTensor **sorted;
} TensorNames;
bool tensor_names_begin(TensorNames *names, const Network *network, Error *err);
void tensor_names_done(TensorNames *names);
bool tensor_names_find(const TensorNames *names, const char *name, size_t *index);
/* How many names begin with the first `length` bytes of `prefix`. */
size_t tensor_names_below(const TensorNames *names, const char *prefix, size_t length);

/* "HEAD: 'a' (WHAT), 'b' (WHAT) and 3 more", a note of a network. From {.head = ...}. */
typedef struct NameList {
    const char *head;
    Str text;
    size_t count;
} NameList;
void name_list_add(NameList *list, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
void name_list_clear(NameList *list);
void name_list_text(const NameList *list, Str *out);
bool name_list_note(NameList *list, Network *network, Error *err); /* no note where nothing was added; ends the list */

/* Weights stored in several tensors become one tensor each (parametrise.c), before an architecture is recognised.
 */
bool network_fold(Network *network, Error *err);

/* The kind of layer whose weight a tensor is, by its name, its shape and its neighbours; LAYER_KIND_COUNT: none. */
LayerKind layer_kind_of(const TensorNames *names, size_t tensor);
bool layer_named_weight(const char *name); /* it ends as weights do */
/* Fills network->layers from the graph, or from ranks and names where there is none. */
bool network_list_layers(Network *network, Error *err);
/* Notes the tensors with two or more axes that are not layers. */
bool network_note_unlisted(Network *network, Error *err);
bool network_copy_layers(Network *copy, const Network *network, Error *err);
void network_free_layers(Network *network);

/* The mean and deviation of a normalising layer in front of the network: two tensors PREFIX.mean and PREFIX.std, or mu
 * and sigma, with one value per channel. They are removed from the network, with a note; *out has channels 0 if there
 * are none. */
bool normalisation_from_tensors(Network *network, Normalisation *out, Error *err);
/* Sets normalisation and normalise_why from the graph and the tensors' names; leaves both unchanged if nothing is
 * known. */
void normalisation_assume(Network *network);
/* That of the dataset that has such images, for a new network; channels 0 where none is known. */
Normalisation normalisation_usual(unsigned channels, unsigned classes);

#endif
