/* fuzz_run -- any bytes as one file of a run folder: the folder is listed, its log read, and the run resumed for a
 * step. The first byte chooses the file. The seeds in runs/ are the files of such a folder. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "shell/jobs.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/record.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/net.h"
#include "weft/train.h"

enum { FILES = 16, PATH = 300 };

/* A whole run, as it is put back before each input. */
static struct {
    char name[64], *bytes;
    size_t length;
} kept[FILES];
static size_t kept_count;
static char root[64], folder[PATH];

static TrainWish stop(void *context, const TrainStatus *status) {
    (void)context;
    (void)status;
    return TRAIN_STOP;
}

static void write_file(const char *name, const void *bytes, size_t length) {
    char path[PATH + 80];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, bytes, length) != (ssize_t)length) abort();
    close(fd);
}

static void keep_files(void) {
    DIR *listing = opendir(folder);
    if (!listing) abort();
    for (struct dirent *entry; (entry = readdir(listing)) && kept_count < FILES;) {
        char path[2 * PATH];
        Error err;
        if (entry->d_type != DT_REG) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        snprintf(kept[kept_count].name, sizeof kept->name, "%.63s", entry->d_name);
        kept[kept_count].bytes = file_read_all(path, 1 << 24, &kept[kept_count].length, &err);
        if (!kept[kept_count++].bytes) abort();
    }
    closedir(listing);
}

static void clean(void) {
    char command[PATH + 32];
    snprintf(command, sizeof command, "rm -rf %s", root);
    if (system(command) != 0) return;
}

static void start(void) {
    Error err;
    TrainResults results;
    pool_set_threads(1);
    mem_set_budget(FUZZ_BUDGET);
    snprintf(root, sizeof root, "%s/weft-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(root)) abort();
    atexit(clean);
    snprintf(folder, sizeof folder, "%s/run", root);
    Network *network = network_load("samples/fashion-resnet8.safetensors", NULL, &err);
    TrainJob job = {.config = train_config(), .name = "p", .command = "train p", .source = network, .folder = folder};
    job.config.predictor.hidden = 4;
    job.config.steps = 4;
    job.config.batch = 64;
    job.config.save_every = 2;
    if (!network || !train_run(&job, &results, &err)) abort();
    train_results_done(&results);
    network_free(network);
    keep_files();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const char *const names[] = {"config.json", "log.csv", "lock", "last.safetensors", "source.safetensors"};
    Error err;
    Job listed;
    RunRecord record;
    TrainResults results;
    if (!kept_count) start();
    if (length == 0) return 0;
    for (size_t i = 0; i < kept_count; i++) write_file(kept[i].name, kept[i].bytes, kept[i].length);
    write_file(names[bytes[0] % 5], bytes + 1, length - 1);
    if (job_read(folder, &listed, &err)) job_done(&listed);
    if (record_read(folder, &record, &err)) record_done(&record);
    table_free(run_log_table(folder, &err));
    const TrainJob job = {.folder = folder, .watch = stop};
    if (train_resume(&job, &results, &err)) train_results_done(&results);
    return 0;
}
