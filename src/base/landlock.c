/* landlock -- the second wall of weft/base/confine.h: a ruleset of the Linux kernel, by its system calls, since no
 * library is needed for three of them (https://docs.kernel.org/userspace-api/landlock.html). */
#include "weft/base/confine.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(SYS_landlock_create_ruleset) && defined(SYS_landlock_add_rule) && defined(SYS_landlock_restrict_self)

/* As in <linux/landlock.h>, whose older versions lack the newer ones. */
enum {
    EXECUTE = 1 << 0,
    WRITE_FILE = 1 << 1,
    REMOVE_DIR = 1 << 4,
    REMOVE_FILE = 1 << 5,
    MAKE_CHAR = 1 << 6,
    MAKE_DIR = 1 << 7,
    MAKE_REG = 1 << 8,
    MAKE_SOCK = 1 << 9,
    MAKE_FIFO = 1 << 10,
    MAKE_BLOCK = 1 << 11,
    MAKE_SYM = 1 << 12,
    REFER = 1 << 13,    /* since version 2: renaming into another folder */
    TRUNCATE = 1 << 14, /* 3 */
    BIND_TCP = 1 << 0,  /* 4 */
    CONNECT_TCP = 1 << 1,
    SCOPE_ABSTRACT_SOCKETS = 1 << 0, /* 6 */
    SCOPE_SIGNALS = 1 << 1,
    ASK_VERSION = 1 << 0,
    ALL_THREADS = 1 << 3, /* 8 */
    RULE_PATH_BENEATH = 1,
    FOLDER = O_PATH | O_DIRECTORY | O_CLOEXEC
};
typedef struct Ruleset {
    uint64_t files, network, scoped;
} Ruleset;
typedef struct PathBeneath {
    uint64_t allowed;
    int32_t folder;
} __attribute__((packed)) PathBeneath;

/* What this version of the kernel's interface can refuse; all of it is refused, but for what weft does below the
 * working folder. */
static Ruleset ruleset_of(unsigned version, size_t *size) {
    Ruleset rules = {.files = EXECUTE | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_CHAR | MAKE_DIR | MAKE_REG |
                              MAKE_SOCK | MAKE_FIFO | MAKE_BLOCK | MAKE_SYM};
    *size = offsetof(Ruleset, network);
    if (version >= 2) rules.files |= REFER;
    if (version >= 3) rules.files |= TRUNCATE;
    if (version >= 4) {
        rules.network = BIND_TCP | CONNECT_TCP;
        *size = offsetof(Ruleset, scoped);
    }
    if (version >= 6) {
        rules.scoped = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS;
        *size = sizeof rules;
    }
    return rules;
}

unsigned confine_kernel_version(void) {
    const long version = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
    return version > 0 ? (unsigned)version : 0;
}

bool confine_kernel(void) {
    const unsigned version = confine_kernel_version();
    size_t size;
    if (!confined() || version == 0) return false;
    const Ruleset rules = ruleset_of(version, &size);
    const int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0), folder = open(".", FOLDER);
    const PathBeneath here = {.allowed = rules.files &
                                         (WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | TRUNCATE),
                              .folder = folder};
    bool done = ruleset >= 0 && folder >= 0 &&
                syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &here, 0) == 0 &&
                prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    done = done && ((version >= 8 && syscall(SYS_landlock_restrict_self, ruleset, ALL_THREADS) == 0) ||
                    syscall(SYS_landlock_restrict_self, ruleset, 0) == 0);
    if (ruleset >= 0) close(ruleset);
    if (folder >= 0) close(folder);
    return done;
}

#else

unsigned confine_kernel_version(void) {
    return 0;
}

bool confine_kernel(void) {
    return false;
}

#endif
