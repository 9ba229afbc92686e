/* ranks_head -- rank 0's side: a thread that hears all workers, gives them items and takes their results.
 *
 * A worker asks for an item for each lane (thread) that waits, and is asked nothing while it computes. What it was
 * given is remembered, and goes back to the map when its connection ends or it has been silent for too long.
 */
#include "ranks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "weft/base/machine.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/base/version.h"

enum { HELLO_MOST = 4096, LOOK = 100 /* ms between looks at the cancellation */, SILENCE = 60 /* s */ };

typedef struct Out {
    size_t place, item;
} Out;

typedef struct Rank {
    int fd; /* -1: not there yet, or no more */
    bool known;
    char host[65];
    uint64_t command; /* the newest that it was told */
    uint32_t map;     /* of that command, in which it is; 0: in none */
    size_t hungry;    /* lanes that wait there */
    bool unfit;       /* it lacked memory or a file there: it gets no more items of that map */
    Out *out;
    size_t out_count, out_capacity;
    double heard;
    Str said; /* why it took no part in a command, or could not do an item: once is enough */
} Rank;

static struct {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    pthread_t thread, caller; /* caller: whose commands these are */
    int listening, wake[2];
    pid_t launcher; /* the process that started this one; 0: it is gone */
    unsigned size;
    const char *secret;
    void (*say)(const char *text);
    Rank *rank; /* by number; [0] is not used */
    bool stopping;
    RanksCommand *running;
    uint64_t command; /* the number of the running one, which changes with each */
    bool told;        /* the parcel is made and was sent to those there */
    bool strange;     /* not every worker has what the last parcel held */
    Str parcel;
    uint32_t map; /* of the command, the newest */
    const Shared *shared;
    size_t outstanding; /* items that are out, of all ranks */
    bool lost;          /* one came back */
    Str *results;       /* of the maps that are done, by number */
    size_t results_capacity;
    int level; /* of cancellation, that the workers know */
} head = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void say(const char *format, unsigned number, const char *host, const char *rest) {
    Str text = {0};
    str_addf(&text, "rank %u (%s) ", number, host);
    str_addf(&text, format, rest); /* NOLINT: formats of this file */
    if (head.say) head.say(str_text(&text));
    str_done(&text);
}

/* ---- ranks ------------------------------------------------------------------------------------------------------- */

/* What it was given goes back to the map. */
static size_t take_back(Rank *rank) {
    const size_t count = rank->out_count;
    for (size_t i = 0; i < count; i++) head.shared->lost(head.shared->context, rank->out[i].place);
    head.outstanding -= count;
    rank->out_count = 0;
    if (count > 0) head.lost = true;
    pthread_cond_broadcast(&head.changed);
    return count;
}

static void feed_all(void);

static void drop(unsigned number, const char *why) {
    Rank *rank = &head.rank[number];
    char rest[160];
    if (rank->fd < 0) return;
    close(rank->fd);
    rank->fd = -1;
    rank->map = 0;
    rank->hungry = 0;
    const size_t count = take_back(rank);
    if (head.stopping) return;
    snprintf(rest, sizeof rest, "%s; ", why);
    if (count)
        snprintf(rest, sizeof rest, "%s; the others take over what it was doing (%zu item%s)", why, count,
                 count == 1 ? "" : "s");
    else
        snprintf(rest, sizeof rest, "%s; the others go on", why);
    say("%s", number, rank->host, rest);
    feed_all();
}

static bool tell(unsigned number, Frame frame, const char *bytes, size_t length) {
    Rank *rank = &head.rank[number];
    if (rank->fd < 0) return false;
    if (frame_send(rank->fd, frame, bytes, length)) return true;
    drop(number, "is gone");
    return false;
}

/* Gives items to the lanes that wait. */
static void feed(unsigned number) {
    Rank *rank = &head.rank[number];
    Error ignored;
    while (head.shared && rank->fd >= 0 && rank->hungry > 0 && rank->command == head.command && rank->map == head.map) {
        Out out;
        if (!mem_grow(&rank->out, &rank->out_capacity, rank->out_count + 1, sizeof *rank->out, &ignored) ||
            !head.shared->take(head.shared->context, &out.place, &out.item))
            return;
        rank->hungry--;
        rank->out[rank->out_count++] = out;
        head.outstanding++;
        tell(
            number,
            (Frame){.kind = FRAME_ITEM, .map = head.map, .command = head.command, .place = out.place, .item = out.item},
            NULL, 0);
    }
}

static void feed_all(void) {
    for (unsigned i = 1; i < head.size; i++) feed(i);
}

static void send_command(unsigned number) {
    head.rank[number].command = head.command;
    head.rank[number].map = 0;
    head.rank[number].hungry = 0;
    tell(number, (Frame){.kind = FRAME_COMMAND, .command = head.command}, str_text(&head.parcel), head.parcel.length);
}

/* It is in a map that is done, and others follow. */
static void send_results(unsigned number) {
    Rank *rank = &head.rank[number];
    const uint32_t map = rank->map;
    rank->map = 0;
    rank->hungry = 0;
    tell(number, (Frame){.kind = FRAME_RESULTS, .map = map, .command = head.command}, str_text(&head.results[map - 1]),
         head.results[map - 1].length);
}

/* ---- what workers say -------------------------------------------------------------------------------------------- */

static void join(unsigned number, const Frame *frame, const char *name) {
    Rank *rank = &head.rank[number];
    const bool current = head.shared && frame->map == head.map;
    if (frame->map < 1 || frame->map > head.map ||
        (current && (frame->item != head.shared->count || strcmp(name, head.shared->what) != 0))) {
        tell(number, (Frame){.kind = FRAME_OVER, .command = frame->command}, NULL, 0);
        say("%s", number, rank->host, "came to another computation than this process; it is left out");
        return;
    }
    rank->map = frame->map;
    rank->hungry = 0;
    rank->unfit = false;
    if (frame->map < head.map) send_results(number);
}

/* What it could not do, in a line; the same is not said twice. */
static void say_failure(unsigned number, const char *what, const Error *failure, const char *rest) {
    Rank *rank = &head.rank[number];
    Str text = {0};
    str_addf(&text, "%s: %s%s", what, failure->text, rest);
    if (strcmp(str_text(&text), str_text(&rank->said)) != 0) say("%s", number, rank->host, str_text(&text));
    str_done(&rank->said);
    rank->said = text;
}

static void fail(unsigned number, size_t place, const char *bytes) {
    Rank *rank = &head.rank[number];
    Error failure;
    memcpy(&failure, bytes, sizeof failure);
    if (!head.shared->failed(head.shared->context, place, &failure)) return;
    head.lost = true;
    if (!rank->unfit) say_failure(number, "could not do its part", &failure, "; the others take over");
    rank->unfit = true;
    rank->hungry = 0;
}

static void answer(unsigned number, const Frame *frame, const char *bytes) {
    Rank *rank = &head.rank[number];
    size_t i = 0;
    while (i < rank->out_count && rank->out[i].place != frame->place) i++;
    if (!head.shared || frame->map != head.map || i == rank->out_count) return; /* nobody waits for it any more */
    rank->out[i] = rank->out[--rank->out_count];
    if (frame->kind == FRAME_DONE)
        head.shared->done(head.shared->context, frame->place, frame->item, bytes, frame->length);
    else if (frame->length == sizeof(Error))
        fail(number, frame->place, bytes);
    head.outstanding--;
    pthread_cond_broadcast(&head.changed);
}

static void leave(unsigned number, const char *bytes, size_t length) {
    Rank *rank = &head.rank[number];
    rank->map = 0;
    rank->hungry = 0;
    if (length != sizeof(Error)) return;
    head.strange = true;
    Error failure;
    memcpy(&failure, bytes, sizeof failure);
    say_failure(number, "takes no part", &failure, "; the others go on");
}

static void hear(unsigned number) {
    Rank *rank = &head.rank[number];
    Frame frame;
    char *bytes;
    if (!frame_receive(rank->fd, UINT64_MAX / 2, &frame, &bytes)) {
        drop(number, "is gone");
        return;
    }
    rank->heard = clock_seconds();
    if (frame.kind != FRAME_BEAT && frame.command == head.command) {
        switch ((FrameKind)frame.kind) {
        case FRAME_JOIN:
            join(number, &frame, bytes);
            break;
        case FRAME_WANT:
            if (!rank->unfit) rank->hungry++;
            feed(number);
            break;
        case FRAME_DONE:
        case FRAME_FAILED:
            answer(number, &frame, bytes);
            break;
        case FRAME_LEFT:
            leave(number, bytes, frame.length);
            break;
        default:
            drop(number, "sent what it should not");
        }
    }
    mem_free(bytes);
}

/* ---- newcomers --------------------------------------------------------------------------------------------------- */

static bool next_line(char **at, char **line) {
    *line = *at;
    char *end = *at ? strchr(*at, '\n') : NULL;
    if (!end) return false;
    *end = '\0';
    *at = end + 1;
    return true;
}

/* Equal in a time that does not depend on where they differ. */
static bool same_secret(const char *a, const char *b) {
    unsigned char difference = strlen(a) != strlen(b);
    for (size_t i = 0; a[i] && b[i]; i++) difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

/* Its own lines: secret, version, CPU, machine. NULL: welcome; else why not. */
static const char *judge(unsigned number, char *text) {
    char *secret, *version, *cpu, *host;
    if (!next_line(&text, &secret) || !same_secret(secret, head.secret)) return "";
    if (number < 1 || number >= head.size || head.rank[number].known) return "";
    if (!next_line(&text, &version) || !next_line(&text, &cpu) || !next_line(&text, &host)) return "";
    snprintf(head.rank[number].host, sizeof head.rank->host, "%s", host);
    if (strcmp(version, WEFT_VERSION) != 0) return "is another version of weft; it is left out";
    if (strcmp(cpu, cpu_name()) != 0)
        say("has another kind of CPU (%s): last digits may depend on which machine computed them", number, host, cpu);
    return NULL;
}

static void limit_waiting(int fd, int seconds) {
    const struct timeval time = {.tv_sec = seconds};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

static void welcome(void) {
    enum { HELLO_SECONDS = 5 };
    Frame frame;
    char *text = NULL;
    const int fd = accept4(head.listening, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    limit_waiting(fd, HELLO_SECONDS);
    const bool heard = frame_receive(fd, HELLO_MOST, &frame, &text) && frame.kind == FRAME_HELLO;
    const unsigned number = heard && frame.item < head.size ? (unsigned)frame.item : 0;
    const char *refused = heard ? judge(number, text) : "";
    if (refused) {
        if (*refused) {
            head.rank[number].known = true;
            say("%s", number, head.rank[number].host, refused);
            frame_send(fd, (Frame){.kind = FRAME_REFUSED}, refused, strlen(refused));
        }
        close(fd);
    } else {
        limit_waiting(fd, SILENCE);
        head.rank[number].fd = fd;
        head.rank[number].known = head.strange = true;
        head.rank[number].heard = clock_seconds();
        if (tell(number, (Frame){.kind = FRAME_WELCOME}, NULL, 0) && head.told) send_command(number);
    }
    mem_free(text);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

/* Workers hear of a cancellation; after the second one, nothing of theirs is waited for. */
static void pass_cancellation(void) {
    const int level = cancel_level();
    if (level == head.level) return;
    if (level > head.level)
        for (unsigned i = 1; i < head.size; i++)
            if (head.rank[i].command == head.command)
                tell(i, (Frame){.kind = FRAME_CANCEL, .command = head.command, .item = (uint64_t)level}, NULL, 0);
    head.level = level;
    if (level < 2 || !head.shared) return;
    for (unsigned i = 1; i < head.size; i++) take_back(&head.rank[i]);
}

/* Not where this process was itself away (stopped, or busy with a parcel). */
static void drop_silent(void) {
    enum { AWAY = 10 };
    static double before;
    const double now = clock_seconds();
    const bool away = now - before > AWAY;
    before = now;
    for (unsigned i = 1; away && i < head.size; i++) head.rank[i].heard = now;
    for (unsigned i = 1; i < head.size; i++)
        if (head.rank[i].fd >= 0 && now - head.rank[i].heard > SILENCE) drop(i, "has not been heard of for a minute");
}

/* Without its launcher nobody reads what this process prints: it saves and ends, as when it is told to. */
static void watch_launcher(void) {
    if (head.launcher == 0 || getppid() == head.launcher) return;
    head.launcher = 0;
    kill(getpid(), SIGTERM);
}

static bool look(struct pollfd *polls) {
    watch_launcher();
    pthread_mutex_lock(&head.lock);
    polls[0] = (struct pollfd){.fd = head.wake[0], .events = POLLIN};
    polls[1] = (struct pollfd){.fd = head.listening, .events = POLLIN};
    for (unsigned i = 1; i < head.size; i++) polls[i + 1] = (struct pollfd){.fd = head.rank[i].fd, .events = POLLIN};
    const bool stopping = head.stopping;
    const bool idle = !head.shared;
    pthread_mutex_unlock(&head.lock);
    if (stopping) return false;
    if (poll(polls, head.size + 1, idle ? 1000 : LOOK) < 0) return true;
    pthread_mutex_lock(&head.lock);
    char byte;
    if (polls[0].revents && read(head.wake[0], &byte, 1) < 0) head.stopping = true;
    for (unsigned i = 1; i < head.size; i++)
        if (polls[i + 1].revents && head.rank[i].fd == polls[i + 1].fd) hear(i);
    if (polls[1].revents) welcome();
    pass_cancellation();
    drop_silent();
    pthread_mutex_unlock(&head.lock);
    return true;
}

static void *listen_on(void *polls) {
    while (look(polls)) {
    }
    mem_free(polls);
    return NULL;
}

static void wake(void) {
    const char byte = 0;
    if (write(head.wake[1], &byte, 1) < 0) return; /* it looks by itself, later */
}

bool head_start(unsigned size, int listening, const char *secret, void (*say_)(const char *text), Error *err) {
    head.size = size;
    head.listening = listening;
    head.secret = secret;
    head.say = say_;
    head.caller = pthread_self();
    head.launcher = getppid();
    struct pollfd *polls = mem_alloc(size + 1, sizeof *polls, err);
    head.rank = mem_alloc(size, sizeof *head.rank, err);
    if (!polls || !head.rank) return false;
    for (unsigned i = 0; i < size; i++) head.rank[i].fd = -1;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool done = pipe2(head.wake, O_CLOEXEC) == 0 && pthread_create(&head.thread, NULL, listen_on, polls) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return done || error_set(err, STATUS_FAILED, "cannot listen to the other ranks: %s", strerror(errno));
}

/* A short script may be over before all have come: they would say that they find nobody. */
static void await_newcomers(void) {
    enum { ROUNDS = 100 };
    const struct timespec moment = {.tv_nsec = 10000000};
    for (int i = 0; i < ROUNDS; i++) {
        unsigned known = 1;
        pthread_mutex_lock(&head.lock);
        for (unsigned k = 1; k < head.size; k++) known += head.rank[k].known;
        pthread_mutex_unlock(&head.lock);
        if (known == head.size || cancel_level() > 0) return;
        nanosleep(&moment, NULL);
    }
}

void head_stop(void) {
    if (!head.rank) return;
    await_newcomers();
    pthread_mutex_lock(&head.lock);
    head.stopping = true;
    for (unsigned i = 1; i < head.size; i++)
        if (head.rank[i].fd >= 0) frame_send(head.rank[i].fd, (Frame){.kind = FRAME_QUIT}, NULL, 0);
    pthread_mutex_unlock(&head.lock);
    wake();
    pthread_join(head.thread, NULL);
    for (unsigned i = 1; i < head.size; i++) {
        if (head.rank[i].fd >= 0) close(head.rank[i].fd);
        mem_free(head.rank[i].out);
        str_done(&head.rank[i].said);
    }
    mem_free(head.rank);
    mem_free(head.results);
    str_done(&head.parcel);
    close(head.listening);
    close(head.wake[0]);
    close(head.wake[1]);
    head.rank = NULL;
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

static void forget_results(void) {
    for (uint32_t i = 0; i < head.map && i < head.results_capacity; i++) str_done(&head.results[i]);
    head.map = 0;
}

/* The running command is another one: those who were told of the last one leave it. */
static void change_command(RanksCommand *command) {
    pthread_mutex_lock(&head.lock);
    for (unsigned i = 1; head.told && i < head.size; i++)
        if (head.rank[i].command == head.command) {
            head.rank[i].map = 0;
            tell(i, (Frame){.kind = FRAME_OVER, .command = head.command}, NULL, 0);
        }
    forget_results();
    str_done(&head.parcel);
    head.parcel = (Str){0};
    head.told = false;
    head.command++;
    head.level = 0;
    head.running = command;
    pthread_mutex_unlock(&head.lock);
}

void ranks_begin(RanksCommand *command) {
    if (!head.rank) return;
    command->outer = head.running;
    change_command(command);
}

void ranks_end(RanksCommand *command) {
    if (head.rank) change_command(command->outer);
}

void ranks_interrupt(void) {
    if (!head.rank) return;
    pthread_mutex_lock(&head.lock);
    for (unsigned i = 1; i < head.size; i++)
        if (head.rank[i].command == head.command)
            tell(i, (Frame){.kind = FRAME_CANCEL, .command = head.command, .item = 1}, NULL, 0);
    pthread_mutex_unlock(&head.lock);
}

/* Makes the parcel and sends it. A command that does not travel is done here. */
static bool tell_command(void) {
    Error err;
    if (head.told) return true;
    if (!head.running->pack || !head.running->pack(head.running->context, head.strange, &head.parcel, &err) ||
        head.parcel.failed) {
        str_done(&head.parcel);
        head.parcel = (Str){0};
        head.running->pack = NULL; /* nor later */
        return false;
    }
    head.told = true;
    head.strange = false;
    for (unsigned i = 1; i < head.size; i++) send_command(i);
    return true;
}

/* A map without missing items counts, so that all number them alike, but needs nobody. */
bool head_share(const Shared *shared) {
    Error ignored;
    if (!head.rank || !pthread_equal(head.caller, pthread_self())) return false;
    pthread_mutex_lock(&head.lock);
    bool done =
        head.running && mem_grow(&head.results, &head.results_capacity, head.map + 1, sizeof *head.results, &ignored);
    if (done) head.results[head.map] = (Str){0};
    done = done && (!shared->missing || tell_command());
    if (done) {
        head.map++;
        for (unsigned i = 1; head.told && i < head.size; i++)
            if (head.rank[i].command == head.command && head.rank[i].map > 0) send_results(i);
        head.outstanding = 0;
        head.lost = false;
        head.shared = shared;
    }
    pthread_mutex_unlock(&head.lock);
    wake();
    return done;
}

bool head_wait(void) {
    pthread_mutex_lock(&head.lock);
    while (head.outstanding > 0 && !head.lost) pthread_cond_wait(&head.changed, &head.lock);
    const bool lost = head.lost;
    head.lost = false;
    pthread_mutex_unlock(&head.lock);
    return lost;
}

void head_share_end(void) {
    pthread_mutex_lock(&head.lock);
    const Shared *shared = head.shared;
    Str *results = &head.results[head.map - 1];
    Error err;
    for (size_t item = 0; !shared->last && item < shared->count; item++) {
        Str bytes = {0};
        if (shared->pack(shared->context, item, &bytes, &err) && !bytes.failed) {
            const uint64_t sizes[2] = {item, bytes.length};
            str_add_bytes(results, (const char *)sizes, sizeof sizes);
            str_add_bytes(results, str_text(&bytes), bytes.length);
        }
        str_done(&bytes);
    }
    head.shared = NULL;
    for (unsigned i = 1; i < head.size; i++) head.rank[i].out_count = 0;
    head.outstanding = 0;
    pthread_mutex_unlock(&head.lock);
}
