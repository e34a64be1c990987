# mirror-observer: `make` builds build/mirror-observer, `make help` lists the rest.
# Everything made goes below build/ (override with BUILD=...).
BUILD   ?= build
CC      ?= gcc
CLANG   ?= clang
BPFTOOL ?= bpftool
PKG_CONFIG ?= pkg-config
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

PACKAGES := libbpf libmicrohttpd yaml-0.1 libsystemd libxxhash
WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
CFLAGS   ?= -O2 -g
SANITIZE ?=
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) $(SANITIZE) -D_GNU_SOURCE -DVERSION='"$(VERSION)"' \
	-I. -Iuserspace -Ibpf -I$(BUILD) $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
LDLIBS   = $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lm
BPF_CFLAGS := -std=gnu11 -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -Wextra -Werror -Ibpf \
	-idirafter /usr/include/$(shell $(CC) -dumpmachine)

SKELETONS := $(patsubst bpf/%.bpf.c,$(BUILD)/%.skel.h,$(wildcard bpf/*.bpf.c))
LIB_OBJS  := $(patsubst userspace/%.c,$(BUILD)/obj/%.o,$(filter-out userspace/main.c,$(wildcard userspace/*.c)))
UNIT      := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))

.PHONY: all check clean
.SECONDARY:
all: $(BUILD)/mirror-observer

$(BUILD)/mirror-observer: $(BUILD)/obj/main.o $(BUILD)/libobserver.a
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libobserver.a: $(LIB_OBJS)
	rm -f $@
	ar rcs $@ $^

# The skeletons must exist before the first compilation; -MMD takes over after that.
$(BUILD)/obj/%.o: userspace/%.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -c -o $@ $<

$(BUILD)/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp
	mv $@.tmp $@

$(BUILD)/tests/%: tests/unit/%.c $(BUILD)/libobserver.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Itests/unit -MMD -MP -o $@ $< $(BUILD)/libobserver.a $(LDLIBS) -lcmocka

check: $(UNIT)
	@for t in $(UNIT); do ./$$t || exit 1; done

clean:
	rm -rf $(BUILD)

-include $(wildcard $(BUILD)/obj/*.d $(BUILD)/bpf/*.d $(BUILD)/tests/*.d)
