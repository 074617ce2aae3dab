# SPDX-License-Identifier: Apache-2.0
# One plain Makefile for the whole tree. Objects go to $(BUILD)/, mirroring the sources; `make help` lists the targets.
#
# The layers of shared/ and what each may use stand in one table (USES_*), below. Unit tests link exactly what the
# table allows, so an include in the wrong direction fails twice: in the lint and at link time.

.DEFAULT_GOAL := all
BUILD ?= build
SHELL := /bin/bash

ifeq ($(filter clean distclean help demo check bench-policy packages-%,$(MAKECMDGOALS)),$(MAKECMDGOALS))
ifneq ($(MAKECMDGOALS),)
no_config := yes
endif
endif
ifndef no_config
-include config.mk
endif

# ---- flags --------------------------------------------------------------------------------------------------------
WARNINGS  := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-mismatched-new-delete
HARDENING := -fstack-protector-strong -fstack-clash-protection -fcf-protection -D_GLIBCXX_ASSERTIONS -fPIE
ifeq ($(SANITIZE),)
HARDENING += -D_FORTIFY_SOURCE=2
else
SAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
ASIO      := -DBOOST_ASIO_SEPARATE_COMPILATION -DBOOST_ASIO_NO_DEPRECATED
ALL_CXXFLAGS = -std=c++20 $(WARNINGS) $(HARDENING) $(ASIO) -I. $(LIB_CFLAGS) $(CPPFLAGS) $(CXXFLAGS) $(SAN_FLAGS)
ALL_LDFLAGS  = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) $(SAN_FLAGS) -pthread

prefix     ?= /usr/local
sbindir    ?= $(prefix)/sbin
bindir     ?= $(prefix)/bin
libexecdir ?= $(prefix)/libexec
datadir    ?= $(prefix)/share
mandir     ?= $(datadir)/man
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

# The SPF helper is a program of its own, though it lies beside the library's end of it.
src = $(filter-out shared/auth/spf_helper/%,$(sort $(wildcard $(1)/*.cpp) $(wildcard $(1)/*/*.cpp)))
obj = $(patsubst %.cpp,$(BUILD)/%.o,$(1))

LAYER_OBJS = $(call obj,$(call src,shared/$(1)))
SHARED_SRCS := $(foreach l,$(LAYERS),$(call src,shared/$(l)))
# Mains are linked into programs, never into tests.
MAINS := policyd/main.cpp contentfilter/main.cpp contentfilter/worker/main.cpp admin/main.cpp
POLICYD_OBJS := $(call obj,$(filter-out $(MAINS),$(call src,policyd)))
FILTER_OBJS  := $(call obj,$(filter-out $(MAINS) contentfilter/worker/%,$(call src,contentfilter)))
WORKER_OBJS  := $(call obj,$(filter-out $(MAINS),$(call src,contentfilter/worker)))
ADMIN_OBJS   := $(call obj,$(filter-out $(MAINS),$(call src,admin)))
SPF_HELPER_OBJS := $(call obj,$(wildcard shared/auth/spf_helper/*.cpp) shared/dns/rdata.cpp)

PROGRAMS := $(BUILD)/postsluice-policyd $(BUILD)/postsluice-contentfilter $(BUILD)/postsluice-scan-worker \
    $(BUILD)/postsluice-spf-helper $(BUILD)/postsluice

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
	@echo "LD  $@"; $(CXX) -o $@ $(filter %.o,$^) $(ALL_LDFLAGS) $(LIBS_contentfilter)
$(BUILD)/postsluice-spf-helper: $(SPF_HELPER_OBJS) $(foreach l,core log,$(call LAYER_OBJS,$(l)))
	@echo "LD  $@"; $(CXX) -o $@ $(filter %.o,$^) $(ALL_LDFLAGS) $(LIBS_shared)
$(BUILD)/postsluice: $(BUILD)/admin/main.o $(ADMIN_OBJS) $(BUILD)/libpostsluice.a
	@echo "LD  $@"; $(CXX) -o $@ $(filter %.o,$^) $(BUILD)/libpostsluice.a $(ALL_LDFLAGS) $(LIBS_shared)

$(BUILD)/%.o: %.cpp config.mk
	@mkdir -p $(@D)
	@echo "CXX $<"; $(CXX) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

# Headers of another subject than the code (asio's implementation, compiled once) answer to fewer warnings.
$(BUILD)/shared/net/asio_impl.o: WARNINGS := -w

config.mk: configure config.mk.in config.h.in
	@echo "configure"; ./configure --quiet
configure: configure.ac
	@echo "autoconf"; autoconf

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

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
EXTRA_contentfilter := $(FILTER_OBJS)
EXTRA_admin         := $(ADMIN_OBJS)

# The worker's tests run the real program.
NEEDS_contentfilter := $(BUILD)/postsluice-scan-worker
NEEDS_auth := $(BUILD)/postsluice-spf-helper
NEEDS_policyd := $(BUILD)/postsluice-spf-helper

define unit_rule
$(BUILD)/tests/unit-$(1): $(call obj,$(wildcard tests/unit/$(1)/*.cpp)) $(BUILD)/tests/support/unit_main.o \
    $(foreach l,$(USES_$(1)),$(call LAYER_OBJS,$(l))) $(EXTRA_$(1)) | $(NEEDS_$(1))
	@mkdir -p $$(@D)
	@echo "LD  $$@"; $$(CXX) -o $$@ $$^ $$(ALL_LDFLAGS) -lboost_unit_test_framework $$(LIBS_contentfilter) $$(LIBS_shared)
endef
$(foreach l,$(UNIT_LAYERS),$(eval $(call unit_rule,$(l))))

.PHONY: unit
unit: $(UNIT_TESTS) ## build the unit tests

# One fuzz target per tests/fuzz/*.cpp but the driver. FUZZ_ENGINE=-fsanitize=fuzzer (CXX=clang++) instead of the driver.
FUZZ_TARGETS := $(filter-out main,$(basename $(notdir $(wildcard tests/fuzz/*.cpp))))
FUZZERS      := $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz-%)
FUZZ_SECONDS ?= 60
$(BUILD)/tests/fuzz-%: $(BUILD)/tests/fuzz/%.o $(if $(FUZZ_ENGINE),,$(BUILD)/tests/fuzz/main.o) \
    $(BUILD)/policyd/protocol.o $(BUILD)/policyd/request.o $(BUILD)/libpostsluice.a
	@echo "LD  $@"; $(CXX) -o $@ $^ $(ALL_LDFLAGS) $(FUZZ_ENGINE) $(LIBS_shared)
# Make would take these for intermediate files, and build them anew each time.
.SECONDARY: $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%.o)

.PHONY: fuzz fuzzers fuzz-run
fuzzers: $(FUZZERS)
fuzz: ## each fuzz target for FUZZ_SECONDS (60) under the sanitizers
	@$(MAKE) --no-print-directory SANITIZE=1 BUILD=build/sanitize CXXFLAGS="-O1 -g" -j$$(nproc) fuzz-run
fuzz-run: $(FUZZERS) # what fuzz calls, in its build
	@cd $(BUILD)/tests && for t in $(FUZZ_TARGETS); do echo "fuzz-$$t"; \
	    nice -n 19 ./fuzz-$$t --seconds $(FUZZ_SECONDS) --random $${RANDOM} $(CURDIR)/tests/corpus/fuzz/$$t || exit 1; done

.PHONY: check
check: ## install what is missing, build, lint, and run all tests; ends with "N passed, N failed"
	@tests/support/install-packages check
	@$(MAKE) --no-print-directory -j$$(nproc) all unit fuzzers
	@$(AS_ROOT) tests/support/run-tests --build $(BUILD)

.PHONY: demo
demo: ## the main job end to end, in a scratch directory (KEEP=1 leaves it running)
	@tests/support/install-packages demo
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@tests/support/demo --build $(BUILD) $(if $(KEEP),--keep)

.PHONY: sanitize
sanitize: ## all tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tests/support/install-packages check
	@$(MAKE) --no-print-directory SANITIZE=1 BUILD=build/sanitize CXXFLAGS="-O1 -g" -j$$(nproc) all unit fuzzers
	@$(AS_ROOT) tests/support/run-tests --build build/sanitize --no-lint

.PHONY: lint
lint: ## formatting, dependency direction, SPDX lines, documentation against the option table
	@tests/lint/run

.PHONY: tidy
tidy: ## clang-tidy on the files that differ from BASE (default HEAD)
	@tests/lint/tidy $(or $(BASE),HEAD)

.PHONY: print-flags
print-flags: # what tests/lint/tidy compiles with
	@echo '$(ALL_CXXFLAGS)'

.PHONY: format
format: ## clang-format every source in place
	@git ls-files -co --exclude-standard '*.cpp' '*.hpp' | xargs clang-format -i

.PHONY: bench
bench: all $(BUILD)/tests/bench/policy-load ## policy requests per second and filtered messages per second, with their ceilings
	@tests/bench/run --build $(BUILD)
.PHONY: bench-policy
bench-policy: ## policyd beside postfwd, policyd-rate-limit and its ceiling (QUICK=1: one short round)
	@tests/support/install-packages bench
	@$(MAKE) --no-print-directory -j$$(nproc) $(BUILD)/postsluice-policyd $(BUILD)/tests/bench/policy-load
	@$(AS_ROOT) tests/bench/policy --build $(BUILD) $(if $(QUICK),--quick)
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o
	@$(CXX) -o $@ $^ $(ALL_LDFLAGS)

# ---- install -------------------------------------------------------------------------------------------------------
INSTALL ?= install
RULE_FILES := $(wildcard contentfilter/rules.d/*.rules)
.PHONY: install
install: all ## install below $(DESTDIR)$(prefix)
	$(INSTALL) -d $(DESTDIR)$(sbindir) $(DESTDIR)$(bindir) $(DESTDIR)$(libexecdir)/postsluice $(DESTDIR)$(datadir)/postsluice/rules.d $(DESTDIR)$(docdir)
	$(INSTALL) -m 755 $(BUILD)/postsluice-policyd $(BUILD)/postsluice-contentfilter $(DESTDIR)$(sbindir)/
	$(INSTALL) -m 755 $(BUILD)/postsluice $(DESTDIR)$(bindir)/
	$(INSTALL) -m 755 $(BUILD)/postsluice-scan-worker $(BUILD)/postsluice-spf-helper $(DESTDIR)$(libexecdir)/postsluice/
	$(INSTALL) -m 644 $(RULE_FILES) $(DESTDIR)$(datadir)/postsluice/rules.d/
	$(INSTALL) -m 644 README.md NEWS.md LICENSE $(DESTDIR)$(docdir)/
	cp -R postfix-examples docs $(DESTDIR)$(docdir)/
.PHONY: uninstall
uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(sbindir)/postsluice-policyd $(DESTDIR)$(sbindir)/postsluice-contentfilter $(DESTDIR)$(bindir)/postsluice
	rm -rf $(DESTDIR)$(libexecdir)/postsluice $(DESTDIR)$(datadir)/postsluice $(DESTDIR)$(docdir)

.PHONY: clean distclean help
clean: ## remove what was built
	rm -rf build
distclean: clean ## also remove what configure wrote
	rm -rf configure config.mk config.h config.log config.status autom4te.cache
help: ## this list
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | sort | expand -t 14
