/* ranks_worker -- a worker's side: one thread hears rank 0, the others compute.
 *
 * A worker has nothing of its own: when rank 0 is gone, it ends at once.
 */
#include "ranks.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

typedef struct Item {
    size_t place, item;
} Item;

static struct {
    int fd;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    char *parcel; /* the next command, not taken yet */
    size_t parcel_length;
    uint64_t parcel_command;
    uint64_t command; /* that this process runs; 0: none */
    uint32_t map;
    bool over, done; /* the command; the map, whose results are: */
    char *results;
    size_t results_length;
    Item *items; /* not begun */
    size_t item_count, item_capacity;
    pthread_mutex_t sending; /* one frame at a time */
} worker = {.fd = -1,
            .lock = PTHREAD_MUTEX_INITIALIZER,
            .changed = PTHREAD_COND_INITIALIZER,
            .sending = PTHREAD_MUTEX_INITIALIZER};

static void send_frame(Frame frame, const void *bytes, size_t length) {
    pthread_mutex_lock(&worker.sending);
    const bool sent = frame_send(worker.fd, frame, bytes, length);
    pthread_mutex_unlock(&worker.sending);
    if (!sent) _exit(0);
}

/* About the command that runs; only from threads that run it. */
static Frame framed(FrameKind kind, size_t place, size_t item) {
    return (Frame){.kind = kind, .map = worker.map, .command = worker.command, .place = place, .item = item};
}

/* ---- hearing ----------------------------------------------------------------------------------------------------- */

static void cancel_to(int level) {
    while (cancel_level() < level) cancel_request();
}

static void take_item(const Frame *frame) {
    Error err;
    if (!mem_grow(&worker.items, &worker.item_capacity, worker.item_count + 1, sizeof *worker.items, &err)) _exit(1);
    worker.items[worker.item_count++] = (Item){frame->place, frame->item};
}

/* Under the lock. Takes `bytes` over where it keeps them. */
static void take_frame(const Frame *frame, char **bytes) {
    if (frame->kind == FRAME_QUIT) _exit(0);
    if (frame->kind == FRAME_COMMAND) {
        mem_free(worker.parcel);
        worker.parcel = *bytes;
        worker.parcel_length = frame->length;
        worker.parcel_command = frame->command;
        *bytes = NULL;
    } else if (frame->kind == FRAME_OVER && worker.parcel && worker.parcel_command == frame->command) {
        mem_free(worker.parcel); /* before it had begun */
        worker.parcel = NULL;
    }
    if (frame->command != worker.command) return;
    if (frame->kind == FRAME_ITEM && frame->map == worker.map) {
        take_item(frame);
    } else if (frame->kind == FRAME_RESULTS && frame->map == worker.map) {
        worker.done = true;
        mem_free(worker.results);
        worker.results = *bytes;
        worker.results_length = frame->length;
        *bytes = NULL;
    } else if (frame->kind == FRAME_OVER) {
        worker.over = true;
        cancel_to(2); /* what it may still compute is for nobody */
    } else if (frame->kind == FRAME_CANCEL) {
        cancel_to((int)frame->item);
    }
}

static void *hear(void *unused) {
    enum { BEAT = 5000 };
    (void)unused;
    for (;;) {
        struct pollfd poll_one = {.fd = worker.fd, .events = POLLIN};
        const int ready = poll(&poll_one, 1, BEAT);
        if (ready < 0 && errno != EINTR) _exit(0);
        if (ready <= 0) {
            send_frame((Frame){.kind = FRAME_BEAT}, NULL, 0);
            continue;
        }
        Frame frame;
        char *bytes;
        if (!frame_receive(worker.fd, UINT64_MAX / 2, &frame, &bytes)) _exit(0);
        pthread_mutex_lock(&worker.lock);
        take_frame(&frame, &bytes);
        pthread_cond_broadcast(&worker.changed);
        pthread_mutex_unlock(&worker.lock);
        mem_free(bytes);
    }
}

bool worker_start(int fd, Error *err) {
    pthread_t thread;
    sigset_t all, before;
    worker.fd = fd;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool done = pthread_create(&thread, NULL, hear, NULL) == 0 && pthread_detach(thread) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return done || error_set(err, STATUS_FAILED, "cannot start a thread");
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

/* Waits for the next change, but looks for signals now and then. */
static void await_change(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 200000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&worker.changed, &worker.lock, &until);
}

bool ranks_await(char **parcel, size_t *length) {
    pthread_mutex_lock(&worker.lock);
    while (!worker.parcel && cancel_level() == 0) await_change();
    *parcel = worker.parcel;
    *length = worker.parcel_length;
    worker.parcel = NULL;
    worker.command = worker.parcel_command;
    worker.map = 0;
    worker.over = false;
    worker.item_count = 0;
    pthread_mutex_unlock(&worker.lock);
    return *parcel != NULL;
}

/* The cancellation was rank 0's, and of this command. */
void ranks_leave(const Error *failure) {
    pthread_mutex_lock(&worker.lock);
    const bool over = worker.over || cancel_level() > 0;
    pthread_mutex_unlock(&worker.lock);
    send_frame(framed(FRAME_LEFT, 0, 0), failure, failure && !over ? sizeof *failure : 0);
    pthread_mutex_lock(&worker.lock);
    worker.command = 0;
    cancel_clear();
    pthread_mutex_unlock(&worker.lock);
}

/* ---- maps -------------------------------------------------------------------------------------------------------- */

bool worker_join(const char *what, size_t count, Error *err) {
    pthread_mutex_lock(&worker.lock);
    worker.map++;
    worker.done = false;
    worker.item_count = 0;
    const bool over = worker.over;
    pthread_mutex_unlock(&worker.lock);
    if (over) return error_set(err, STATUS_CANCELLED, "%s: the command is over", what);
    send_frame(framed(FRAME_JOIN, 0, count), what, strlen(what));
    return true;
}

bool worker_next(size_t *place, size_t *item) {
    send_frame(framed(FRAME_WANT, 0, 0), NULL, 0);
    pthread_mutex_lock(&worker.lock);
    while (worker.item_count == 0 && !worker.done && !worker.over) pthread_cond_wait(&worker.changed, &worker.lock);
    const bool there = worker.item_count > 0 && !worker.over;
    if (there) {
        *place = worker.items[0].place;
        *item = worker.items[0].item;
        memmove(worker.items, worker.items + 1, --worker.item_count * sizeof *worker.items);
    }
    pthread_mutex_unlock(&worker.lock);
    return there;
}

void worker_answer(size_t place, size_t item, const Str *bytes, const Error *failure) {
    if (failure)
        send_frame(framed(FRAME_FAILED, place, item), failure, sizeof *failure);
    else
        send_frame(framed(FRAME_DONE, place, item), str_text(bytes), bytes->length);
}

bool worker_results(char **bytes, size_t *length, Error *err) {
    pthread_mutex_lock(&worker.lock);
    const bool done = worker.done && !worker.over;
    *bytes = worker.results;
    *length = worker.results_length;
    worker.results = NULL;
    pthread_mutex_unlock(&worker.lock);
    if (done) return true;
    mem_free(*bytes);
    *bytes = NULL;
    return error_set(err, STATUS_CANCELLED, "the command is over");
}
