/* torch -- PyTorch files. */
#include "format/checkpoint.h"
#include "format/zip.h"

Checkpoint *torch_legacy_open(File *file, Error *err) {
    file_close(file);
    error_set(err, STATUS_BAD_INPUT, "PyTorch files are not read yet");
    return NULL;
}

Checkpoint *torch_zip_open(Zip *zip, Error *err) {
    zip_close(zip);
    error_set(err, STATUS_BAD_INPUT, "PyTorch files are not read yet");
    return NULL;
}
