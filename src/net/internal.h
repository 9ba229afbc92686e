/* internal -- what the files of src/net share: building graphs, shapes, the table of architectures. Private to src/net
 * and its tests. */
#ifndef WEFT_NET_INTERNAL_H
#define WEFT_NET_INTERNAL_H

#include "weft/net.h"

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

/* The shape of every operation's result for one input size (graph->count entries, mem_free). STATUS_FAILED where the
 * network cannot run: no graph, unknown normalisation, an operation that cannot work on what it is given, a tensor that
 * is missing or of another shape than its operation needs. */
Shape *graph_shapes(const Network *network, unsigned height, unsigned width, Error *err);

/* The graph of such a text as network_graph_text writes, over the tensors of `network`. STATUS_BAD_INPUT, naming the
 * line or the operation, where it is none or cannot run on the size it was made for. */
Graph *network_graph_read(const Network *network, const char *text, Error *err);

/* ---- quantisers -------------------------------------------------------------------------------------------------- */

/* Quantisers and the layers' bits to the metadata of a file, and back from it; network->graph and layers are there.
 * STATUS_BAD_INPUT where they do not fit. */
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

/* Sets architecture, graph or why_unknown of a network whose tensors are loaded, strips what wrappers put before the
 * names, and notes what was assumed. STATUS_USAGE for a name that there is not, STATUS_BAD_INPUT where the one asked for
 * does not fit. */
bool architecture_recognise(Network *network, const NetworkOptions *options, Error *err);

/* ---- engine ------------------------------------------------------------------------------------------------------ */

/* Lets an engine run on other kernels than the best (tests run all of them). */
struct Kernels;
void engine_set_kernels(Engine *engine, const struct Kernels *kernels);

/* ---- networks ---------------------------------------------------------------------------------------------------- */

const void *integers_bytes(const IntegerBytes *integers);
/* Fills network->layers from the graph, or from ranks and names where there is none. */
bool network_list_layers(Network *network, Error *err);
/* Lets go of the tensors that are not marked, and gives the others these names (tensor_count of them, NULL where not
 * kept), which it takes over. */
void network_keep_tensors(Network *network, const bool *keep, char **names);
bool network_copy_layers(Network *copy, const Network *network, Error *err);
void network_free_layers(Network *network);

/* The normalisation that networks of this input and number of classes are usually trained with; channels 0 where there
 * is none to guess. */
Normalisation normalisation_guess(unsigned channels, unsigned classes);

#endif
