/* resnet -- files of CIFAR ResNets with random weights, right or spoilt in one place, for tests of loading. */
#ifndef WEFT_TESTS_RESNET_H
#define WEFT_TESTS_RESNET_H

#include <stdbool.h>

typedef struct ResNetFile {
    unsigned channels, classes, width[3], blocks[3];
    const char *shortcut; /* NULL: option A; "shortcut" or "downsample": option B by that name */
    const char *last;     /* "fc" or "linear" */
    bool counters;        /* num_batches_tracked, I64, one of them 2^53 + 1 */
    const char *omit;     /* the name of a tensor to leave out */
    const char *add;      /* the name of a tensor of 3 numbers to add */
    const char *reshape;  /* the name of a tensor to store with one dimension more */
} ResNetFile;

/* ResNet8 of widths 4/6/8, 3 channels, 10 classes, option A, "linear", no counters. */
extern const ResNetFile resnet_small;

/* As safetensors; false where it could not be written. The same weights each time. */
bool write_resnet(const char *path, const ResNetFile *file);

#endif
