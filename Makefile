# SPDX-License-Identifier: LGPL-2.1-or-later
#
# poolinit: one static musl binary. `make help` lists what can be asked for.

USUAL_BACKENDS := $(shell sed -n '/^[a-z]/p' src/backends/list)
# What `make full` has besides: types whose libraries take a C++ compiler and long to build.
MORE_BACKENDS := $(shell sed -n 's/^+\([a-z-]*\).*/\1/p' src/backends/list)
ALL_BACKENDS := $(USUAL_BACKENDS) $(MORE_BACKENDS)
BACKENDS ?= $(USUAL_BACKENDS)
$(if $(filter-out $(ALL_BACKENDS),$(BACKENDS)),$(error BACKENDS: there is no type $(filter-out $(ALL_BACKENDS),$(BACKENDS)); there are: $(ALL_BACKENDS)))
# poolctl's --xpath takes 74 kB of the program: a build of chosen backends is meant to be small, and does without unless it is asked for.
SMALL := $(filter-out $(BACKENDS),$(USUAL_BACKENDS))
XPATH ?= $(if $(SMALL),0,1)
# The same holds for libvirt's own protocol.
LIBVIRT ?= $(if $(SMALL),0,1)
comma := ,
VERSION  := 0.1
.DEFAULT_GOAL := all
# make ARCH=aarch64: for another machine than this one, with Debian's cross compilers (deps/packages-ARCH).
THIS_ARCH := $(shell uname -m)
ARCH     ?= $(THIS_ARCH)
override ARCH := $(patsubst arm64,aarch64,$(patsubst amd64,x86_64,$(ARCH)))
FOREIGN  := $(filter-out $(THIS_ARCH),$(ARCH))
ifdef SAN
B        ?= build/san
$(if $(FOREIGN),$(error SAN=1 is for tests on this machine, ARCH=$(ARCH) for another one: one of the two))
else
B        ?= build$(FOREIGN:%=/%)
endif
ifdef FOREIGN
export DEPS_ARCH := $(ARCH)
CROSS    := $(ARCH)-linux-gnu-
AR       := $(CROSS)ar
else
DEPS_ARCH :=
endif

# ---- which sources ----
FLOORS := base system pool volumes backends supervisor control poolctl boot tools
# A pool type is src/backends/TYPE.c or the folder src/backends/TYPE/. What several types share lies beside them and is always built.
sources = $(sort $(wildcard $(1)/*.c $(1)/*/*.c))
type_sources = $(call sources,src/backends/$(1)) $(wildcard src/backends/$(1).c)
NOT_CHOSEN := $(foreach t,$(filter-out $(BACKENDS),$(ALL_BACKENDS)),$(call type_sources,$t))
# What starts companion programs is in a program with a type that has one.
COMPANIONS := $(shell grep -l '^[a-z ]*const struct service ' $(foreach t,$(BACKENDS),$(call type_sources,$t)))
NOT_CHOSEN += src/supervisor/companions/$(if $(COMPANIONS),no_service.c,service.c src/supervisor/companions/leaving.c src/supervisor/companions/letting_go.c)
NOT_CHOSEN += src/boot/root/$(if $(COMPANIONS),no_)last_resort.c
# What looks for pools on a volume is in a program with volumes that are devices.
DEVICES := $(shell grep -l '\.vol_identify = ' $(foreach t,$(BACKENDS),$(call type_sources,$t)))
NOT_CHOSEN += src/supervisor/work/$(if $(DEVICES),no_)volume_ground.c
# What looks for sources is in a program with a type that can find some.
FINDERS := $(shell grep -l '\.find = ' $(foreach t,$(BACKENDS),$(call type_sources,$t)))
NOT_CHOSEN += src/supervisor/requests/$(if $(FINDERS),no_)finding.c
# libvirt's protocol; and sockets of a service manager's, which only the big program takes.
NOT_CHOSEN += $(if $(filter 1,$(LIBVIRT)),src/boot/no_libvirt.c src/volumes/no_frames.c src/control/no_handed.c)
NOT_CHOSEN += $(if $(filter 1,$(LIBVIRT)),,src/boot/libvirt.c src/poolctl/libvirt.c src/volumes/frames.c src/control/handed.c $(wildcard src/control/rpc/*.c))
# What docs/generate asks for is in the program that has all.
NOT_CHOSEN += src/control/verbs/$(if $(if $(SAN),,$(SMALL)),,no_)manuals.c
# roothash= is in a program with a type that brings device-mapper.
MAPPERS := $(shell grep -l '^LIBS_WANTED.* devmapper' /dev/null $(wildcard $(BACKENDS:%=src/backends/%/libraries.mk)))
NOT_CHOSEN += src/boot/root/$(if $(MAPPERS),no_)verity.c
SRC := src/main.c $(filter-out $(NOT_CHOSEN),$(foreach f,$(FLOORS),$(call sources,src/$f)))
OBJ := $(SRC:src/%.c=$(B)/obj/%.o)
LIB := $(B)/libpoolinit.a

# ---- what has to be there first ----
GOALS := $(or $(MAKECMDGOALS),all)
# Asked before any rule is looked at: what is missing then ends in the sentence of the one that misses it, and in nothing below that.
first = $(eval LAST_WORD := $$(shell $(1)))$(if $(filter-out 0,$(.SHELLSTATUS)),$(error $(LAST_WORD)))
# make gives its variables to programs that rules start, but not to these.
deps = $(call first,$(foreach v,DEPS_CC DEPS_ARCH DEPS_APT DEPS_MIRROR DEPS_JOBS DEPS_VERBOSE,$(if $($v),$v='$($v)')) DEPS_LAST_WORD=1 deps/build $(1))
packages = $(call first,SETUP_LAST_WORD=1 tests/setup $(1))
# Missing compilers and the like are installed for root, and named to everybody else.
ROOT     := $(filter 0,$(shell id -u))
$(if $(and $(FOREIGN),$(filter setup lint check check-% conformance demo demo-all demo-shell fuzz fuzz-long bench,$(GOALS))),$(error make $(firstword $(GOALS)) is about this machine, ARCH=$(ARCH) about another one: leave one of them out))
DEPS_APT ?= $(if $(ROOT),1,0)
export DEPS_APT
ifneq ($(filter demo demo-all demo-shell bench,$(GOALS)),)
$(if $(ROOT),,$(error make $(firstword $(GOALS)) makes networks, mounts and processes of its own, which takes root: run it with sudo))
endif
$(if $(filter demo demo-shell,$(GOALS)),$(call packages,--for demo deps/packages tests/packages))
$(if $(filter bench,$(GOALS)),$(call packages,--for bench deps/packages tests/packages))
$(if $(filter demo-all,$(GOALS)),$(call packages,deps/packages tests/packages tests/full/packages))
$(if $(filter lint,$(GOALS)),$(call packages,--for san --for lint tests/packages))
$(if $(filter fuzz fuzz-long,$(GOALS)),$(call packages,--for san --for fuzz tests/packages))
$(if $(filter check-distros,$(GOALS)),$(call packages,tests/distros/packages))
$(if $(filter check-full,$(GOALS)),$(call packages,deps/packages tests/packages tests/full/packages))
$(if $(filter setup check conformance,$(GOALS)),$(call packages,deps/packages deps/packages-aarch64 $(wildcard deps/*/packages) tests/packages tests/full/packages))

# ---- how: two builds of the same sources ----
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -Wvla
# A compiler newer than ours may warn of more: whoever just builds is told and has the program; `make check` is strict.
WERROR ?= 0
STRICT := $(if $(filter 1,$(WERROR)),-Werror)
CPPFLAGS_ALL = -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DPOOLINIT_VERSION='"$(VERSION)"' -Isrc
empty    :=
# backend.c makes its table of it: BACKEND(dir)BACKEND(fs)…
BACKENDS_C = $(subst $(empty) $(empty),,$(foreach b,$(subst -,_,$(BACKENDS)),BACKEND($b)))

# ---- libraries: as the linker calls them, the recipes in deps/, and for SAN=1 what pkg-config knows and what it does not ----
LIBS_WANTED := xml2 blkid uuid kmod
DEPS_WANTED := libxml2 util-linux libkmod
PC          := libxml-2.0 blkid uuid libkmod
PC_LIBS     :=
LAYOUTS     := src/layout.ld
include $(wildcard $(BACKENDS:%=src/backends/%/libraries.mk))

ifdef SAN
# Debian's ordinary libraries, with the sanitizers: what unit, golden and host tests run on.
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
ifneq ($(and $(filter-out clean help setup check-distros,$(GOALS)),$(shell pkg-config --exists $(PC) 2>&1 || echo missing)),)
$(error SAN=1 is built against Debian's own libraries, which are not all here: make setup installs them (root) or names them)
endif
CFLAGS  ?= -O1 -g
CFLAGS_ALL  = -std=gnu11 $(CFLAGS) $(WARN) $(STRICT) -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer $(shell pkg-config --cflags $(PC) | sed 's/-I/-isystem /g')
LDFLAGS_ALL = -fsanitize=address,undefined
LIBS_ALL    = $(shell pkg-config --libs $(PC)) $(PC_LIBS)
else
# Static, musl, our own builds of the libraries (deps/): what is shipped, and what host smoke tests and QEMU run on.
# The compiler is the one that the libraries are built with. cc and gcc mean this machine's, which musl-gcc calls in its own way.
ifneq ($(filter-out clean help setup lint fuzz fuzz-long conformance check-distros,$(GOALS)),)
ifneq ($(and $(filter-out default,$(origin CC)),$(filter-out cc gcc $(or $(DEPS_CC),musl-gcc),$(CC))),)
$(error CC=$(CC) would mix two C libraries: the static program is built by a musl compiler, which DEPS_CC names (musl-gcc); CC is for SAN=1)
endif
# Asked each time (0.2 s when nothing is to be done), so that an emptied cache is noticed; the file changes only when a library does.
$(call deps,--mk $(B)/deps.mk $(DEPS_WANTED))
$(if $(FOREIGN)$(filter companions demo demo-shell check check-qemu,$(GOALS)),$(call deps,--mk $(B)/companions.mk open-iscsi))
include $(B)/deps.mk
endif
DEPS_MK := $(B)/deps.mk
override CC := $(DEPS_CC)
unexport CC
# -g costs the shipped file nothing: it is stripped; poolinit.debug is for debuggers.
# Tables are not spread over cache lines: 0.1 %. Where size counts most, speed counts less (-Oz), and constants share their pages with code, as
# data does with the end of it: together 4 %. What a call would spoil is computed again, and what some paths alone need is saved on
# all: 0.3 %. What a loop, or some paths, would compute more than once they do: 0.2 %.
# Contracts that may be left out (base/contract.h) are 1 % more.
CPPFLAGS_ALL += $(if $(SMALL),-DCONTRACTS_FEW)
CFLAGS  ?= $(if $(SMALL),-Oz -fno-caller-saves -fno-shrink-wrap -fno-code-hoisting -fno-tree-pre -fno-move-loop-invariants -fno-tree-dominator-opts -fno-split-paths -fno-tree-switch-conversion -fno-thread-jumps -fno-if-conversion,-Os) $(if $(filter x86_64,$(ARCH)),-malign-data=abi) -g
CFLAGS_ALL  = -std=gnu11 $(CFLAGS) $(CFLAGS_OWN) $(WARN) $(STRICT) -fno-pie -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables -fstack-protector-strong $(DEPS_CFLAGS)
# src/base/wide.c and fractions.c are there before the C library, which would take its own.
LDFLAGS_ALL = -static -no-pie -Wl,--gc-sections -Wl,-u,iswctype $(if $(FRACTIONS),,-Wl$(comma)-u$(comma)__floatscan) $(if $(SMALL),-Wl$(comma)-z$(comma)noseparate-code$(comma)-z$(comma)norelro$(comma)-z$(comma)common-page-size=64$(comma)--sort-section=alignment) $(LAYOUTS:%=-Wl,-T,%) $(DEPS_LDFLAGS)
# libc before the libraries as well: what we use of it lies beside our own code, not behind theirs (see src/layout.ld).
LIBS_ALL    = -lc $(foreach l,$(LIBS_WANTED),$(LIBS_$l)) -lm
endif

# Quiet unless V=1: one short line a step.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' $(1) '$(2)')

.PHONY: all help FORCE
all: $(B)/poolinit $(B)/poolctl ## the program, and poolctl as a link to it (ARCH=aarch64: for arm64, with what an image needs, in build/aarch64)
# Who builds for another machine wants an image for it.
all: $(if $(FOREIGN),companions)

.PHONY: full
full: ## the program with all types that there are, rbd too, in build/full: its libraries take long to build, the first time
	@$(MAKE) --no-print-directory B=$(B)/full BACKENDS="$(ALL_BACKENDS)" all

help: ## this list
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

# Another choice of backends is another table, of --xpath another poolctl, of libvirt's protocol another library; a small program is another
# one as a whole.
$(B)/backends.chosen: CHOICE = $(BACKENDS)
$(B)/xpath.chosen: CHOICE = $(XPATH)
$(B)/libvirt.chosen: CHOICE = $(LIBVIRT)
$(B)/small.chosen: CHOICE = $(if $(SAN),,$(if $(SMALL),small))
$(B)/backends.chosen $(B)/xpath.chosen $(B)/libvirt.chosen $(B)/small.chosen: FORCE
	@mkdir -p $(@D)
	@echo '$(CHOICE)' | cmp -s - $@ || echo '$(CHOICE)' >$@

$(B)/obj/%.o: src/%.c $(DEPS_MK) $(B)/small.chosen
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CPPFLAGS_OWN) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<
$(B)/obj/backends/backend.o: $(B)/backends.chosen
$(B)/obj/backends/backend.o: CPPFLAGS_OWN = '-DBACKENDS=$(BACKENDS_C)'
$(B)/obj/main.o $(B)/obj/poolctl/poolctl.o: $(B)/libvirt.chosen
# Of these nobody feels how fast they are.
$(B)/obj/poolctl/%.o $(B)/obj/tools/%.o $(B)/obj/control/verbs/%.o $(patsubst %,$(B)/obj/control/rpc/%.o,bind events identity session): CFLAGS_OWN = $(if $(SAN)$(SMALL),,-Oz)
$(B)/obj/main.o $(B)/obj/poolctl/poolctl.o: CPPFLAGS_OWN = $(if $(filter 1,$(LIBVIRT)),-DWITH_libvirt=1)
$(B)/obj/poolctl/xpath.o: $(B)/xpath.chosen
$(B)/obj/poolctl/xpath.o: CPPFLAGS_OWN = $(if $(filter 1,$(XPATH)),-DWITH_xpath=1)

$(LIB): $(filter-out $(B)/obj/main.o,$(OBJ))
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

$(B)/poolinit.debug: $(B)/obj/main.o $(LIB) $(LAYOUTS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(B)/obj/main.o $(LIB) $(LIBS_ALL)
	$(if $(FRACTIONS)$(SAN),,$(Q)! $(CROSS)nm $@ | grep -w strtod || { echo 'strtod(3) is in use: set FRACTIONS in the libraries.mk of the type that does it' >&2; rm $@; exit 1; })

$(B)/poolinit: $(B)/poolinit.debug
	$(Q)$(if $(SAN),cp $< $@,$(CROSS)strip -s -R .comment -o $@ $<)

$(B)/poolctl: $(B)/poolinit
	$(Q)ln -sf poolinit $@

# ---- tests ----
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
UNIT     := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
# fuzz_image once a format as well, for those that there is a corpus of.
FUZZ_ALL := $(FUZZ_SRC:tests/fuzz/%.c=%) $(patsubst tests/fuzz/corpus/%,fuzz_%,$(sort $(wildcard tests/fuzz/corpus/image_*)))
FUZZ     := $(FUZZ_ALL:%=$(B)/fuzz/%)
REPLAY   := $(FUZZ_ALL:%=$(B)/replay/%)
CONFORMANCE := $(sort $(wildcard tests/conformance/*))
HOST     := $(filter-out %.py %.c %.h,$(sort $(wildcard tests/host/*)))
QEMU     := $(filter-out %.py %/agent,$(sort $(wildcard tests/qemu/*)))
FULL     := $(filter-out %/packages,$(sort $(wildcard tests/full/*)))

.PHONY: unit replay fuzz setup check conformance check-host check-qemu lint
unit: $(UNIT) ## build the unit tests (SAN=1: under the sanitizers)
$(B)/unit/%: tests/unit/%.c tests/unit/check.h $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) -Itests/unit $(CFLAGS_ALL) $(LDFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< $(LIB) $(LIBS_ALL)

# The backends' operations, one by one, for tests/host/fs-pools.
HOST_PROGRAMS := $(B)/host/backend-op $(B)/host/grammar-verdict $(B)/host/qcow2-tool
$(B)/host/%: tests/host/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(filter %.o,$^) $(LIB) $(LIBS_ALL)
# The whole program once more, for tests/host/valgrind-smoke: valgrind can lend a static program its malloc only at link time.
$(B)/host/under-valgrind: LDFLAGS_ALL += -g -Wl,--no-gc-sections -Wl,--wrap=syscall -Wl,--whole-archive \
	$(firstword $(wildcard /usr/lib/*/valgrind/libreplacemalloc_toolpreload-*-linux.a)) -Wl,--no-whole-archive
$(B)/host/under-valgrind: $(B)/obj/main.o
.PHONY: host-programs
host-programs: $(HOST_PROGRAMS)

replay: $(REPLAY) ## build the fuzz targets as programs that replay their corpus (SAN=1)
$(B)/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< tests/fuzz/replay.c $(LIB) $(LIBS_ALL)

fuzz: ## libFuzzer on every target, FUZZ_SECONDS (60) each
	@$(MAKE) --no-print-directory SAN=1 CC=clang B=build/fuzzing CFLAGS="-O1 -g -fsanitize=fuzzer-no-link" fuzz-run
FUZZ_SECONDS ?= 60
fuzz-long: ## libFuzzer on one target, FUZZ_LONG (rpc), for FUZZ_HOURS (24) of processor time: on all processors at once
	@$(MAKE) --no-print-directory SAN=1 CC=clang B=build/fuzzing CFLAGS="-O1 -g -fsanitize=fuzzer-no-link" fuzz-long-run
FUZZ_LONG ?= rpc
FUZZ_HOURS ?= 24
.PHONY: fuzz-run fuzz-long fuzz-long-run
fuzz-long-run: $(B)/fuzz/fuzz_$(FUZZ_LONG)
	@mkdir -p $(B)/corpus/$(FUZZ_LONG) $(B)/found
	$(B)/fuzz/fuzz_$(FUZZ_LONG) -fork=$$(nproc) -max_total_time=$$(($(FUZZ_HOURS) * 3600 / $$(nproc))) -timeout=10 -print_final_stats=1 \
	  -artifact_prefix=$(B)/found/$(FUZZ_LONG)- $(B)/corpus/$(FUZZ_LONG) tests/fuzz/corpus/$(FUZZ_LONG)
fuzz-run: $(FUZZ)
	@for f in $(FUZZ); do n=$${f##*/fuzz_}; mkdir -p $(B)/corpus/$$n $(B)/found; echo "== $$n"; \
	  $$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -timeout=10 -artifact_prefix=$(B)/found/$$n- \
	    $(B)/corpus/$$n tests/fuzz/corpus/$$n >$(B)/found/$$n.log 2>&1; status=$$?; \
	  grep -E 'ERROR|SUMMARY|stat::number_of' $(B)/found/$$n.log; \
	  [ $$status -eq 0 ] || { tail -40 $(B)/found/$$n.log; exit 1; }; done
$(B)/fuzz/%: tests/fuzz/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $< $(LIB) $(LIBS_ALL)

# They go by their name.
$(B)/fuzz/fuzz_image_%: $(B)/fuzz/fuzz_image
	$(Q)ln -sf $(<F) $@
$(B)/replay/fuzz_image_%: $(B)/replay/fuzz_image
	$(Q)ln -sf $(<F) $@

setup: ## see that what building and testing need is there (root: apt-get install it)
	@: # done above, before any rule

# What tests take that is long in building, the first time: programs that build it, and do little where it is there. `make check` runs them beside
# the tests, and the tests that take it after them (tests/side-by-side).
BESIDE := deps/guests deps/zfs deps/rbd

.PHONY: deps-all
deps-all: ## what tests need that takes long to build, the first time: Debians to boot as real roots; ZFS for the virtual machine's kernel; the libraries of rbd pools, and the program with them
	@for program in $(BESIDE); do nice $$program >/dev/null || exit; done

lint: ## the rules of the house, clang-tidy and cppcheck
	@tests/run tests/style/lint

TEST_JOBS ?= $(shell nproc)
check: ## all tests: unit, golden, fuzz corpus, host, qemu; TEST_JOBS side by side (as many as there are processors); AGAIN=N: up to N that fail once more
	@tests/setup --machine
	@$(MAKE) --no-print-directory -j$$(nproc) WERROR=1 all companions $(B)/unit/test_sandbox
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=1 WERROR=1 all unit replay host-programs
	@$(if $(filter aarch64,$(THIS_ARCH)),:,$(MAKE) --no-print-directory -j$$(nproc) WERROR=1 ARCH=aarch64 all build/aarch64/unit/test_sandbox)
	@$(if $(filter aarch64,$(THIS_ARCH)),:,deps/unpacked aarch64 kernel busybox-static >/dev/null || :)
	@tests/run -j $(TEST_JOBS) $(AGAIN:%=-a %) $(BESIDE:%=-b %) $(B)/unit/test_sandbox $(patsubst $(B)/%,build/san/%,$(UNIT) $(REPLAY)) $(CONFORMANCE) $(sort $(wildcard tests/golden/run-*)) tests/style/lint $(HOST) $(QEMU) $(FULL) \
	  $(if $(DISTROS_BEFORE),tests/distros/check)

conformance: ## libvirt's own documents: what this program makes of each, beside what libvirt makes of it
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=1 all build/san/unit/test_conformance
	@tests/run $(CONFORMANCE) build/san/unit/test_conformance

check-host: all ## the host tests alone
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=1 all host-programs
	@tests/run -j $(TEST_JOBS) $(HOST)

check-qemu: all companions ## the tests in virtual machines alone
	@tests/run $(QEMU)

# Not part of `make check`, unless DISTROS_BEFORE is a time (seconds since 1970) that has not come when all other tests have run:
# .ci/run gives its first half so. The systems have to be made once, and what is built in them is built for nobody else.
export DISTROS_BEFORE
.PHONY: check-distros
check-distros: ## build, and run the unit tests, in a minimal Debian 12 and 13 of their own (root; made the first time, kept in the cache)
	@DISTROS_BEFORE= tests/run tests/distros/check

# Six times the host tests: not part of `make check` either.
.PHONY: check-users
check-users: ## the host tests for users with another umask, language, home or checkout than most
	@tests/run tests/distros/users

.PHONY: check-full
check-full: all full ## the tests of the types that only `make full` has alone, against real servers
	@tests/run $(FULL)

# ---- to see it ----
.PHONY: demo demo-all demo-shell bench
demo: ## boot the appliance under QEMU with real servers around it, and show what an operator sees
	@$(MAKE) --no-print-directory -j$$(nproc) all companions
	@tests/demo
demo-all: ## the same with pools of every type that works; what that takes is built before (make deps-all: half an hour, the first time)
	@$(MAKE) --no-print-directory deps-all
	@$(MAKE) --no-print-directory -j$$(nproc) B=$(B)/full BACKENDS="$(ALL_BACKENDS)" all companions
	@POOLINIT_TEST_BINARY=$(B)/full/poolinit tests/demo --all
demo-shell: ## the same as demo, with a console in the running appliance
	@$(MAKE) --no-print-directory -j$$(nproc) all companions
	@tests/demo --shell
bench: ## measure, beside libvirtd in the same run
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@tests/bench/run
	@tests/bench/beside

# ---- the image and its companions ----
.PHONY: companions
companions: $(B)/iscsid $(B)/iscsiadm ## open-iscsi's tools, static, for the image
$(B)/companions.mk: FORCE
	@mkdir -p $(@D)
	@deps/build --mk $@ open-iscsi >/dev/null
$(B)/iscsid $(B)/iscsiadm: $(B)/companions.mk
	$(Q)cp "$$(sed -n 's/^$(if $(filter %iscsid,$@),ISCSID,ISCSIADM) *:*= *//p' $<)" $@

.PHONY: install
PREFIX ?= /usr
install: all ## into $(DESTDIR)$(PREFIX): program, poolctl, man pages, completion, service file
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(B)/poolinit $(DESTDIR)$(PREFIX)/sbin/poolinit
	ln -sf ../sbin/poolinit $(DESTDIR)$(PREFIX)/bin/poolctl
	install -m 644 docs/poolinit.8 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 644 docs/poolctl.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -D -m 644 config/completion/bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/poolctl
	ln -sf poolctl $(DESTDIR)$(PREFIX)/share/bash-completion/completions/poolinit
	install -D -m 644 config/completion/zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_poolctl
	install -D -m 644 config/poolinit.service $(DESTDIR)$(PREFIX)/lib/systemd/system/poolinit.service
	install -m 644 config/poolinit-wait@.service $(if $(filter 1,$(LIBVIRT)),config/*.socket) $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -D -m 644 config/poolinit.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/poolinit.conf

# Apart from the above: whoever has these has the pools of /etc/poolinit started before the root is mounted, from the next image on.
.PHONY: install-companions install-initramfs-tools install-dracut install-mkinitcpio
install-companions: companions ## iscsid and iscsiadm, static, which the hooks below take rather than the system's
	install -d $(DESTDIR)$(PREFIX)/lib/poolinit
	install -m 755 $(B)/iscsid $(B)/iscsiadm $(DESTDIR)$(PREFIX)/lib/poolinit

install-initramfs-tools: ## hooks for initramfs-tools (Debian, Ubuntu)
	install -D -m 755 initramfs/initramfs-tools/hook $(DESTDIR)$(PREFIX)/share/initramfs-tools/hooks/poolinit
	install -D -m 644 initramfs/initramfs-tools/conf-hook $(DESTDIR)$(PREFIX)/share/initramfs-tools/conf-hooks.d/poolinit
	install -D -m 755 initramfs/initramfs-tools/local-top $(DESTDIR)$(PREFIX)/share/initramfs-tools/scripts/local-top/poolinit
	install -D -m 755 initramfs/initramfs-tools/local-bottom $(DESTDIR)$(PREFIX)/share/initramfs-tools/scripts/local-bottom/poolinit

DRACUT := $(PREFIX)/lib/dracut/modules.d/50poolinit
install-dracut: ## a module for dracut (Fedora, RHEL, openSUSE)
	install -d $(DESTDIR)$(DRACUT)
	install -m 755 initramfs/dracut/*.sh $(DESTDIR)$(DRACUT)

install-mkinitcpio: ## a hook for mkinitcpio (Arch), which /etc/mkinitcpio.conf has to name
	install -D -m 644 initramfs/mkinitcpio/install $(DESTDIR)$(PREFIX)/lib/initcpio/install/poolinit
	install -D -m 644 initramfs/mkinitcpio/hook $(DESTDIR)$(PREFIX)/lib/initcpio/hooks/poolinit
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system/initrd.target.wants
	for unit in poolinit-initrd poolinit-follow; do \
	  install -m 644 initramfs/mkinitcpio/$$unit.service $(DESTDIR)$(PREFIX)/lib/systemd/system && \
	  ln -sf ../$$unit.service $(DESTDIR)$(PREFIX)/lib/systemd/system/initrd.target.wants || exit; done

# For init systems that are not systemd: each has its own goal, and none of them starts anything.
.PHONY: install-openrc install-runit install-s6
install-openrc: ## a service for OpenRC (Alpine, Gentoo)
	install -D -m 755 config/openrc/poolinit $(DESTDIR)/etc/init.d/poolinit
	install -D -m 644 config/openrc/conf $(DESTDIR)/etc/conf.d/poolinit
install-runit: ## a service directory for runit (Void, Debian's runit)
	install -D -m 755 config/runit/run $(DESTDIR)/etc/sv/poolinit/run
	install -m 755 config/runit/check config/runit/finish $(DESTDIR)/etc/sv/poolinit
install-s6: ## a service for s6 and s6-rc
	install -D -m 755 config/s6/run $(DESTDIR)/etc/s6-rc/source/poolinit/run
	echo longrun >$(DESTDIR)/etc/s6-rc/source/poolinit/type
	echo 3 >$(DESTDIR)/etc/s6-rc/source/poolinit/notification-fd

# ---- to ship it ----
.PHONY: deb tarball
deb: all ## packages of Debian's, in build/deb: poolinit, poolinit-initramfs-tools, poolinit-dracut
	@rm -f $(B)/deb/*.deb
	+@packaging/build deb $(VERSION) $(ARCH) $(B)/deb
tarball: all ## what install and install-openrc install, as one archive for the root of a system, in build
	+@packaging/build tarball $(VERSION) $(ARCH) $(B)

.PHONY: clean
clean: ## remove build/
	rm -rf build

-include $(OBJ:.o=.d) $(wildcard $(B)/*/*.d)
