/* ranks_frame -- messages between ranks: a head of fixed size, then bytes. Both sides are the same program on the same
 * kind of machine, which HELLO makes sure of, so numbers go as they are.
 */
#include "ranks.h"

#include <errno.h>
#include <sys/socket.h>

#include "weft/base/memory.h"

static bool send_all(int fd, const void *bytes, size_t length, int more) {
    const char *at = bytes;
    while (length > 0) {
        const ssize_t sent = send(fd, at, length, MSG_NOSIGNAL | more);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

static bool receive_all(int fd, void *bytes, size_t length) {
    char *at = bytes;
    while (length > 0) {
        const ssize_t got = recv(fd, at, length, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        length -= (size_t)got;
    }
    return true;
}

bool frame_send(int fd, Frame frame, const void *bytes, size_t length) {
    frame.length = length;
    return send_all(fd, &frame, sizeof frame, length ? MSG_MORE : 0) && send_all(fd, bytes, length, 0);
}

bool frame_receive(int fd, uint64_t most, Frame *frame, char **bytes) {
    Error ignored;
    *bytes = NULL;
    if (!receive_all(fd, frame, sizeof *frame) || frame->length > most) return false;
    if (!(*bytes = mem_alloc(frame->length + 1, 1, &ignored))) return false;
    if (receive_all(fd, *bytes, frame->length)) return true;
    mem_free(*bytes);
    *bytes = NULL;
    return false;
}
