/* ranks -- how the processes of a job find each other.
 *
 * Open MPI's and MPICH's launchers tell each process its number by the environment. The address of rank 0 is told by
 * weft-mpi-openmpi or weft-mpi-mpich, a program that each rank runs once (mpi/rendezvous.c): it is all of MPI that is
 * needed, and its library is never in this process.
 *
 * Launchers end a job in which a process was killed. So a worker computes in a child of the process that was launched,
 * which reports a death to nobody: rank 0 sees the end of the connection.
 */
#include "ranks.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <linux/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/base/machine.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"
#include "weft/base/version.h"

enum { SECRET = 16 /* bytes, from the system */, ADDRESSES_MOST = 64, CONNECT_SECONDS = 10 };

static struct {
    unsigned rank, size;
    unsigned here, cores; /* by the rendezvous; 0: not known */
    char secret[2 * SECRET + 1];
} job = {.size = 1};

unsigned ranks_count(void) {
    return job.size;
}

bool ranks_worker(void) {
    return job.rank > 0;
}

/* ---- the environment --------------------------------------------------------------------------------------------- */

static bool number_of(const char *name, unsigned *out) {
    uint64_t value;
    const char *text = getenv(name);
    if (!text || !text_to_u64(text, &value) || value > 1000000) return false;
    *out = (unsigned)value;
    return true;
}

typedef struct Launcher {
    const char *rank, *size;
    const char *kinds[2]; /* of rendezvous programs, the likelier first */
} Launcher;
/* mpirun of Open MPI; mpiexec of MPICH and its relatives, and srun --mpi=pmi2; srun --mpi=pmix. */
static const Launcher launchers[] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", {"openmpi", NULL}},
                                     {"PMI_RANK", "PMI_SIZE", {"mpich", NULL}},
                                     {"PMIX_RANK", "SLURM_STEP_NUM_TASKS", {"openmpi", "mpich"}}};
enum { LAUNCHERS = sizeof launchers / sizeof *launchers };

/* NULL: this process was not started as one of several. */
static const Launcher *launched(unsigned *rank, unsigned *size) {
    const char *off = getenv("WEFT_RANKS");
    if (off && strcmp(off, "off") == 0) return NULL;
    for (size_t i = 0; i < LAUNCHERS; i++)
        if (number_of(launchers[i].rank, rank) && number_of(launchers[i].size, size) && *size > 1 && *rank < *size)
            return &launchers[i];
    return NULL;
}

unsigned ranks_here(void) {
    return job.here > 0 ? job.here : 1;
}

unsigned ranks_cores(void) {
    return job.cores;
}

/* The process that started `process`, and whether it is MPICH's proxy, which passes output on to mpiexec. */
static pid_t starter_of(pid_t process, bool *proxy) {
    char path[64], text[512];
    long parent = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)process);
    FILE *file = fopen(path, "re");
    const bool read = file && fgets(text, sizeof text, file);
    if (file) fclose(file);
    const char *name = read ? strchr(text, '(') : NULL, *end = name ? strrchr(name, ')') : NULL;
    *proxy = name && strncmp(name, "(hydra_pmi_prox", 15) == 0;
    return end && sscanf(end, ") %*c %ld", &parent) == 1 ? (pid_t)parent : 0;
}

int ranks_terminal(void) {
    static int terminal = -2; /* not asked yet */
    bool proxy = true;
    if (job.size == 1 || job.rank > 0) return -1;
    if (terminal != -2) return terminal;
    terminal = -1;
    for (pid_t each = getppid(); each > 1 && proxy && terminal < 0;) {
        char path[64];
        const pid_t above = starter_of(each, &proxy);
        snprintf(path, sizeof path, "/proc/%ld/fd/2", (long)each);
        terminal = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        if (terminal >= 0 && !isatty(terminal)) {
            close(terminal);
            terminal = -1;
        }
        each = above;
    }
    return terminal;
}

/* ---- the rendezvous ---------------------------------------------------------------------------------------------- */

/* Next to this program (where it was built), or in ../libexec/weft (where it was installed). */
static bool find_program(const Launcher *launcher, Str *out, Error *err) {
    char self[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash) *slash = '\0';
    static const char *const folders[] = {"", "/../libexec/weft"};
    for (size_t k = 0; k < 2 && launcher->kinds[k]; k++)
        for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
            str_done(out);
            *out = (Str){0};
            str_addf(out, "%s%s/weft-mpi-%s", self, folders[i], launcher->kinds[k]);
            if (!str_ok(out, err)) return false;
            if (access(str_text(out), X_OK) == 0) return true;
        }
    return error_set(err, STATUS_FAILED,
                     "started as one of %u ranks, but weft was built without MPI: there is no weft-mpi-%s (make mpi "
                     "builds it; WEFT_RANKS=off ignores the ranks)",
                     job.size, launcher->kinds[0]);
}

/* Runs it with `in` as its input; what it prints into *out. */
static bool run_program(const char *path, const Str *in, Str *out, Error *err) {
    int to[2], from[2], status = -1;
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
        return error_set(err, STATUS_FAILED, "%s: %s", path, strerror(errno));
    const pid_t child = fork();
    if (child == 0) {
        if (dup2(to[0], STDIN_FILENO) < 0 || dup2(from[1], STDOUT_FILENO) < 0) _exit(127);
        if (chdir("/") != 0) _exit(127); /* no relative path in MPI's variables leads into the folder of a script */
        execl(path, path, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    bool done = child > 0 && write(to[1], str_text(in), in->length) == (ssize_t)in->length;
    close(to[1]);
    char buffer[1024];
    for (ssize_t got; (got = read(from[0], buffer, sizeof buffer)) != 0;) {
        if (got < 0 && errno != EINTR) break;
        if (got > 0) str_add_bytes(out, buffer, (size_t)got);
    }
    close(from[0]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    unsigned rank, size;
    done = done && status == 0 && !out->failed;
    if (done && (sscanf(str_text(out), "%u %u %u %u\n", &rank, &size, &job.here, &job.cores) != 4 || rank != job.rank ||
                 size != job.size))
        return error_set(err, STATUS_FAILED, "%s: numbers this process otherwise than its environment does", path);
    return done || error_set(err, STATUS_FAILED, "%s: the ranks could not find each other", path);
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static void machine_name(char out[65]) {
    if (gethostname(out, 65) != 0) out[0] = '\0';
    out[64] = '\0';
    out[strcspn(out, "\r\n \t")] = '\0';
    if (!*out) memcpy(out, "?", 2);
}

/* A socket on any free port; IPv6 where the system has it, which serves IPv4 too. */
static int listen_anywhere(uint16_t *port, Error *err) {
    struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    struct sockaddr_in any4 = {.sin_family = AF_INET};
    socklen_t size = sizeof any6;
    const int off = 0;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0 ||
                    bind(fd, (struct sockaddr *)&any6, sizeof any6) != 0)) {
        close(fd);
        fd = -1;
    }
    if (fd < 0) {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&any4, sizeof any4) != 0) goto failed;
    }
    if (listen(fd, SOMAXCONN) != 0 || getsockname(fd, (struct sockaddr *)&any6, &size) != 0) goto failed;
    *port = ntohs(any6.sin6_port); /* at the same place in both */
    return fd;
failed:
    error_set(err, STATUS_FAILED, "cannot listen to the other ranks: %s", strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

/* Adds " ADDRESS" for each of this machine that others may reach. */
static void add_addresses(Str *out) {
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0) return;
    for (struct ifaddrs *each = all; each; each = each->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        if (!each->ifa_addr || !(each->ifa_flags & IFF_UP) || (each->ifa_flags & IFF_LOOPBACK)) continue;
        const struct sockaddr_in6 *six = (const void *)each->ifa_addr;
        const struct sockaddr_in *four = (const void *)each->ifa_addr;
        const bool is_six = each->ifa_addr->sa_family == AF_INET6;
        if (!is_six && each->ifa_addr->sa_family != AF_INET) continue;
        if (is_six && IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr)) continue;
        const void *address = is_six ? (const void *)&six->sin6_addr : (const void *)&four->sin_addr;
        if (inet_ntop(each->ifa_addr->sa_family, address, text, sizeof text)) str_addf(out, " %s", text);
    }
    freeifaddrs(all);
}

/* A connection, or -1. */
static int connect_to(const char *address, uint16_t port) {
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    const bool is_six = inet_pton(AF_INET6, address, &six.sin6_addr) == 1;
    if (!is_six && inet_pton(AF_INET, address, &four.sin_addr) != 1) return -1;
    const int fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    const struct timeval limit = {.tv_sec = CONNECT_SECONDS}, none = {0};
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* also of connect */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, is_six ? (const void *)&six : (const void *)&four, is_six ? sizeof six : sizeof four) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
    return fd;
}

/* ---- rank 0 ------------------------------------------------------------------------------------------------------ */

static bool make_secret(Error *err) {
    unsigned char bytes[SECRET];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return error_set(err, STATUS_FAILED, "no random numbers: %s", strerror(errno));
    for (size_t i = 0; i < SECRET; i++) snprintf(job.secret + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

/* What the rendezvous tells: "SECRET PORT MACHINE ADDRESS ...". */
static bool start_head(const char *program, void (*say)(const char *text), Error *err) {
    Str in = {0}, out = {0};
    char machine[65];
    uint16_t port;
    if (!make_secret(err)) return false;
    const int listening = listen_anywhere(&port, err);
    if (listening < 0) return false;
    machine_name(machine);
    str_addf(&in, "%s %u %s", job.secret, port, machine);
    add_addresses(&in);
    const bool done = str_ok(&in, err) && run_program(program, &in, &out, err) &&
                      head_start(job.size, listening, job.secret, say, err);
    str_done(&in);
    str_done(&out);
    return done;
}

/* ---- workers ----------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t guarded;

static void pass_on(int number) {
    if (guarded > 0) kill((pid_t)guarded, number);
}

/* Returns in a child; this process waits for its end, of which the launcher learns nothing but that it is over. */
static bool guard_worker(Error *err) {
    static const int passed[] = {SIGTERM, SIGHUP, SIGQUIT};
    const pid_t self = getpid(), child = fork();
    if (child < 0) return error_set(err, STATUS_FAILED, "cannot start a process: %s", strerror(errno));
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != self) _exit(0);
        signal(SIGINT, SIG_IGN); /* rank 0 says what is to end */
        return true;
    }
    int status = 0;
    prctl(PR_SET_NAME, "weft-guard");
    guarded = child;
    signal(SIGINT, SIG_IGN);
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) signal(passed[i], pass_on);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 0);
}

static bool greet(int fd, Error *err) {
    Str hello = {0};
    Frame frame;
    char machine[65], *why = NULL;
    machine_name(machine);
    str_addf(&hello, "%s\n%s\n%s\n%s\n", job.secret, WEFT_VERSION, cpu_name(), machine);
    const bool heard = !hello.failed &&
                       frame_send(fd, (Frame){.kind = FRAME_HELLO, .item = job.rank}, str_text(&hello), hello.length) &&
                       frame_receive(fd, sizeof err->text, &frame, &why);
    if (!heard) _exit(0); /* rank 0 is gone, which its launcher tells */
    const bool done = frame.kind == FRAME_WELCOME;
    if (!done) error_set(err, STATUS_FAILED, "rank %u: %s", job.rank, why);
    str_done(&hello);
    mem_free(why);
    return done;
}

/* Tries the addresses of rank 0, the machine itself first where both are on one. */
static int connect_anywhere(char *addresses, const char *machine, uint16_t port, Error *err) {
    char own[65], *rest = NULL;
    machine_name(own);
    int fd = strcmp(own, machine) == 0 ? connect_to("127.0.0.1", port) : -1;
    for (char *each = strtok_r(addresses, " ", &rest); fd < 0 && each; each = strtok_r(NULL, " ", &rest))
        fd = connect_to(each, port);
    if (fd < 0)
        error_set(err, STATUS_FAILED, "rank %u (%s) cannot reach rank 0 (%s, port %u) by TCP", job.rank, own, machine,
                  port);
    return fd;
}

/* One that cannot reach rank 0 says so; the others need it not. */
static bool start_worker(const char *program, void (*say)(const char *text), Error *err) {
    Str in = {0}, out = {0};
    unsigned port;
    char machine[65];
    int after = 0, fd = -1;
    if (!run_program(program, &in, &out, err)) return false;
    const char *told = strchr(str_text(&out), '\n');
    if (told && sscanf(told, "%32s %u %64s%n", job.secret, &port, machine, &after) == 3 && port <= UINT16_MAX)
        fd = connect_anywhere(out.text + (told - out.text) + after, machine, (uint16_t)port, err);
    else
        error_set(err, STATUS_FAILED, "%s: told nothing of rank 0", program);
    str_done(&out);
    if (fd >= 0 && greet(fd, err) && worker_start(fd, err)) return true;
    say(err->text);
    _exit(0);
}

bool ranks_start(void (*say)(const char *text), Error *err) {
    unsigned rank, size;
    Str program = {0};
    const Launcher *launcher = launched(&rank, &size);
    if (!launcher) return true;
    job.rank = rank;
    job.size = size;
    ranks_terminal(); /* before there are threads */
    bool done = find_program(launcher, &program, err) && (rank == 0 || guard_worker(err)) &&
                (rank == 0 ? start_head(str_text(&program), say, err) : start_worker(str_text(&program), say, err));
    setenv("WEFT_RANKS", "off", 1); /* programs that this one starts are no ranks */
    str_done(&program);
    return done;
}

void ranks_stop(void) {
    if (job.size > 1 && job.rank == 0) head_stop();
}
