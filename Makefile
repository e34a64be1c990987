# mirror-observer: `make` builds build/mirror-observer, `make help` lists the rest.
# Everything made goes below build/ (override with BUILD=...).
BUILD   ?= build
ifeq ($(origin CC),default) # make has cc there
CC      := gcc
endif
CLANG   ?= clang
BPFTOOL ?= bpftool
PKG_CONFIG ?= pkg-config
PYTHON  ?= /usr/bin/python3
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0
ARCH    := $(shell uname -m | sed -e s/x86_64/x86/ -e s/aarch64/arm64/ -e s/ppc64le/powerpc/ -e s/s390x/s390/)

PACKAGES := libbpf libmicrohttpd yaml-0.1 libsystemd libxxhash libcares libcap-ng libseccomp libcurl jansson smartcols ncursesw
PACKAGES += libcrypto libelf
# Warnings stop the build where we are to see them (CI, make lint), not where a newer compiler knows more of them.
WERROR   ?=
WARN     := -Wall -Wextra $(if $(WERROR),-Werror) -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
SANITIZE ?=
CFLAGS   ?= $(if $(SANITIZE),-O2,-O3) -g
# The daemon and what measures it are optimised as a whole: a fifth less CPU for each statement. Linking so takes
# seconds, which the many test programs are spared. gcc only: clang wants a linker of its own for it.
LTO      := $(if $(SANITIZE)$(findstring clang,$(shell $(CC) --version)),,-flto=auto)
NO_LTO   := $(if $(LTO),-fno-lto)
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) $(SANITIZE) -D_GNU_SOURCE -DVERSION='"$(VERSION)"' \
	-I. -Iuserspace -I$(BUILD) $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
LDLIBS   = $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lpg_query -lm
BPF_CFLAGS := -std=gnu11 -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Wall -Wextra $(if $(WERROR),-Werror) \
	-Wno-unused-parameter -ffile-prefix-map=$(CURDIR)=. -Ibpf -Iuserspace \
	-idirafter /usr/include/$(shell uname -m)-linux-gnu

comma := ,

SKELETONS := $(patsubst bpf/%.bpf.c,$(BUILD)/%.skel.h,$(wildcard bpf/*.bpf.c))
LIB_OBJS  := $(patsubst userspace/%.c,$(BUILD)/obj/%.o,$(filter-out userspace/main.c,$(wildcard userspace/*.c userspace/*/*.c)))
# tests/unit has the folders of userspace/, in which test_*.c are programs; what else is in support/ is linked into each.
UNIT_HELP := $(patsubst tests/unit/support/%.c,$(BUILD)/tests/support/%.o,$(filter-out tests/unit/support/test_%,$(wildcard tests/unit/support/*.c)))
DIFFERENTIAL_OBJS := $(patsubst tests/differential/%.c,$(BUILD)/differential/%.o,$(wildcard tests/differential/*.c))
PROXY_OBJS := $(patsubst tests/proxy/%.c,$(BUILD)/proxy/%.o,$(wildcard tests/proxy/*.c))
UNIT      := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*/test_*.c))

TEST_PROGRAMS := $(patsubst tests/integration/%.c,$(BUILD)/tests/%,$(filter-out %.bpf.c,$(wildcard tests/integration/*.c)))
TEST_BPF := $(patsubst tests/integration/%.c,$(BUILD)/tests/%.o,$(wildcard tests/integration/*.bpf.c))

.PHONY: all skeletons axe unit test-programs check mutate print-mutate check-queue check-verdict check-differential check-kernels soak lint clean-room deb image dist-check install demo bench bench-attach bench-match bench-pipeline bench-results fuzz FORCE clean help print-cflags
.SECONDARY:
all: $(BUILD)/mirror-observer $(BUILD)/mirror-observer-import

# Found by the program beside itself.
$(BUILD)/mirror-observer-import: scripts/mirror-observer-import
	@mkdir -p $(@D)
	install -m 755 $< $@

$(BUILD)/mirror-observer: $(BUILD)/obj/main.o $(BUILD)/libobserver.a
	$(CC) $(ALL_CFLAGS) $(LTO) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# The page's files are part of the program, as texts.
WEB := $(sort $(wildcard userspace/serve/web/*))

$(BUILD)/assets.c: $(WEB) Makefile
	@mkdir -p $(@D)
	{ echo '#include "serve/assets.h"'; for file in $(WEB); do \
		name=$${file##*/}; echo "const char asset_$$(echo "$$name" | tr . _)[] ="; \
		sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $$file; echo ';'; \
	done; } >$@.tmp
	mv $@.tmp $@

$(BUILD)/obj/assets.o: $(BUILD)/assets.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LTO:%=% -ffat-lto-objects) -MMD -MP -c -o $@ $<

$(BUILD)/libobserver.a: $(LIB_OBJS) $(BUILD)/obj/assets.o
	rm -f $@
	ar rcs $@ $^

# The skeletons must exist before the first compilation; -MMD takes over after that.
$(BUILD)/obj/%.o: userspace/%.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LTO:%=% -ffat-lto-objects) -MMD -MP -c -o $@ $<

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -c -o $@ $<

$(BUILD)/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp
	mv $@.tmp $@

skeletons: $(SKELETONS)

$(BUILD)/tests/support/%.o: tests/unit/support/%.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Itests/unit -MMD -MP -c -o $@ $<

# Memory can be made to run out: tests/unit/support/scarce.h.
SCARCE := $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc reallocarray strdup strndup)

LIBRARY ?= $(BUILD)/libobserver.a

$(BUILD)/tests/unit/%: tests/unit/%.c $(UNIT_HELP) $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(NO_LTO) $(SCARCE) -Itests/unit -MMD -MP -o $@ $< $(UNIT_HELP) $(LIBRARY) $(LDLIBS) -lcmocka

# Do the unit tests notice when the code is wrong? scripts/mutate compiles one object anew for each mutant, and has the library
# as a shared one, so that the test programs need not be linked again; what they replace in it is found in them (-rdynamic).
MUTANTS ?= 200
LINK_SHARED = $(CC) $(CFLAGS) $(SANITIZE) $(SCARCE) -shared -Wl,-soname,libobserver.so
mutate:
	scripts/mutate --count $(MUTANTS) $(addprefix --seed ,$(SEED)) $(if $(FOLDERS),--folders $(FOLDERS))

$(BUILD)/libobserver.so: $(LIB_OBJS) $(BUILD)/obj/assets.o
	$(LINK_SHARED) -o $@ $^ $(LDLIBS)

print-mutate:
	@: $(info $(CC) $(ALL_CFLAGS)) $(info $(LINK_SHARED)) $(info $(LDLIBS))

# Programs that integration tests start.
$(BUILD)/tests/%: tests/integration/%.c $(BUILD)/libobserver.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(NO_LTO) -MMD -MP -o $@ $< $(BUILD)/libobserver.a $(LDLIBS)

$(BUILD)/tests/traps $(BUILD)/tests/foreign_relay: LDLIBS += -luring -lpthread

$(BUILD)/tests/%.bpf.o: tests/integration/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -c -o $@ $<

test-programs: $(TEST_PROGRAMS) $(TEST_BPF)

# The mirroring proxy with a known truth, for tests.
$(BUILD)/proxy/%.o: tests/proxy/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) $(CFLAGS) $(SANITIZE) -D_GNU_SOURCE -MMD -MP -c -o $@ $<

$(BUILD)/tests/mirror-proxy: $(PROXY_OBJS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ -lm -lpthread

# The generator of random sessions.
$(BUILD)/differential/%.o: tests/differential/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) $(CFLAGS) $(SANITIZE) -D_GNU_SOURCE $(shell $(PKG_CONFIG) --cflags libpq) -MMD -MP -c -o $@ $<

$(BUILD)/tests/differential: $(DIFFERENTIAL_OBJS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ $(shell $(PKG_CONFIG) --libs libpq)

unit: $(UNIT) $(BUILD)/tests/mirror-proxy $(BUILD)/tests/differential

check: unit
	@for t in $(UNIT); do ./$$t || exit 1; done

# The verdict against random worlds in simulated time: sick ones must never be ready, healthy ones soon and never not_ready.
WORLDS ?= --sick 10000 --healthy 1000
VERDICT_OBJS := $(patsubst tests/verdict/%.c,$(BUILD)/verdict/%.o,$(wildcard tests/verdict/*.c))

$(BUILD)/verdict/%.o: tests/verdict/%.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LTO) -MMD -MP -c -o $@ $<

$(BUILD)/tests/check-verdict: $(VERDICT_OBJS) $(BUILD)/libobserver.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LTO) -o $@ $^ $(LDLIBS)

check-verdict: $(BUILD)/tests/check-verdict
	$< $(WORLDS)

# tests/proxy/scenarios --help: shorter runs, single scenarios.
check-queue: all $(BUILD)/tests/mirror-proxy
	tests/proxy/scenarios --observer start

# Random sessions against a real server: what libpq, the server and the observer counted must agree.
STATEMENTS ?= 100000
SEED       ?=
# Half of the statements, then the same number beside an observer that loses much.
check-differential: all $(BUILD)/tests/mirror-proxy $(BUILD)/tests/differential
	tests/differential/run --statements $$(($(STATEMENTS) / 2)) $(addprefix --seed ,$(SEED))
	tests/differential/run --lossy --statements $$(($(STATEMENTS) / 2)) $(addprefix --seed ,$(SEED))

# The observer beside a proxy that has no quiet day.
SOAK_SECONDS ?= 1800
soak: all $(BUILD)/tests/mirror-proxy
	tests/soak/soak --seconds $(SOAK_SECONDS) $(addprefix --seed ,$(SEED))

# The attach modes on Debian's kernels, in virtual machines; there the programs as other compilers build them are loaded
# as well. KERNELS="--kernel 6.1 --mode fexit" runs a part.
KERNELS ?=
COMPILERS := $(patsubst /usr/bin/clang-%,%,$(wildcard /usr/bin/clang-14 /usr/bin/clang-16 /usr/bin/clang-17 /usr/bin/clang-18 /usr/bin/clang-19))

$(BUILD)/clang-%/observer.skel.h $(BUILD)/clang-%/kprobe.skel.h: bpf/observer.bpf.c bpf/kprobe.bpf.c $(wildcard bpf/*.h)
	$(MAKE) BUILD=$(BUILD)/clang-$* CLANG=clang-$* $(BUILD)/clang-$*/observer.skel.h $(BUILD)/clang-$*/kprobe.skel.h

# The library's programs.c, compiled here with those skeletons, takes the place of its own.
$(BUILD)/clang-%/probe_dump: $(BUILD)/clang-%/observer.skel.h tests/integration/probe_dump.c userspace/capture/programs.c $(BUILD)/libobserver.a
	$(CC) -I$(@D) $(ALL_CFLAGS) $(NO_LTO) -o $@ $(filter %.c %.a,$^) $(LDLIBS)

check-kernels: all test-programs $(COMPILERS:%=$(BUILD)/clang-%/probe_dump)
	tests/vm/matrix $(KERNELS)

FORCE:

# Each tests/fuzz/fuzz_NAME.c with the library under clang's fuzzer and sanitizers, FUZZ_SECONDS each. It begins with
# tests/fuzz/corpus/NAME where that is there and with what tests/fuzz/seeds makes of the transcripts, and keeps what it finds in build/fuzz/corpus/NAME.
FUZZ_SECONDS ?= 60
FUZZ_FLAGS   := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZERS      := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

$(BUILD)/fuzz/libobserver.a: FORCE
	$(MAKE) BUILD=$(BUILD)/fuzz CC=$(CLANG) SANITIZE="$(FUZZ_FLAGS)" $@

$(BUILD)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(BUILD)/fuzz/libobserver.a
	$(CLANG) $(ALL_CFLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $^ $(LDLIBS)

fuzz: $(FUZZERS:%=$(BUILD)/fuzz/%)
	@tests/fuzz/seeds $(BUILD)/fuzz/seeds
	@for f in $(FUZZERS:fuzz_%=%); do \
		mkdir -p $(BUILD)/fuzz/corpus/$$f; seeds=; \
		[ ! -d tests/fuzz/corpus/$$f ] || seeds=tests/fuzz/corpus/$$f; \
		[ ! -d $(BUILD)/fuzz/seeds/$$f ] || seeds="$$seeds $(BUILD)/fuzz/seeds/$$f"; \
		$(BUILD)/fuzz/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
			-artifact_prefix=$(BUILD)/fuzz/ $(BUILD)/fuzz/corpus/$$f $$seeds || exit 1; \
	done

# What the test of the page's accessibility uses, for that test only; npm checks the hash.
AXE := axe-core@4.10.2
axe: $(BUILD)/axe/package/axe.min.js
$(BUILD)/axe/package/axe.min.js:
	@mkdir -p $(BUILD)/axe
	cd $(BUILD)/axe && npm pack --silent $(AXE) && tar -xzf axe-core-*.tgz package/axe.min.js

lint:
	scripts/lint

# The README's two commands in a minimal Debian, made for it and removed after: ROOM="--demo", see scripts/clean-room --help.
SUITE ?= bookworm
ROOM  ?=
clean-room:
	scripts/clean-room --suite $(SUITE) $(ROOM)

demo:
	scripts/demo

bench:
	tests/bench/bench

# What a send and its receive cost in each attach mode: on this kernel in ns, and on one that has all modes, in an emulator, in
# instructions.
bench-attach: $(BUILD)/bench/bench_attach
	$<
	tests/vm/shell --icount 6.12 $(abspath $<) --instructions --rounds 1

# What one statement costs in matching, and its memory.
bench-match: $(BUILD)/bench/bench_match
	$<

# What a statement costs in user space, what an idle connection costs, without the kernel.
bench-pipeline: $(BUILD)/bench/bench_pipeline $(BUILD)/bench/bench_results
	$(BUILD)/bench/bench_pipeline
	$(BUILD)/bench/bench_results

# And what result_checksum adds to that.
bench-results: $(BUILD)/bench/bench_results
	$<

$(BUILD)/bench/bench_pipeline $(BUILD)/bench/bench_results: tests/bench/stages.c tests/bench/stages.h
$(BUILD)/bench/%: tests/bench/%.c $(BUILD)/libobserver.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LTO) -o $@ $(filter %.c,$^) $(BUILD)/libobserver.a $(LDLIBS)

# The Debian package in build/deb, built twice and compared; DEB="--suite trixie" in a clean room. scripts/package/deb --help
DEB ?= --check
deb:
	scripts/package/deb $(DEB)

# The container image in build/image, from the package in build/deb (as root).
image:
	scripts/package/image

# Every artefact, built and tried (as root): rules, chart, package in clean rooms of both suites, image. SUITES= for fewer.
SUITES ?= bookworm trixie
dist-check: all test-programs
	scripts/package/tools
	$(PYTHON) -B -m pytest -q -p no:cacheprovider tests/integration/test_prometheus_rules.py tests/integration/test_chart.py
	scripts/package/deb --check
	scripts/package/image
	$(PYTHON) -B -m pytest -q -p no:cacheprovider tests/package/test_image.py
	for suite in $(SUITES); do scripts/package/try-deb --suite $$suite || exit 1; done

install: all
	install -D -m 755 $(BUILD)/mirror-observer $(DESTDIR)$(PREFIX)/bin/mirror-observer
	install -D -m 755 $(BUILD)/mirror-observer-import $(DESTDIR)$(PREFIX)/bin/mirror-observer-import
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/mirror-observer observer.yaml README.md LICENSE
	for page in $(wildcard docs/*.[158]); do \
		install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man$${page##*.} $$page || exit 1; \
	done
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's,/usr/local/bin/,$(PREFIX)/bin/,' docs/systemd/mirror-observer.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/mirror-observer.service
	install -D -m 644 docs/systemd/mirror-observer.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/mirror-observer.conf
	install -D -m 644 docs/systemd/mirror-observer.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/mirror-observer.conf
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/mirror-observer docs/kubernetes/daemonset.yaml
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/mirror-observer/prometheus docs/prometheus/rules.yaml
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/mirror-observer/grafana docs/grafana/mirror-observer.json
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/share/mirror-observer scripts/package/reload-when-changed
	install -D -m 644 scripts/package/completion/mirror-observer.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/mirror-observer
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions scripts/package/completion/_mirror-observer

clean:
	rm -rf $(BUILD)

help:
	@echo 'make           build $(BUILD)/mirror-observer'
	@echo 'make check     unit tests (scripts/test runs everything, as root)'
	@echo 'make mutate    do the unit tests notice when the code is wrong? MUTANTS (200), SEED, FOLDERS'
	@echo 'make check-queue  queue depth and lag against the test proxy that knows the truth (as root)'
	@echo 'make check-verdict  random healthy and sick worlds in simulated time: no false green, hardly a false red (WORLDS=)'
	@echo 'make fuzz      all fuzzers, FUZZ_SECONDS (60) each'
	@echo 'make check-differential  random sessions: client, server and observer agree (as root; STATEMENTS=, SEED=)'
	@echo 'make soak                half an hour of trouble: memory flat, counts right (as root; SOAK_SECONDS=, SEED=)'
	@echo 'make check-kernels  the attach modes on other kernels, in virtual machines (as root)'
	@echo 'make lint      format, include rules, licence lines, shell, man pages, documentation of metrics and keys'
	@echo 'make clean-room  demo and all tests in a minimal root of SUITE=bookworm or trixie, parts by ROOM=--demo (as root)'
	@echo 'make axe       fetches axe-core by npm, for the test of the page (skipped without it)'
	@echo 'make demo      scripts/demo: real servers, a real proxy, true figures (as root)'
	@echo 'make bench     what observing costs, measured (as root)'
	@echo 'make bench-attach  what a send and its receive cost in each attach mode (as root, a virtual machine too)'
	@echo 'make bench-match  what matching costs for each statement, in time and memory'
	@echo 'make bench-pipeline  what decoding and counting cost for each statement, and each idle connection'
	@echo 'make bench-results  what result_checksum adds to that, a part of bench-pipeline'
	@echo 'make deb       the Debian package in build/deb, built twice and compared; DEB="--suite trixie" for another suite'
	@echo 'make image     the container image in build/image, from the package (as root)'
	@echo 'make dist-check  package, image, chart and rules, built and tried (as root); SUITES=bookworm for one suite'
	@echo 'make install   to PREFIX=$(PREFIX), below DESTDIR'
	@echo 'make clean     remove $(BUILD)/'

print-cflags:
	@: $(info $(ALL_CFLAGS))

-include $(wildcard $(BUILD)/obj/*.d $(BUILD)/obj/*/*.d $(BUILD)/bpf/*.d $(BUILD)/tests/*.d $(BUILD)/tests/*/*.d $(BUILD)/tests/*/*/*.d $(BUILD)/proxy/*.d $(BUILD)/verdict/*.d $(BUILD)/differential/*.d)
