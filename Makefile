# SPDX-License-Identifier: Apache-2.0
# One plain Makefile for the whole tree. Objects go to $(BUILD)/, mirroring the sources; `make help` lists the targets.
#
# The layers of shared/ and what each may use stand in one table (USES_*), below. Unit tests link exactly what the
# table allows, so an include in the wrong direction fails twice: in the lint and at link time.

.DEFAULT_GOAL := all
BUILD ?= build
SHELL := /bin/bash

ifeq ($(filter clean distclean help demo check check-haraka torture bench bench-policy bench-filter eval deb deb-check packages-%,$(MAKECMDGOALS)),$(MAKECMDGOALS))
ifneq ($(MAKECMDGOALS),)
no_config := yes
endif
endif
ifndef no_config
-include config.mk
endif

# ---- flags --------------------------------------------------------------------------------------------------------
WARNINGS  := -Wall -Wextra -Wpedantic -Wshadow -Wconversion
HARDENING := -fstack-protector-strong -fstack-clash-protection $(CF_PROTECTION) -D_GLIBCXX_ASSERTIONS -fPIE
ifeq ($(SANITIZE),)
HARDENING += -D_FORTIFY_SOURCE=2
else
# GCC makes these see what is not there: with -fsanitize (its manual), and where Asio's frames are inlined (PR 109224).
SAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-maybe-uninitialized -Wno-mismatched-new-delete
endif
# Its memory comes from `new`, where a process that gets none ends (shared/daemon/memory.hpp); aligned_alloc(3) would also
# pass by glibc's caches. A request takes four coroutine frames and gives them back; a thread keeps two for the next, here eight.
ASIO      := -DBOOST_ASIO_SEPARATE_COMPILATION -DBOOST_ASIO_NO_DEPRECATED \
             -DBOOST_ASIO_DISABLE_STD_ALIGNED_ALLOC -DBOOST_ASIO_DISABLE_BOOST_ALIGN -DBOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=8
ALL_CXXFLAGS = -std=c++20 $(WARNINGS) $(HARDENING) $(ASIO) -I. $(LIB_CFLAGS) $(CPPFLAGS) $(CXXFLAGS) $(FILE_FLAGS) $(SAN_FLAGS)
ALL_LDFLAGS  = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) $(SAN_FLAGS) -pthread

prefix     ?= /usr/local
sbindir    ?= $(prefix)/sbin
bindir     ?= $(prefix)/bin
libexecdir ?= $(prefix)/libexec
datadir    ?= $(prefix)/share
mandir     ?= $(datadir)/man
bashcompletiondir ?= $(datadir)/bash-completion/completions
docdir     ?= $(datadir)/doc/postsluice
sysconfdir ?= /etc

# ---- layers of shared/ and what each may use (all of them: core) ---------------------------------------------------
LAYERS := core log config net smtp relay control maps dns state auth account daemon
USES_core    := core
USES_log     := core log
USES_config  := core config
USES_net     := core log net
USES_smtp    := core smtp
USES_relay   := core log net smtp relay
USES_control := core log net control
USES_maps    := core log config net maps
USES_dns     := core log config net dns
USES_state   := core log net state
USES_auth    := core log config net dns auth
USES_account := core log config net smtp state maps account
USES_daemon  := core log config net smtp relay state maps account control daemon

# The SPF helper and what makes the manual are programs of their own, though they lie beside what they use.
src = $(filter-out shared/auth/spf_helper/% admin/manual/%,$(sort $(wildcard $(1)/*.cpp) $(wildcard $(1)/*/*.cpp)))
obj = $(patsubst %.cpp,$(BUILD)/%.o,$(1))

LAYER_OBJS = $(call obj,$(call src,shared/$(1)))
SHARED_SRCS := $(foreach l,$(LAYERS),$(call src,shared/$(l)))
# Mains are linked into programs, never into tests.
MAINS := policyd/main.cpp contentfilter/main.cpp contentfilter/worker/main.cpp contentfilter/pipe/main.cpp admin/main.cpp
POLICYD_OBJS := $(call obj,$(filter-out $(MAINS),$(call src,policyd)))
FILTER_OBJS  := $(call obj,$(filter-out $(MAINS) contentfilter/worker/% contentfilter/pipe/%,$(call src,contentfilter)))
PIPE_OBJS    := $(call obj,$(wildcard contentfilter/pipe/*.cpp))
WORKER_OBJS  := $(call obj,$(filter-out $(MAINS),$(call src,contentfilter/worker)))
ADMIN_OBJS   := $(call obj,$(filter-out $(MAINS),$(call src,admin))) $(BUILD)/admin/setup/examples.o
MANUAL_OBJS := $(call obj,$(wildcard admin/manual/*.cpp))
SPF_HELPER_OBJS := $(call obj,$(wildcard shared/auth/spf_helper/*.cpp) shared/dns/rdata.cpp)

PROGRAMS := $(BUILD)/postsluice-policyd $(BUILD)/postsluice-contentfilter $(BUILD)/postsluice-scan-worker \
    $(BUILD)/postsluice-spf-helper $(BUILD)/postsluice-pipe $(BUILD)/postsluice

.PHONY: all
all: $(PROGRAMS) ## build the programs (configures by itself in a fresh clone)

$(BUILD)/libpostsluice.a: $(call obj,$(SHARED_SRCS))
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/postsluice-policyd: $(BUILD)/policyd/main.o $(POLICYD_OBJS) $(BUILD)/libpostsluice.a
	@echo "LD  $@"; $(CXX) -o $@ $(filter %.o,$^) $(BUILD)/libpostsluice.a $(ALL_LDFLAGS) $(LIBS_shared)
$(BUILD)/postsluice-contentfilter: $(BUILD)/contentfilter/main.o $(FILTER_OBJS) $(BUILD)/libpostsluice.a
	@echo "LD  $@"; $(CXX) -o $@ $(filter %.o,$^) $(BUILD)/libpostsluice.a $(ALL_LDFLAGS) $(LIBS_contentfilter) $(LIBS_shared)
$(BUILD)/postsluice-scan-worker: $(BUILD)/contentfilter/worker/main.o $(WORKER_OBJS)
	@echo "LD  $@"; $(CXX) -o $@ $(filter %.o,$^) $(ALL_LDFLAGS) $(LIBS_worker)
# Static, whatever the rest is: a library that is missing for a moment would make Postfix bounce all mail.
$(BUILD)/postsluice-pipe: $(PIPE_OBJS)
	@echo "LD  $@"; $(CXX) -o $@ $^ $(if $(SANITIZE),$(ALL_LDFLAGS),-static-pie -Wl,-z,relro,-z,now $(LDFLAGS))
$(BUILD)/postsluice-spf-helper: $(SPF_HELPER_OBJS) $(foreach l,core log,$(call LAYER_OBJS,$(l)))
	@echo "LD  $@"; $(CXX) -o $@ $(filter %.o,$^) $(ALL_LDFLAGS) $(LIBS_shared)
$(BUILD)/postsluice: $(BUILD)/admin/main.o $(ADMIN_OBJS) $(BUILD)/libpostsluice.a
	@echo "LD  $@"; $(CXX) -o $@ $(filter %.o,$^) $(BUILD)/libpostsluice.a $(ALL_LDFLAGS) $(LIBS_shared)

# ---- what is made from the program's own tables -----------------------------------------------------------------------
# A page lies beside its program, a noun's page beside its command; the lists in it are filled in (admin/manual/manual.hpp).
MAN_SRCS := $(sort $(wildcard policyd/*.8 contentfilter/*.8 contentfilter/pipe/*.8 shared/auth/spf_helper/*.8 admin/*.8 \
    admin/commands/*.8 shared/config/*.5))
MAN_PAGES := $(addprefix $(BUILD)/man/,$(notdir $(MAN_SRCS)))
$(BUILD)/manual: $(MANUAL_OBJS) $(ADMIN_OBJS) $(BUILD)/libpostsluice.a
	@echo "LD  $@"; $(CXX) -o $@ $(filter %.o,$^) $(BUILD)/libpostsluice.a $(ALL_LDFLAGS) $(LIBS_shared)
define man_rule
$(BUILD)/man/$(notdir $(1)): $(1) $(BUILD)/manual
	@mkdir -p $$(@D); $(BUILD)/manual $(1) > $$@.new && mv $$@.new $$@
endef
$(foreach page,$(MAN_SRCS),$(eval $(call man_rule,$(page))))
$(BUILD)/completion/postsluice: $(BUILD)/manual
	@mkdir -p $(@D); $< --completion > $@.new && mv $@.new $@
$(BUILD)/postsluice.toml: $(BUILD)/manual
	@$< --sample > $@.new && mv $@.new $@

.PHONY: man completion sample
man: $(MAN_PAGES) ## the manual pages, in build/man/
completion: $(BUILD)/completion/postsluice ## completion for bash
sample: $(BUILD)/postsluice.toml ## the commented configuration

# What most files read of the standard library, and tests of Boost.Test, is read once (shared/core/precompiled.hpp). GCC takes the
# .gch beside the header that -include names; where the flags differ it says so and reads the header. PRECOMPILED= does without.
# FORGOTTEN: what the library's own char_traits.h switches off for itself, by pragmas; a precompiled header forgets them.
# ccache keeps such objects only where it is told that it may (its manual, "Precompiled headers").
PRECOMPILED ?= $(if $(findstring clang,$(CXX)),,yes)
ifneq ($(PRECOMPILED),)
export CCACHE_SLOPPINESS ?= pch_defines,time_macros
PRECOMPILED_PROGRAMS := $(BUILD)/precompiled/programs.hpp
PRECOMPILED_TESTS    := $(BUILD)/precompiled/tests.hpp
endif
$(BUILD)/precompiled/programs.hpp.gch: shared/core/precompiled.hpp
$(BUILD)/precompiled/tests.hpp.gch: tests/unit/precompiled.hpp shared/core/precompiled.hpp
$(BUILD)/precompiled/programs.hpp.gch $(BUILD)/precompiled/tests.hpp.gch: %.gch: $(BUILD)/compiled-with
	@mkdir -p $(@D); echo '#include "$(firstword $(filter %.hpp,$^))"' > $*
	@echo "CXX $*"; $(CXX) $(ALL_CXXFLAGS) -x c++-header -o $@.new $* && mv $@.new $@

FORGOTTEN := -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread
compile = @mkdir -p $(@D); echo "CXX $<"; $(CXX) $(ALL_CXXFLAGS) $(1:%=-Winvalid-pch $(FORGOTTEN) -include %) -MMD -MP -c -o $@ $<
$(BUILD)/%.o: %.cpp $(BUILD)/compiled-with | $(PRECOMPILED_PROGRAMS:%=%.gch)
	$(call compile,$(PRECOMPILED_PROGRAMS))
$(BUILD)/tests/unit/%.o: tests/unit/%.cpp $(BUILD)/compiled-with | $(PRECOMPILED_TESTS:%=%.gch)
	$(call compile,$(PRECOMPILED_TESTS))

# Tests run once: the compiler's work on their own code would take longer than they do.
TESTS_FLAGS ?= -Og
$(BUILD)/tests/unit/% $(BUILD)/precompiled/tests.hpp.gch: private FILE_FLAGS = $(TESTS_FLAGS)

# All objects are of one kind (a macro of Asio's changes the layout of what they share): with other flags all are made anew.
COMPILED_WITH = $(filter-out ccache,$(CXX)) $(ALL_CXXFLAGS) $(TESTS_FLAGS) $(PRECOMPILED:%=precompiled)
# But not for `sudo make install` after `make CXXFLAGS=...`: what was built is installed.
$(BUILD)/compiled-with: $(if $(filter install,$(MAKECMDGOALS)),,FORCE)
	@mkdir -p $(@D); echo '$(subst ','\'',$(COMPILED_WITH))' | cmp -s - $@ || echo '$(subst ','\'',$(COMPILED_WITH))' > $@

INSTALLED_FLAGS = -DPOSTSLUICE_LIBEXECDIR='"$(libexecdir)/postsluice"' -DPOSTSLUICE_DATADIR='"$(datadir)/postsluice"'
# Where the programs will find each other and their rules; built anew where that changes.
$(BUILD)/installed-in: FORCE
	@mkdir -p $(@D); echo '$(libexecdir) $(datadir)' | cmp -s - $@ || echo '$(libexecdir) $(datadir)' > $@
$(BUILD)/shared/config/installed.o: $(BUILD)/installed-in
$(BUILD)/shared/config/installed.o: private FILE_FLAGS = $(INSTALLED_FLAGS)
.PHONY: FORCE
FORCE:

# What `postsluice setup` writes: the examples themselves, compiled in.
EXAMPLES := $(foreach w,after-queue after-queue-smtp before-queue pipe,$(wildcard postfix-examples/$(w)/*.cf postfix-examples/$(w)/*.regexp))
$(BUILD)/admin/setup/examples.cpp: $(EXAMPLES) Makefile
	@mkdir -p $(@D)
	@{ echo '// Made from postfix-examples/.'; echo '#include "admin/setup/examples.hpp"'; \
	   echo 'namespace postsluice::admin::setup {'; \
	   echo 'const std::vector<example_file>& example_files() {'; echo '    static const std::vector<example_file> all{'; \
	   for f in $(EXAMPLES); do \
	       printf '        {"%s", "%s", R"example(' "$$(basename $$(dirname $$f))" "$$(basename $$f)"; cat $$f; echo ')example"},'; \
	   done; echo '    };'; echo '    return all;'; echo '}'; echo '}'; } > $@.new && mv $@.new $@
$(BUILD)/admin/setup/examples.o: $(BUILD)/admin/setup/examples.cpp $(BUILD)/compiled-with
	$(call compile)

# Headers of another subject than the code (asio's implementation, compiled once) answer to fewer warnings.
$(BUILD)/shared/net/asio_impl.o: private WARNINGS := -w

config.mk: configure config.mk.in config.h.in
	@echo "configure"; ./configure --quiet
configure: configure.ac
	@echo "autoconf"; autoconf

# Not those of the package's own tree.
-include $(shell find $(BUILD) -path $(BUILD)/deb -prune -o -type f -name '*.d' -print 2>/dev/null)

# A private Postfix needs root: the tests ask sudo where we are not.
AS_ROOT := $(shell [ $$(id -u) -eq 0 ] || echo sudo)

# ---- tests ---------------------------------------------------------------------------------------------------------
# One Boost.Test binary per layer: tests/unit/<layer>/*.cpp -> $(BUILD)/tests/unit-<layer>.
UNIT_LAYERS := $(patsubst tests/unit/%/,%,$(sort $(dir $(wildcard tests/unit/*/*.cpp))))
UNIT_TESTS  := $(UNIT_LAYERS:%=$(BUILD)/tests/unit-%)
USES_policyd       := $(LAYERS)
USES_contentfilter := $(LAYERS)
USES_admin         := $(LAYERS)
EXTRA_policyd       := $(POLICYD_OBJS)
EXTRA_contentfilter := $(FILTER_OBJS) $(WORKER_OBJS)
EXTRA_admin         := $(ADMIN_OBJS)

# The worker's tests run the real program.
NEEDS_contentfilter := $(BUILD)/postsluice-scan-worker
NEEDS_auth := $(BUILD)/postsluice-spf-helper
NEEDS_policyd := $(BUILD)/postsluice-spf-helper

define unit_rule
$(BUILD)/tests/unit-$(1): $(call obj,$(wildcard tests/unit/$(1)/*.cpp)) $(BUILD)/tests/support/unit_main.o \
    $(foreach l,$(USES_$(1)),$(call LAYER_OBJS,$(l))) $(EXTRA_$(1)) | $(NEEDS_$(1))
	@mkdir -p $$(@D)
	@echo "LD  $$@"; $$(CXX) -o $$@ $$^ $$(ALL_LDFLAGS) -lboost_unit_test_framework $$(LIBS_contentfilter) $$(LIBS_worker) $$(LIBS_shared)
endef
$(foreach l,$(UNIT_LAYERS),$(eval $(call unit_rule,$(l))))

.PHONY: unit
unit: $(UNIT_TESTS) $(BUILD)/tests/bench/policy-load $(BUILD)/tests/eval/judge ## build the unit tests, and what the tests of speed and of the evaluation run

# One fuzz target per tests/fuzz/*.cpp but the driver. FUZZ_ENGINE=-fsanitize=fuzzer (CXX=clang++) instead of the driver.
FUZZ_TARGETS := $(filter-out main,$(basename $(notdir $(wildcard tests/fuzz/*.cpp))))
FUZZERS      := $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz-%)
FUZZ_SECONDS ?= 60
FUZZED_FILTER_OBJS := $(call obj,$(call src,contentfilter/mime) contentfilter/intake/message.cpp contentfilter/intake/spool.cpp \
    $(wildcard contentfilter/checks/*_protocol.cpp) contentfilter/checks/foreign_symbols.cpp \
    contentfilter/feedback/bounce_report.cpp) \
    $(WORKER_OBJS)
$(BUILD)/tests/fuzz-%: $(BUILD)/tests/fuzz/%.o $(if $(FUZZ_ENGINE),,$(BUILD)/tests/fuzz/main.o) \
    $(BUILD)/policyd/protocol.o $(BUILD)/policyd/request.o $(FUZZED_FILTER_OBJS) $(BUILD)/libpostsluice.a
	@echo "LD  $@"; $(CXX) -o $@ $^ $(ALL_LDFLAGS) $(FUZZ_ENGINE) $(LIBS_contentfilter) $(LIBS_worker) $(LIBS_shared)
# Make would take these for intermediate files, and build them anew each time.
.SECONDARY: $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%.o) $(BUILD)/tests/fuzz/main.o $(BUILD)/tests/bench/policy-load.o $(BUILD)/tests/bench/mail-load.o

.PHONY: fuzz fuzzers fuzz-run
fuzzers: $(FUZZERS)
fuzz: ## each fuzz target for FUZZ_SECONDS (60) under the sanitizers
	@$(MAKE) --no-print-directory SANITIZE=1 BUILD=build/sanitize CXXFLAGS="-O1 -g1" -j$$(nproc) fuzz-run
fuzz-run: $(FUZZERS) # what fuzz calls, in its build
	@cd $(BUILD)/tests && for t in $(FUZZ_TARGETS); do echo "fuzz-$$t"; \
	    nice -n 19 ./fuzz-$$t --seconds $(FUZZ_SECONDS) --random $${RANDOM} $(CURDIR)/tests/corpus/fuzz/$$t || exit 1; done

.PHONY: parse
parse: ## every message below CORPUS=DIR through the message model, under the sanitizers
	@test -n "$(CORPUS)" || { echo "make parse CORPUS=DIR: say which folder of messages" >&2; exit 2; }
	@$(MAKE) --no-print-directory SANITIZE=1 BUILD=build/sanitize CXXFLAGS="-O1 -g1" -j$$(nproc) build/sanitize/tests/fuzz-mime
	@find $(CORPUS) -type f -print0 | sort -z | xargs -0 build/sanitize/tests/fuzz-mime

.PHONY: check
check: ## install what is missing, build, lint, and run all tests; ends with "N passed, N failed"
	@tests/support/install-packages check
	@$(MAKE) --no-print-directory -j$$(nproc) all unit fuzzers man completion sample
	@tests/support/unpack-exim $(BUILD)/exim >/dev/null || true # its test says so again; here the files are not root's
	@$(AS_ROOT) tests/support/run-tests --build $(BUILD)

.PHONY: check-haraka
check-haraka: ## the guide for Haraka, with the Haraka of npm (Node.js 20 or later, npm, network), in build/haraka
	@tests/support/install-packages check
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@command -v npm >/dev/null || { echo "check-haraka: no npm; Node.js 20 or later is needed, Debian 12 has an older one" >&2; exit 1; }
	@mkdir -p $(BUILD)/haraka && cp tests/haraka/fixtures/package*.json $(BUILD)/haraka/
	@cd $(BUILD)/haraka && npm ci --omit=optional --ignore-scripts --no-audit --no-fund
	@$(AS_ROOT) env POSTSLUICE_BUILD=$(abspath $(BUILD)) python3 tests/haraka/test_haraka.py

.PHONY: torture
torture: ## every fault of the matrix by every way in, MESSAGES (100) each, and 1,000 starts; prints the ledger's tables
	@tests/support/install-packages check
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@for way in after-queue after-queue-smtp before-queue before-queue-by-line pipe; do \
	    $(AS_ROOT) python3 tests/support/faults.py --build $(BUILD) --way $$way --messages $(or $(MESSAGES),100) || exit 1; done
	@$(AS_ROOT) python3 tests/support/faults.py --build $(BUILD) --starts 1000

.PHONY: demo
demo: ## the main job end to end, in a scratch directory (KEEP=1 leaves it running)
	@tests/support/install-packages demo
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@tests/support/demo --build $(BUILD) $(if $(KEEP),--keep)

.PHONY: sanitize
sanitize: ## all tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tests/support/install-packages check
	@$(MAKE) --no-print-directory SANITIZE=1 BUILD=build/sanitize CXXFLAGS="-O1 -g1" -j$$(nproc) all unit fuzzers man completion sample
	@$(AS_ROOT) tests/support/run-tests --build build/sanitize --no-lint

.PHONY: lint
lint: ## formatting, dependency direction, SPDX lines, documentation against the option table
	@tests/lint/run

.PHONY: tidy
tidy: ## clang-tidy on the files that differ from BASE (default HEAD)
	@tests/lint/tidy $(or $(BASE),HEAD)

.PHONY: print-flags
print-flags: # what tests/lint/tidy compiles with
	@echo "$(subst ",\",$(ALL_CXXFLAGS) $(INSTALLED_FLAGS))"

.PHONY: format
format: ## clang-format every source in place
	@git ls-files -co --exclude-standard '*.cpp' '*.hpp' | xargs clang-format -i

.PHONY: bench
bench: bench-policy bench-filter ## both benches
.PHONY: bench-policy
bench-policy: ## policyd beside postfwd, policyd-rate-limit and its ceiling (QUICK=1: one short round)
	@tests/support/install-packages bench
	@$(MAKE) --no-print-directory -j$$(nproc) $(BUILD)/postsluice-policyd $(BUILD)/tests/bench/policy-load
	@$(AS_ROOT) tests/bench/policy --build $(BUILD) $(if $(QUICK),--quick)
.PHONY: bench-filter
bench-filter: ## the filter beside OpenDKIM, Rspamd, amavisd-new and its ceilings (QUICK=1: one short round of two sizes)
	@tests/support/install-packages bench
	@$(MAKE) --no-print-directory -j$$(nproc) all $(BUILD)/tests/bench/mail-load
	@$(AS_ROOT) tests/bench/filter --build $(BUILD) $(if $(QUICK),--quick)
.PHONY: eval
eval: ## how well the checks tell spam from ham: CORPUS=DIR, a folder of folders of messages, beside SpamAssassin and bogofilter
	@test -n "$(CORPUS)" || { echo "make eval CORPUS=DIR: say which folder of ham and spam folders" >&2; exit 2; }
	@tests/support/install-packages eval
	@$(MAKE) --no-print-directory -j$$(nproc) $(BUILD)/tests/eval/judge $(BUILD)/postsluice-scan-worker
	@tests/eval/eval --build $(BUILD) $(CORPUS)
$(BUILD)/tests/eval/judge: $(BUILD)/tests/eval/judge.o $(FILTER_OBJS) $(BUILD)/libpostsluice.a
	@mkdir -p $(@D)
	@echo "LD  $@"; $(CXX) -o $@ $^ $(ALL_LDFLAGS) $(LIBS_contentfilter) $(LIBS_shared)
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o
	@$(CXX) -o $@ $^ $(ALL_LDFLAGS)

# ---- install -------------------------------------------------------------------------------------------------------
INSTALL ?= install
RULE_FILES := $(wildcard contentfilter/rules.d/*.toml)
.PHONY: install
install: all man completion sample ## install below $(DESTDIR)$(prefix); an existing configuration stays as it is
	$(INSTALL) -d $(DESTDIR)$(sbindir) $(DESTDIR)$(bindir) $(DESTDIR)$(libexecdir)/postsluice $(DESTDIR)$(datadir)/postsluice/rules.d $(DESTDIR)$(docdir)
	$(INSTALL) -m 755 $(BUILD)/postsluice-policyd $(BUILD)/postsluice-contentfilter $(DESTDIR)$(sbindir)/
	$(INSTALL) -m 755 $(BUILD)/postsluice $(DESTDIR)$(bindir)/
	$(INSTALL) -m 755 $(BUILD)/postsluice-scan-worker $(BUILD)/postsluice-spf-helper $(BUILD)/postsluice-pipe $(DESTDIR)$(libexecdir)/postsluice/
	$(INSTALL) -m 644 $(RULE_FILES) $(DESTDIR)$(datadir)/postsluice/rules.d/
	$(INSTALL) -d $(DESTDIR)$(mandir)/man5 $(DESTDIR)$(mandir)/man8 $(DESTDIR)$(bashcompletiondir) $(DESTDIR)$(sysconfdir)/postsluice
	$(INSTALL) -m 644 $(filter %.5,$(MAN_PAGES)) $(DESTDIR)$(mandir)/man5/
	$(INSTALL) -m 644 $(filter %.8,$(MAN_PAGES)) $(DESTDIR)$(mandir)/man8/
	$(INSTALL) -m 644 $(BUILD)/completion/postsluice $(DESTDIR)$(bashcompletiondir)/
	[ -e $(DESTDIR)$(sysconfdir)/postsluice/postsluice.toml ] || \
	    $(INSTALL) -m 644 $(BUILD)/postsluice.toml $(DESTDIR)$(sysconfdir)/postsluice/
	$(INSTALL) -m 644 README.md NEWS.md LICENSE $(DESTDIR)$(docdir)/
	cp -R postfix-examples mta-examples docs $(DESTDIR)$(docdir)/
.PHONY: uninstall
uninstall: ## remove what install put there, but the configuration
	rm -f $(DESTDIR)$(sbindir)/postsluice-policyd $(DESTDIR)$(sbindir)/postsluice-contentfilter $(DESTDIR)$(bindir)/postsluice
	rm -f $(addprefix $(DESTDIR)$(mandir)/man5/,$(notdir $(filter %.5,$(MAN_PAGES)))) \
	    $(addprefix $(DESTDIR)$(mandir)/man8/,$(notdir $(filter %.8,$(MAN_PAGES)))) $(DESTDIR)$(bashcompletiondir)/postsluice
	rm -rf $(DESTDIR)$(libexecdir)/postsluice $(DESTDIR)$(datadir)/postsluice $(DESTDIR)$(docdir)

# ---- Debian package --------------------------------------------------------------------------------------------------
# Built from a copy of what git knows of, in build/deb, so that the working tree stays clean. ccache, where there is one, is
# found although debhelper hides the home directory.
DEB_TREE := build/deb/postsluice
.PHONY: deb
deb: ## the Debian package (and its source), in build/deb/; ends with lintian
	@tests/support/install-packages deb
	@rm -rf $(DEB_TREE) && mkdir -p $(DEB_TREE)
	@git ls-files -coz --exclude-standard | tar -c --null --ignore-failed-read -T - | tar -x -C $(DEB_TREE)
	@cd $(DEB_TREE) && CCACHE_DIR="$$(ccache -k cache_dir 2>/dev/null)" dpkg-buildpackage -us -uc -Jauto
	@lintian --fail-on error,warning build/deb/postsluice_*.changes
.PHONY: deb-check
deb-check: ## install, upgrade, remove and purge the package of `make deb` in a root of its own (root, network)
	@$(AS_ROOT) tests/package/try build/deb

.PHONY: clean distclean help
clean: ## remove what was built
	rm -rf build
distclean: clean ## also remove what configure wrote
	rm -rf configure config.mk config.h config.log config.status autom4te.cache
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | sort | expand -t 14
