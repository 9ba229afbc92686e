/* fuzz_predictor -- any bytes as the description of a weight predictor, and as a file that holds one. What is
 * understood is laid out within the budget and described again. */
#include "fuzz.h"
#include "predictor/internal.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

static void describe(const uint8_t *bytes, size_t length) {
    Error err;
    Str again = {0};
    char *text = mem_copy_bytes(bytes, length, &err);
    Predictor *predictor = text ? mem_alloc(1, sizeof *predictor, &err) : NULL;
    if (predictor && predictor_understand(predictor, text, &err) && predictor_lay_out(predictor, &err))
        predictor_describe(predictor, &again, &err);
    str_done(&again);
    predictor_free(predictor);
    mem_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    Error err;
    mem_set_budget(FUZZ_BUDGET);
    describe(bytes, length);
    File *file = file_memory("/nowhere/input", bytes, length, &err);
    Checkpoint *checkpoint = file ? checkpoint_parse(file, &err) : NULL;
    if (checkpoint) predictor_free(predictor_from_checkpoint(checkpoint, NULL, NULL, &err));
    checkpoint_close(checkpoint);
    return 0;
}
