/* corrupt_jpeg -- jpeg_compression: an image to JPEG and back, in memory. The one place that writes JPEG, through
 * libjpeg: its defaults (4:2:0 chroma of colour images, integer DCT, smooth upsampling) are those of the published
 * script's Pillow.
 */
#include "data/corrupt.h"

#include <stdio.h>
#include <jpeglib.h>
#include <setjmp.h>
#include <stdlib.h>

#include "weft/base/error.h"
#include "weft/base/random.h"

/* libjpeg calls this instead of returning; its own would end the process. */
typedef struct Failure {
    struct jpeg_error_mgr manager;
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
} Failure;

static void jump_back(j_common_ptr jpeg) {
    Failure *failure = (Failure *)jpeg->err;
    jpeg->err->format_message(jpeg, failure->text);
    longjmp(failure->back, 1);
}

static void no_message(j_common_ptr jpeg) {
    (void)jpeg;
}

static struct jpeg_error_mgr *catch_failures(Failure *failure) {
    jpeg_std_error(&failure->manager);
    failure->manager.error_exit = jump_back;
    failure->manager.output_message = no_message;
    return &failure->manager;
}

/* `pixels`, height x width x channels, to a JPEG of malloc's memory, *out. */
static bool compress(const Studio *studio, const uint8_t *pixels, int quality, unsigned char **out, unsigned long *size,
                     Failure *failure) {
    struct jpeg_compress_struct jpeg = {.err = catch_failures(failure)};
    if (setjmp(failure->back)) {
        jpeg_destroy_compress(&jpeg);
        return false;
    }
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, out, size);
    jpeg.image_width = studio->width;
    jpeg.image_height = studio->height;
    jpeg.input_components = (int)studio->channels;
    jpeg.in_color_space = studio->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + (size_t)jpeg.next_scanline * studio->width * studio->channels);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return true;
}

static bool decompress(const Studio *studio, const unsigned char *bytes, unsigned long size, uint8_t *pixels,
                       Failure *failure) {
    struct jpeg_decompress_struct jpeg = {.err = catch_failures(failure)};
    if (setjmp(failure->back)) {
        jpeg_destroy_decompress(&jpeg);
        return false;
    }
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, bytes, size);
    jpeg_read_header(&jpeg, TRUE);
    jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW row = pixels + (size_t)jpeg.output_scanline * studio->width * studio->channels;
        jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    return true;
}

void corrupt_jpeg_compression(Studio *studio, unsigned severity, Rng *rng) {
    static const int quality[SEVERITIES] = {80, 65, 58, 50, 40};
    Failure failure = {.text = ""};
    uint8_t *pixels = (uint8_t *)studio->spare; /* channels x area bytes, which are fewer than its doubles */
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    const unsigned channels = studio->channels;
    (void)rng;
    for (size_t i = 0; i < studio->area * channels; i++)
        pixels[i] = (uint8_t)(studio->picture[i % channels * studio->area + i / channels] * 255 + 0.5);
    if (compress(studio, pixels, quality[severity], &bytes, &size, &failure) &&
        decompress(studio, bytes, size, pixels, &failure)) {
        for (size_t i = 0; i < studio->area * channels; i++)
            studio->picture[i % channels * studio->area + i / channels] = (double)pixels[i] / 255;
    } else {
        error_set(&studio->error, STATUS_FAILED, "jpeg_compression: %s", failure.text);
    }
    free(bytes);
}
