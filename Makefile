# SPDX-License-Identifier: LGPL-2.1-or-later
#
# poolinit: one static musl binary. `make help` lists what can be asked for.

BACKENDS ?= dir fs netfs logical iscsi
VERSION  := 0.1
ifdef SAN
B        ?= build/san
else
B        ?= build
endif

# ---- which sources ----
FLOORS   := base pool supervisor control boot
COMMON_BACKENDS := backend device links files mount net module
FILES_dir     := dir
FILES_fs      := fs
FILES_netfs   := netfs
FILES_logical := logical lvm
FILES_iscsi   := iscsi luns
SRC := src/main.c $(foreach f,$(FLOORS),$(sort $(wildcard src/$f/*.c))) \
       $(foreach f,$(COMMON_BACKENDS) $(foreach b,$(BACKENDS),$(FILES_$b)),src/backends/$f.c)
OBJ := $(SRC:src/%.c=$(B)/%.o)
LIB := $(B)/libpoolinit.a

# ---- how: two builds of the same sources ----
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -Wvla -Werror
CPPFLAGS_ALL = -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DPOOLINIT_VERSION='"$(VERSION)"' -Isrc $(foreach b,$(BACKENDS),-DWITH_$b=1)
LIBS_WANTED  = xml2 blkid uuid kmod $(if $(filter logical,$(BACKENDS)),lvm2cmd devmapper aio)

ifdef SAN
# Debian's ordinary libraries, with the sanitizers: what unit, golden and host tests run on.
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
PC      := libxml-2.0 blkid uuid libkmod $(if $(filter logical,$(BACKENDS)),devmapper)
CFLAGS  ?= -O1 -g
CFLAGS_ALL  = -std=gnu11 $(CFLAGS) $(WARN) -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer $(shell pkg-config --cflags $(PC) | sed 's/-I/-isystem /g')
LDFLAGS_ALL = -fsanitize=address,undefined
LIBS_ALL    = $(shell pkg-config --libs $(PC)) $(if $(filter logical,$(BACKENDS)),-llvm2cmd)
else
# Static, musl, our own builds of the libraries (deps/): what is shipped, and what host smoke tests and QEMU run on.
# Asked each time (0.2 s when nothing is to be done), so that an emptied cache is noticed; the file changes only when a library does.
$(B)/deps.mk: FORCE
	@mkdir -p $(@D)
	@deps/build --mk $@ libxml2 util-linux libkmod $(if $(filter logical,$(BACKENDS)),libaio lvm2)
ifeq ($(filter clean help,$(MAKECMDGOALS)),)
-include $(B)/deps.mk
endif
DEPS_MK := $(B)/deps.mk
CC      := $(if $(filter default,$(origin CC)),$(DEPS_CC),$(CC))
CFLAGS  ?= -Os
CFLAGS_ALL  = -std=gnu11 $(CFLAGS) $(WARN) -fno-pie -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables -fstack-protector-strong $(DEPS_CFLAGS)
LDFLAGS_ALL = -static -no-pie -Wl,--gc-sections $(DEPS_LDFLAGS)
LIBS_ALL    = $(foreach l,$(LIBS_WANTED),$(LIBS_$l)) -lm
endif

# Quiet unless V=1: one short line a step.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' $(1) '$(2)')

.PHONY: all help FORCE
all: $(B)/poolinit $(B)/poolctl ## the program, and poolctl as a link to it

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

$(B)/%.o: src/%.c $(DEPS_MK)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(LIB): $(filter-out $(B)/main.o,$(OBJ))
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

$(B)/poolinit.debug: $(B)/main.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(B)/main.o $(LIB) $(LIBS_ALL)

$(B)/poolinit: $(B)/poolinit.debug
	$(Q)$(if $(SAN),cp $< $@,strip -s -o $@ $<)

$(B)/poolctl: $(B)/poolinit
	$(Q)ln -sf poolinit $@

# ---- tests ----
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
UNIT     := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)

.PHONY: unit
unit: $(UNIT) ## build the unit tests (with SAN=1: under the sanitizers)
$(B)/unit/%: tests/unit/%.c tests/unit/check.h $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) -Itests/unit $(CFLAGS_ALL) $(LDFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< $(LIB) $(LIBS_ALL)

.PHONY: clean
clean: ## remove build/
	rm -rf build

-include $(wildcard $(B)/*.d $(B)/*/*.d)
