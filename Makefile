# weft -- build, test, install.
#
#   make                 the program, build/release/weft
#   make mpi             what mpirun needs (mpi/), for the MPI compilers found; part of make
#   make check           all tests in the current mode
#   make MODE=debug|asan the same, unoptimised | under AddressSanitizer and UBSan
#   make V=1             show commands;  make CC=clang  another compiler
#   make fuzz            every fuzz target for FUZZ_SECONDS (10) seconds, or FUZZ_RUNS executions; needs clang
#   make faults          every command, every allocation and file operation refused in turn
#   make format          the sources as clang-format 14 writes them; tests/style.sh checks it
#   make bench | install | uninstall (PREFIX, DESTDIR) | man | clean

MODE ?= release
PREFIX ?= /usr/local
DESTDIR ?=
BUILD := build/$(MODE)$(if $(filter-out cc gcc,$(CC)),-$(notdir $(CC)))

PACKAGES := lapacke openblas fftw3f ncursesw readline lua5.4 jansson zlib libxxhash cairo cairo-pdf libpng libjpeg libsixel
ifeq ($(filter clean uninstall,$(MAKECMDGOALS)),)
MISSING := $(shell command -v pkg-config >/dev/null 2>&1 || echo pkg-config; \
	for p in $(PACKAGES); do pkg-config --exists $$p 2>/dev/null || echo $$p; done)
ifneq ($(strip $(MISSING)),)
$(error missing: $(strip $(MISSING)). Run scripts/install-deps)
endif
PACKAGE_CFLAGS := $(shell pkg-config --cflags $(PACKAGES))
PACKAGE_LIBS := $(shell pkg-config --libs $(PACKAGES))
endif

CFLAGS_release := -O2 -g -fno-math-errno -fno-trapping-math
CFLAGS_debug := -O0 -g
CFLAGS_asan := -O2 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_asan := -fsanitize=address,undefined
CFLAGS_fuzz := $(CFLAGS_asan) -fsanitize=fuzzer-no-link
LDFLAGS_fuzz := $(LDFLAGS_asan)
CFLAGS_tsan := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
LDFLAGS_tsan := -fsanitize=thread
CFLAGS_coverage := -O0 -g --coverage
LDFLAGS_coverage := --coverage

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla
WERROR ?= -Werror
CPPFLAGS += -D_GNU_SOURCE -Iinclude -Isrc -DWEFT_DATADIR='"$(PREFIX)/share/weft"' -DWEFT_BUILD_MODE='"$(MODE)"'
ALL_CFLAGS = -std=gnu11 $(WARNINGS) $(WERROR) $(CFLAGS_$(MODE)) $(CPPFLAGS) $(PACKAGE_CFLAGS) $(CFLAGS) -MMD -MP
ALL_LIBS = $(LDFLAGS_$(MODE)) $(LDFLAGS) $(PACKAGE_LIBS) -lm -lpthread

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

SOURCES := $(sort $(wildcard src/*/*.c src/*/*/*.c src/*/*/*/*.c))
# Definitions of architectures and help topics go into the binary.
ARCHITECTURES := $(sort $(wildcard src/net/arch/*.lua))
TOPICS := $(sort $(wildcard src/shell/help/*.txt))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/architectures.o $(BUILD)/topics.o
TEST_SOURCES := $(sort $(wildcard tests/*/test_*.c))
TESTS := $(TEST_SOURCES:%.c=$(BUILD)/%)
TEST_HELPERS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))

# The MPI implementations whose compilers are here: for each, a program of its own finds the ranks of a job (mpi/).
MPICC_openmpi ?= $(shell command -v mpicc.openmpi)
MPICC_mpich ?= $(shell command -v mpicc.mpich)
MPI_PROGRAMS := $(if $(MPICC_openmpi),$(BUILD)/weft-mpi-openmpi) $(if $(MPICC_mpich),$(BUILD)/weft-mpi-mpich)

.PHONY: all mpi tests objects check format release faults kills replay tsan run-tsan valgrind coverage run-coverage check-units sample-data bench man fuzz run-fuzzers install uninstall clean FORCE
.SECONDARY:
all: $(BUILD)/weft $(MPI_PROGRAMS)

$(BUILD)/weft: $(BUILD)/src/main.o $(BUILD)/libweft.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

$(BUILD)/libweft.a: $(OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) qcs $@ $^

# make mpi MPICC_mpich=cc: with a compiler of another name (Cray, Intel; both are relatives of MPICH).
mpi: $(MPI_PROGRAMS)
	$(if $(strip $(MPI_PROGRAMS)),,$(error no MPI compiler: mpicc.openmpi (libopenmpi-dev) or mpicc.mpich (libmpich-dev)))

$(BUILD)/weft-mpi-%: mpi/rendezvous.c
	$(call say,MPICC,$@)
	$(Q)mkdir -p $(@D) && $(MPICC_$*) -O2 $(WARNINGS) -o $@ $<

# Where the samples are installed is compiled in: another PREFIX compiles this file again.
$(BUILD)/src/data/sample.o: $(BUILD)/prefix
$(BUILD)/prefix: FORCE
	$(Q)mkdir -p $(@D) && { echo '$(PREFIX)' | cmp -s - $@ || echo '$(PREFIX)' > $@; }

# Without sanitizers, which would make them twenty times slower: checked.c checks the memory they are given.
$(BUILD)/src/net/engine/kernels/avx2.o $(BUILD)/src/net/engine/kernels/avx512.o: CFLAGS_$(MODE) := $(filter-out -fsanitize%,$(CFLAGS_$(MODE)))

# Coverage of readers wants their branches as written; the engine's tests would take hours so.
$(BUILD)/src/net/engine/%.o: CFLAGS_coverage := -O2 -g --coverage

# Unoptimised, gcc's scatter is a macro, whose conversion of a mask it warns of.
$(BUILD)/src/base/tiles.o: WARNINGS += $(if $(filter -O0,$(CFLAGS_$(MODE))),-Wno-sign-conversion)

$(BUILD)/%.o: %.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/architectures.c: $(ARCHITECTURES) scripts/embed Makefile
	$(call say,EMBED,$@)
	$(Q)mkdir -p $(@D) && scripts/embed net/arch/arch.h 'const EmbeddedFile architecture_files' '' $(ARCHITECTURES) > $@.new && mv $@.new $@

$(BUILD)/topics.c: $(TOPICS) scripts/embed Makefile
	$(call say,EMBED,$@)
	$(Q)mkdir -p $(@D) && scripts/embed shell/help.h 'const HelpTopic help_topics' .txt $(TOPICS) > $@.new && mv $@.new $@

$(BUILD)/architectures.o $(BUILD)/topics.o: %.o: %.c
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# An archive: a program takes what it uses, and benchmarks measure no libraries of the terminal.
$(BUILD)/tests/libsupport.a: $(TEST_HELPERS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) qcs $@ $^

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/tests/libsupport.a $(BUILD)/libweft.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ -lcmocka $(ALL_LIBS)

# The sample dataset, from Debian's dataset-fashion-mnist; samples/README.md says what it is.
FASHION_MNIST ?= /usr/share/datasets/fashion-mnist
sample-data: $(BUILD)/scripts/make-fashion-sample
	$< $(FASHION_MNIST) samples

$(BUILD)/scripts/%: $(BUILD)/scripts/%.o $(BUILD)/libweft.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

# Unit tests of one folder: make check-units ONLY=format
check-units: $(if $(ONLY),$(filter $(BUILD)/tests/$(ONLY)/%,$(TESTS)),$(TESTS))
	$(Q)scripts/tap $^

tests: $(TESTS)

# All sources compiled, nothing linked: a second compiler's warnings (make CC=clang MODE=debug objects).
objects: $(OBJECTS) $(patsubst %.c,$(BUILD)/%.o,src/main.c $(TEST_SOURCES) $(wildcard tests/support/*.c tests/fuzz/*.c tests/bench/*.c scripts/*.c))

# What does not run the program is checked once, in the release mode; so is what strace sees, which takes its time.
CHECKED_ONCE := tests/floors.sh tests/gate.sh tests/style.sh tests/release.sh tests/shell/sandbox.sh
SHELL_TESTS := $(sort $(wildcard tests/*.sh tests/shell/*.sh))
check: $(BUILD)/weft $(MPI_PROGRAMS) $(TESTS)
	$(Q)WEFT=$(BUILD)/weft BUILD=$(BUILD) MODE=$(MODE) scripts/tap $(TESTS) \
		$(if $(filter release,$(MODE)),$(SHELL_TESTS),$(filter-out $(CHECKED_ONCE),$(SHELL_TESTS)))

# Data races in what runs in threads; weft's own code, since OpenBLAS is not built for it (tests/tsan.supp).
TSAN_FOLDERS ?= base net train probe
tsan:
	$(Q)$(MAKE) --no-print-directory MODE=tsan run-tsan
run-tsan: $(foreach folder,$(TSAN_FOLDERS),$(filter $(BUILD)/tests/$(folder)/%,$(TESTS)))
	$(Q)TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp:halt_on_error=0:exitcode=66" TEST_TIMEOUT=7200 scripts/tap $^

# The unit tests under valgrind, which knows no AVX-512: the kernels of WEFT_CPU are taken.
valgrind: $(TESTS)
	$(Q)BUILD=$(BUILD) scripts/valgrind $(if $(ONLY),$(filter $(BUILD)/tests/$(ONLY)/%,$(TESTS)),$(TESTS))

# Lines and branches that the tests reach, against tests/coverage.tsv.
coverage:
	$(Q)$(MAKE) --no-print-directory CC=gcc MODE=coverage WERROR= run-coverage
run-coverage: $(BUILD)/weft $(TESTS)
	$(Q)find $(BUILD) -name '*.gcda' -delete
	$(Q)WEFT=$(BUILD)/weft BUILD=$(BUILD) MODE=coverage TEST_TIMEOUT=3600 scripts/tap $(TESTS) $(filter-out $(CHECKED_ONCE),$(SHELL_TESTS)) || true
	$(Q)scripts/coverage $(BUILD)

# Every command with every allocation and every file operation refused once, and all from it on: hours. COMMANDS="save
# export" walks these alone; MODE=asan looks for leaks too. Tests of a commit take a sample.
faults: $(BUILD)/tests/shell/test_faults
	$(Q)FAULTS=all $< $(COMMANDS)

# Every command that makes a run folder killed after each of its changes, not after a sample of them: make kills.
kills: $(BUILD)/tests/shell/test_kills
	$(Q)KILLS=all $<

# The analyzers of gcc and clang over base and the readers: both find nothing.
ANALYSED := $(patsubst %.c,analyse/%,$(wildcard src/base/*.c src/format/*.c))
.PHONY: analyse $(ANALYSED)
analyse: $(ANALYSED)
$(ANALYSED): analyse/%: %.c
	$(call say,CHECK,$<)
	$(Q)gcc $(filter-out -MMD -MP,$(ALL_CFLAGS)) -fanalyzer -c -o /dev/null $<
	$(Q)clang $(filter-out -MMD -MP,$(ALL_CFLAGS)) --analyze --analyzer-output text -Xclang -analyzer-werror -o /dev/null $<

format:
	$(Q)find src include tests scripts -name '*.[ch]' -exec clang-format-14 -i {} +

# Fuzz targets (tests/fuzz/fuzz_X.c, libFuzzer); scripts/fuzz says what they start from. make fuzz ONLY="torch_zip npy"
# FUZZ_RUNS=1000000 runs these so often.
FUZZERS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
fuzz:
	$(Q)$(MAKE) --no-print-directory CC=clang MODE=fuzz run-fuzzers

$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/libweft.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(ALL_LIBS)

run-fuzzers: $(if $(ONLY),$(ONLY:%=$(BUILD)/tests/fuzz/fuzz_%),$(FUZZERS))
	$(Q)scripts/fuzz $(BUILD) $(ONLY)

# The committed corpus through the targets, with any compiler and sanitizer: make replay MODE=asan.
REPLAYS := $(patsubst tests/fuzz/corpus/fuzz_%,$(BUILD)/tests/fuzz/replay_%,$(sort $(wildcard tests/fuzz/corpus/fuzz_*)))
$(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(BUILD)/libweft.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

replay: $(REPLAYS)
	$(Q)for replay in $^; do name=$${replay##*/replay_}; printf '  %-12s ' $$name; \
		$$replay tests/fuzz/corpus/fuzz_$$name || exit 1; done

# Benchmarks: beside PyTorch where a Python has it (scripts/bench/engine; build/bench.json), else alone.
# The other comparisons are in scripts/bench/.
BENCH_NETWORK ?= samples/fashion-resnet8.safetensors
BENCHES := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/bench/bench*.c)))
bench: $(BENCHES) $(BUILD)/weft
	$(Q)if scripts/bench/engine python >/dev/null && [ -d ../shared/data/checkpoints ]; then scripts/bench/engine; else \
		for case in machine peak "forward $(BENCH_NETWORK)" "distil $(BENCH_NETWORK)" "recon $(BENCH_NETWORK) 140" \
			"recon-exact $(BENCH_NETWORK) 140"; do $(BUILD)/tests/bench/bench $$case || exit 1; done; fi

# The man page is written from the command table; a test fails when the committed one is stale.
man: $(BUILD)/weft
	$(Q)$(BUILD)/weft --print-manual > man/weft.1

PAPER := $(sort $(wildcard samples/paper/*))
LESSONS := $(sort $(wildcard samples/lessons/*))
SAMPLES := $(sort $(wildcard samples/*.weft samples/*.safetensors samples/*.gz samples/*.md samples/*.slurm))
BASH_COMPLETIONS ?= $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS ?= $(PREFIX)/share/zsh/site-functions
install: $(BUILD)/weft $(MPI_PROGRAMS)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/weft/samples/paper \
		$(DESTDIR)$(PREFIX)/share/weft/samples/lessons \
		$(DESTDIR)$(BASH_COMPLETIONS) $(DESTDIR)$(ZSH_COMPLETIONS)
	install -m 755 $(BUILD)/weft $(DESTDIR)$(PREFIX)/bin/weft
	$(if $(strip $(MPI_PROGRAMS)),install -d $(DESTDIR)$(PREFIX)/libexec/weft)
	$(if $(strip $(MPI_PROGRAMS)),install -m 755 $(MPI_PROGRAMS) $(DESTDIR)$(PREFIX)/libexec/weft)
	install -m 644 man/weft.1 $(DESTDIR)$(PREFIX)/share/man/man1/weft.1
	install -m 644 $(SAMPLES) $(DESTDIR)$(PREFIX)/share/weft/samples
	install -m 644 $(PAPER) $(DESTDIR)$(PREFIX)/share/weft/samples/paper
	install -m 644 $(LESSONS) $(DESTDIR)$(PREFIX)/share/weft/samples/lessons
	install -m 644 completions/weft.bash $(DESTDIR)$(BASH_COMPLETIONS)/weft
	install -m 644 completions/_weft $(DESTDIR)$(ZSH_COMPLETIONS)/_weft

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/weft $(DESTDIR)$(PREFIX)/share/man/man1/weft.1 \
		$(DESTDIR)$(BASH_COMPLETIONS)/weft $(DESTDIR)$(ZSH_COMPLETIONS)/_weft
	rm -rf $(DESTDIR)$(PREFIX)/share/weft $(DESTDIR)$(PREFIX)/libexec/weft

# Source tarball and Debian package, in build/release-VERSION.
release:
	$(Q)scripts/release

clean:
	rm -rf build

-include $(wildcard $(BUILD)/scripts/*.d) $(OBJECTS:.o=.d) $(TESTS:=.d) $(TEST_HELPERS:.o=.d) $(BENCHES:=.d) $(BUILD)/src/main.d
