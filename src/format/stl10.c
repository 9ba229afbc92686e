/* stl10 -- the binary version of STL-10 (Coates, Lee, Ng, 2011).
 *
 *     *_X.bin: n x 27648 bytes: 3 planes (red, green, blue) of 96 x 96 pixels, each plane column by column
 *     *_y.bin: n x label u8, 1 to 10
 *
 * There is no header. Source: https://cs.stanford.edu/~acoates/stl10/.
 */
#include "weft/format.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"

enum { SIDE = 96, PLANE = SIDE * SIDE, PIXELS = 3 * PLANE, CLASSES = 10 };

static bool check_sizes(const File *images, const File *labels, uint64_t *count, Error *err) {
    const uint64_t size = file_size(images);
    if (size == 0) return error_set(err, STATUS_BAD_INPUT, "%s: the file is empty", file_name(images));
    if (size % PIXELS)
        return error_set(err, STATUS_BAD_INPUT, "%s: %llu bytes are not a multiple of STL-10's image size %d",
                         file_name(images), (unsigned long long)size, PIXELS);
    *count = size / PIXELS;
    if (labels && file_size(labels) != *count)
        return error_set(err, STATUS_BAD_INPUT, "%s: %llu images, but %llu labels in %s", file_name(images),
                         (unsigned long long)*count, (unsigned long long)file_size(labels), file_name(labels));
    return true;
}

static bool read_labels(const File *file, uint64_t count, uint16_t *out, Error *err) {
    uint8_t bytes[4096];
    for (uint64_t done = 0; done < count;) {
        const uint64_t some = count - done < sizeof bytes ? count - done : sizeof bytes;
        if (!file_read(file, done, bytes, some, err)) return false;
        for (uint64_t i = 0; i < some; i++, done++) {
            if (bytes[i] < 1 || bytes[i] > CLASSES)
                return error_set(err, STATUS_BAD_INPUT, "%s: label %u of image %llu; STL-10's labels are 1 to %d",
                                 file_name(file), bytes[i], (unsigned long long)done, CLASSES);
            out[done] = (uint16_t)(bytes[i] - 1);
        }
    }
    return true;
}

/* Planes of columns to planes of rows. */
static void transpose(const uint8_t *in, uint8_t *out) {
    for (unsigned c = 0; c < 3; c++, in += PLANE, out += PLANE)
        for (unsigned y = 0; y < SIDE; y++)
            for (unsigned x = 0; x < SIDE; x++) out[y * SIDE + x] = in[x * SIDE + y];
}

static bool read_images(const File *file, uint64_t count, uint8_t *out, Error *err) {
    uint8_t image[PIXELS];
    for (uint64_t i = 0; i < count; i++) {
        if (!task_step(NULL, "reading", i, count, err) || !file_read(file, i * PIXELS, image, PIXELS, err))
            return false;
        transpose(image, out + i * PIXELS);
    }
    return true;
}

bool stl10_parse(const File *images, const File *labels, uint64_t limit, ImageRecords *out, Error *err) {
    uint64_t count = 0;
    if (!check_sizes(images, labels, &count, err)) return false;
    if (limit > 0 && limit < count) count = limit;
    if (!mem_admit(count * (PIXELS + sizeof *out->labels), file_name(images), err) ||
        !mem_grow(&out->pixels, &out->pixel_capacity, count * PIXELS, 1, err) ||
        (labels && !mem_grow(&out->labels, &out->label_capacity, count, sizeof *out->labels, err)) ||
        (labels && !read_labels(labels, count, out->labels, err)) || !read_images(images, count, out->pixels, err))
        return false;
    out->count = count;
    return true;
}
