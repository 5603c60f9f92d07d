# nodeprep. `make help` lists the targets; README.md explains the variables.

CC ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif
CFLAGS ?= -O2 -g
CPPFLAGS ?=
LDFLAGS ?=
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
COMPDIR ?= $(PREFIX)/share/bash-completion/completions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
DESTDIR ?=
# STRIP= keeps the symbols in the programs.
STRIP ?= strip
CNI_BIN_DIR ?= /opt/cni/bin
CNI_CONF_DIR ?= /etc/nodeprep/cni.d
FUZZ_SECONDS ?= 60
# One module's unit tests, and one file of end-to-end tests.
M ?=
T ?=
ARCH ?=
B ?= build
V ?=
Q := $(if $(V),,@)

version := $(shell cat VERSION)
modules := base state doc gpu mmio vmx pool vmclass plan render kube vcenter sync check report nodecheck hostcheck vsphere cni controller
server_modules := serve hook sim

# The build path must not reach the binary: two clean builds give the same bytes.
np_prefix_map := '-ffile-prefix-map=$(CURDIR)=.' '-fmacro-prefix-map=$(CURDIR)=.'
np_cppflags := -Iinclude -D_GNU_SOURCE -DNP_VERSION='"$(version)"' $(CPPFLAGS)
np_warnings := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wpointer-arith -Wcast-qual
np_cflags := -std=gnu17 $(np_warnings) -fPIE -fstack-protector-strong -fstack-clash-protection \
	-ffunction-sections -fdata-sections $(np_prefix_map) $(CFLAGS)
np_hardening := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
np_ldflags := -static-pie -Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--build-id=none $(LDFLAGS)

# What of the static archives is linked, and what is stubbed: hack/archives.sh decides.
np_libs = $$(cat $(B)/static/libs) $(B)/static/libstubs.a
# Tests and fuzzers link what they use from the shared libraries.
test_libs = -lcmocka -lcurl -levent_openssl -levent_extra -levent_core -lssl -lcrypto -ljansson \
	-lyajl -lyaml -lexpat -lz -lbsd -lpthread -lm

san_flags := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
fuzz_flags := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all

sources_of = $(filter-out %_test.c %_fuzz.c,$(wildcard $(foreach m,$(1),pkg/$(m)/*.c)))
generated := $(B)/gen/gpu_rows.inc $(B)/gen/commit.inc $(addprefix $(B)/gen/completion_,bash.inc fish.inc zsh.inc)
command_sources = $(filter-out %_test.c,$(wildcard cmd/$(1)/*.c))
common_sources := $(call command_sources,common)
lib_sources := $(call sources_of,$(modules))
server_sources := $(call sources_of,$(server_modules))
all_modules := $(modules) $(server_modules)
test_sources := $(wildcard $(foreach m,$(all_modules),pkg/$(m)/*_test.c)) $(wildcard cmd/*/*_test.c) \
	$(wildcard tests/unit/*_test.c)
ifneq ($(M),)
test_sources := $(filter pkg/$(M)/% cmd/$(M)/% tests/$(M)/%,$(test_sources))
ifeq ($(test_sources),)
$(error M=$(M): no such module with tests; expected one of $(all_modules) common unit)
endif
endif
unit_sources := $(filter-out %_test.c,$(wildcard tests/unit/*.c))
fuzz_sources := $(wildcard $(foreach m,$(or $(M),$(all_modules)),pkg/$(m)/*_fuzz.c))

comma := ,
objects = $(patsubst %.c,$(B)/$(1)/%.o,$(2))
bins := $(B)/nodeprep $(B)/kubectl-nodeprep $(B)/nodeprep-hookd $(B)/nodeprep-sim
tests := $(patsubst %.c,$(B)/test/%,$(test_sources))
fuzzers := $(patsubst %.c,$(B)/fuzz/%,$(fuzz_sources))
c_files = $(shell git ls-files 'cmd/*.c' 'cmd/*.h' 'pkg/*.c' 'pkg/*.h' 'include/*.h' 'tests/unit/*.[ch]' 2>/dev/null)

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
# As many jobs as there are processors, unless the user says -j.
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif
.PHONY: all deps demo test check e2e e2e-real test-real bench soak pictures image dist lint fmt fuzz install uninstall install-cni uninstall-cni clean help

all: $(bins)               ## build every binary, static-pie, into build/

help:                      ## print these lines
	@sed -n 's/^\([a-z][a-z0-9_.-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

# --- compiling -------------------------------------------------------------------------------

# Packages are installed by "make deps" and by the README's commands alone; other targets name the command.
export NODEPREP_DEPS ?= $(if $(filter deps demo test test-real,$(MAKECMDGOALS)),install,check)

deps:                      ## install the Debian packages that building, testing and linting need (root or sudo)
	$(Q)hack/deps.sh build check lint fuzz

$(B)/.deps-%: hack/deps.sh
	$(Q)hack/deps.sh $*
	@mkdir -p $(@D) && touch $@

# A change of compiler or flags rebuilds; the file changes only when the words do.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(subst ','\'',$(np_cppflags) $(np_cflags) $(np_ldflags))' | cmp -s - $@ || \
		echo '$(CC) $(subst ','\'',$(np_cppflags) $(np_cflags) $(np_ldflags))' >$@
.PHONY: FORCE
FORCE:

$(B)/strip: FORCE
	@echo '$(STRIP)' | cmp -s - $@ || echo '$(STRIP)' >$@

$(B)/gen/gpu_rows.inc: pkg/gpu/catalogue.tsv pkg/gpu/catalogue.awk
	@mkdir -p $(@D)
	$(Q)LC_ALL=C awk -f pkg/gpu/catalogue.awk pkg/gpu/catalogue.tsv >$@

# Changes only with the commit, so that nothing else is built again.
$(B)/gen/commit.inc: FORCE
	@mkdir -p $(@D)
	$(Q)hack/commit.sh >$@.$$$$ && { cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@; }

# A file as one C string literal.
$(B)/gen/completion_%.inc: cmd/nodeprep/nodeprep.%
	@mkdir -p $(@D)
	$(Q)sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $< >$@

$(B)/obj/%.o: %.c $(B)/flags | $(generated) $(B)/.deps-build
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $<")
	$(Q)$(CC) $(np_cppflags) -I$(B)/gen $(np_cflags) $(np_hardening) -MMD -MP -c -o $@ $<

$(B)/san/%.o: %.c $(B)/flags | $(generated) $(B)/.deps-build $(B)/.deps-check
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC SAN  $<")
	$(Q)$(CC) $(np_cppflags) -I$(B)/gen -Itests/unit $(np_cflags) $(san_flags) -MMD -MP -c -o $@ $<

# Tests' own code runs briefly: unoptimised, it compiles in half the time.
$(B)/san/%_test.o: san_flags += -O0

$(B)/fuz/%.o: %.c $(B)/flags | $(generated) $(B)/.deps-build $(B)/.deps-fuzz
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC FUZZ $<")
	$(Q)clang $(np_cppflags) -I$(B)/gen -std=gnu17 $(fuzz_flags) -MMD -MP -c -o $@ $<

# Another set of archives, or updated ones, links again; the file changes only when they do.
$(B)/static/key: FORCE | $(B)/.deps-build
	@mkdir -p $(@D)
	$(Q)CC='$(CC)' hack/archives.sh key >$@.$$$$ && { cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@; }

$(B)/static/stubs.c: hack/archives.sh hack/stubs.sh $(B)/static/key
	$(Q)CC='$(CC)' hack/archives.sh $(@D)

$(B)/static/libstubs.a: $(B)/static/stubs.c $(B)/flags
	$(Q)$(CC) -O2 -w -fno-builtin -fPIE -ffunction-sections $(np_prefix_map) -c -o $(@D)/stubs.o $<
	$(Q)rm -f $@ && ar rcsD $@ $(@D)/stubs.o

# D: deterministic archives, no times and no owners.
$(B)/libnodeprep.a: $(call objects,obj,$(lib_sources))
	$(Q)rm -f $@ && ar rcsD $@ $^
$(B)/libnodeprep-server.a: $(call objects,obj,$(server_sources))
	$(Q)rm -f $@ && ar rcsD $@ $^
$(B)/libnodeprep-san.a: $(call objects,san,$(lib_sources) $(server_sources))
	$(Q)rm -f $@ && ar rcsD $@ $^
$(B)/libunit-san.a: $(call objects,san,$(unit_sources))
	$(Q)rm -f $@ && ar rcsD $@ $^
$(B)/libcommon-san.a: $(call objects,san,$(common_sources))
	$(Q)rm -f $@ && ar rcsD $@ $^
$(B)/libnodeprep-fuzz.a: $(call objects,fuz,$(lib_sources) $(server_sources))
	$(Q)rm -f $@ && ar rcsD $@ $^

# --- linking ---------------------------------------------------------------------------------

np_archives := $(B)/strip $(B)/libnodeprep-server.a $(B)/libnodeprep.a $(B)/static/libstubs.a
link = CC='$(CC)' STRIP='$(STRIP)' hack/link.sh $@ $(B)/static/stubs $(CC) $(np_cflags) $(np_ldflags) $(filter %.o %.a,$(filter-out $(B)/static/%,$^)) $(1) $(np_libs)

$(B)/nodeprep: $(call objects,obj,$(common_sources) $(call command_sources,nodeprep)) $(np_archives) hack/link.sh
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(call link)

$(B)/kubectl-nodeprep: $(B)/nodeprep
	$(Q)ln -f $< $@

$(B)/nodeprep-hookd: $(call objects,obj,$(common_sources) $(call command_sources,nodeprep-hookd)) $(np_archives) hack/link.sh
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(call link)

$(B)/nodeprep-sim: $(call objects,obj,$(common_sources) $(call command_sources,nodeprep-sim)) $(np_archives) hack/link.sh
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(call link)

# For tests: nodeprep and nodeprep-hookd with a wall clock that leaps.
link_leaping = $(call link,tests/real/controller/leap.c -Wl$(comma)--wrap=clock_gettime$(comma)--wrap=gettimeofday$(comma)--wrap=time)
$(B)/nodeprep-leaping: $(call objects,obj,$(common_sources) $(call command_sources,nodeprep)) $(np_archives) tests/real/controller/leap.c
	$(Q)$(link_leaping)
$(B)/nodeprep-hookd-leaping: $(call objects,obj,$(common_sources) $(call command_sources,nodeprep-hookd)) $(np_archives) tests/real/controller/leap.c
	$(Q)$(link_leaping)

# For a test: nodeprep with a stub in place of one function.
$(B)/stubbed/%/nodeprep: $(call objects,obj,$(common_sources) $(call command_sources,nodeprep)) $(np_archives) hack/stubs.sh
	@mkdir -p $(@D)
	$(Q)echo '__wrap_$*' >$(@D)/name && hack/stubs.sh $(@D)/name /dev/null >$(@D)/stub.c
	$(Q)$(call link,$(@D)/stub.c -Wl$(comma)--wrap=$*)

$(B)/test/%: $(B)/san/%.o $(B)/libcommon-san.a $(B)/libunit-san.a $(B)/libnodeprep-san.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(san_flags) -o $@ $^ $(test_libs)

# lifecycle_fuzz.c stands in for the API client: its functions come first.
$(B)/test/pkg/hook/lifecycle_test $(B)/fuzz/pkg/hook/lifecycle_fuzz: test_libs += -Wl,--allow-multiple-definition

# The test's clock stands still.
$(B)/test/pkg/serve/bounds_test: test_libs += -Wl,--wrap=np_clock_ms,--wrap=malloc_trim

# For the soak: what ASan finds in the server itself.
$(B)/san/nodeprep-hookd: $(call objects,san,$(common_sources) $(call command_sources,nodeprep-hookd)) $(B)/libnodeprep-san.a
	$(Q)$(CC) $(san_flags) -o $@ $^ $(test_libs)

$(B)/fuzz/%: $(B)/fuz/%.o $(B)/libnodeprep-fuzz.a
	@mkdir -p $(@D)
	$(Q)clang $(fuzz_flags) -fsanitize=fuzzer -o $@ $^ $(test_libs)

# --- testing ---------------------------------------------------------------------------------

check: $(tests)            ## unit tests, fixtures and fuzz corpora under ASan and UBSan; M=gpu: of one module
	$(Q)hack/check.sh $(tests)

e2e: all $(B)/.deps-check  ## the built binaries against the embedded Supervisor API; T=revert: of one file
	$(Q)hack/e2e.sh sim $(B) $(T)

e2e-real: all              ## the same suite against a real kube-apiserver, which is built when missing
	$(Q)hack/e2e.sh real $(B)

real-%: all
	$(Q)hack/e2e.sh $* $(B)

test: all $(B)/.deps-check  ## check and e2e, side by side
	$(Q)exec env MAKE='$(MAKE)' hack/test.sh test $(B)

test-real: all             ## e2e-real and every suite of tests/real, against the real servers
	$(Q)exec env MAKE='$(MAKE)' hack/test.sh test-real $(B)

demo: all                  ## the main job against the embedded Supervisor API, step by step
	$(Q)hack/demo.sh $(B)

bench: all                 ## time and memory, as ratios within one run
	$(Q)NODEPREP_LIBS="$(np_libs)" tests/bench/run.sh $(B)

pictures: all             ## draw the pictures of docs/pictures; hosts.svg is of the vCenter simulator
	$(Q)hack/pictures.sh $(B) docs/pictures
	$(Q)NODEPREP_BLESS=1 hack/e2e.sh vcenter $(B) pictures

image:                     ## the container image, with docker, podman or buildah; IMAGE, BASE, ENGINE, FLAGS
	$(Q)hack/image.sh

.PHONY: image-push deb chart
image-push:                ## push the image that "make image" built to its registry; prints IMAGE@DIGEST
	$(Q)hack/image.sh --push

# make image image-push: one after the other.
ifneq ($(filter image,$(MAKECMDGOALS)),)
image-push: image
endif

SOAK_REQUESTS ?= 500000
CHAOS_SECONDS ?= 600
soak: all $(B)/san/nodeprep-hookd $(B)/nodeprep-leaping $(B)/nodeprep-hookd-leaping  ## nodeprep-hookd under SOAK_REQUESTS among hostile clients; all programs for CHAOS_SECONDS of faults
	$(Q)tests/bench/soak.sh $(B) $(SOAK_REQUESTS) $(CHAOS_SECONDS)

fuzz: $(fuzzers)           ## each fuzz target for FUZZ_SECONDS; new inputs go to its corpus
	$(Q)hack/fuzz.sh $(FUZZ_SECONDS) $(fuzzers)

lint: $(generated) | $(B)/.deps-build $(B)/.deps-check $(B)/.deps-lint  ## format, clang-tidy, cppcheck, headers alone and together, names, words, shellcheck, man pages; LINT=deep
	$(Q)B=$(B) MODULES='$(all_modules)' hack/lint.sh

compile_commands.json: FORCE  ## for clangd and other tools
	$(Q)hack/compile_commands.sh '$(subst ','\'',$(CC) $(np_cppflags) -I$(B)/gen -Itests/unit $(np_cflags) -c)' $(c_files) >$@

fmt: | $(B)/.deps-lint     ## clang-format on the tracked C files
	$(Q)clang-format -i $(c_files)

# --- installing ------------------------------------------------------------------------------

dist:                      ## the release in dist/, from the last commit: archives (ARCH="amd64 arm64"), chart, krew's manifest, sums
	$(Q)hack/dist.sh archive dist $(ARCH)

deb:                       ## the Debian packages in dist/, from the last commit, checked by lintian
	$(Q)hack/dist.sh deb dist $(ARCH)

# Both write the folder's SHA256SUMS.
ifneq ($(filter dist,$(MAKECMDGOALS)),)
deb: dist
endif

chart:                     ## the Helm chart in dist/
	$(Q)hack/chart.sh dist

install: $(B)/nodeprep $(B)/nodeprep-hookd              ## binaries, man pages and completion under $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(COMPDIR) $(DESTDIR)$(FISHDIR) $(DESTDIR)$(ZSHDIR)
	install -m 0755 $(B)/nodeprep $(DESTDIR)$(BINDIR)/nodeprep
	install -m 0755 $(B)/nodeprep-hookd $(DESTDIR)$(BINDIR)/nodeprep-hookd
	ln -sf nodeprep $(DESTDIR)$(BINDIR)/kubectl-nodeprep
	install -m 0755 cmd/nodeprep/kubectl_complete-nodeprep $(DESTDIR)$(BINDIR)/kubectl_complete-nodeprep
	install -m 0644 cmd/nodeprep/nodeprep.1 $(DESTDIR)$(MANDIR)/man1/nodeprep.1
	install -m 0644 cmd/nodeprep-hookd/nodeprep-hookd.1 $(DESTDIR)$(MANDIR)/man1/nodeprep-hookd.1
	install -m 0644 cmd/nodeprep/nodeprep.bash $(DESTDIR)$(COMPDIR)/nodeprep
	install -m 0644 cmd/nodeprep/nodeprep.fish $(DESTDIR)$(FISHDIR)/nodeprep.fish
	install -m 0644 cmd/nodeprep/nodeprep.zsh $(DESTDIR)$(ZSHDIR)/_nodeprep
	install -m 0644 cmd/nodeprep-hookd/nodeprep-hookd.bash $(DESTDIR)$(COMPDIR)/nodeprep-hookd

uninstall:                 ## undo install
	rm -f $(DESTDIR)$(BINDIR)/nodeprep $(DESTDIR)$(BINDIR)/kubectl-nodeprep \
		$(DESTDIR)$(BINDIR)/nodeprep-hookd $(DESTDIR)$(MANDIR)/man1/nodeprep-hookd.1 \
		$(DESTDIR)$(MANDIR)/man1/nodeprep.1 $(DESTDIR)$(COMPDIR)/nodeprep \
		$(DESTDIR)$(COMPDIR)/nodeprep-hookd $(DESTDIR)$(BINDIR)/kubectl_complete-nodeprep \
		$(DESTDIR)$(FISHDIR)/nodeprep.fish $(DESTDIR)$(ZSHDIR)/_nodeprep

install-cni: $(B)/nodeprep ## the CNI plugin into CNI_BIN_DIR, a sample network into CNI_CONF_DIR unless one is there
	$(Q)$< install-cni --bin-dir '$(DESTDIR)$(CNI_BIN_DIR)'
	$(Q)[ -e '$(DESTDIR)$(CNI_CONF_DIR)/nodeprep.conflist' ] || $< install-cni \
		--conf-dir '$(DESTDIR)$(CNI_CONF_DIR)' --conf deploy/manifests/cni/nodeprep.conflist

uninstall-cni:             ## undo install-cni, but for the network
	rm -f '$(DESTDIR)$(CNI_BIN_DIR)/nodeprep'

clean:                     ## remove what was built (build/real, the real servers, stays)
	$(Q)if [ -d $(B) ]; then find $(B) -mindepth 1 -maxdepth 1 ! -name real -exec rm -rf {} +; fi

-include $(shell find $(B) -name '*.d' 2>/dev/null)
