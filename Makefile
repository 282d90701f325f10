# moprof: `make help` lists the targets.
CONFIG ?= release
# CROSS=aarch64-linux-gnu- builds for that machine; its tests run under qemu ('make setup-cross').
CROSS ?=
ifeq ($(origin CC),default)
CC := $(CROSS)gcc
endif
AR := $(CROSS)ar
PREFIX ?= /usr/local
DESTDIR ?=
TARGET := $(CROSS:%-=%)
B := build/$(CONFIG)$(if $(CROSS),-$(firstword $(subst -, ,$(CROSS))))
PROGRAM := $(if $(CROSS),$(B)/moprof,moprof)

# --- flags ---------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wcast-qual -Wmissing-prototypes -Wvla
ifdef WERROR
WARN += -Werror
endif
BASE_CFLAGS := -std=c11 -D_GNU_SOURCE -I. -I$(B)/gen -ffp-contract=off -fno-math-errno -MMD -MP $(WARN)
CFLAGS_release := -O2 -g
CFLAGS_debug := -O0 -g3
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_coverage := -O0 -g --coverage
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_coverage := --coverage
# The libraries of the other machine lie in a folder of their own: two of them cannot be installed
# beside the native ones.
ifneq ($(CROSS),)
SYSROOT := build/sysroot-$(TARGET)
SYSROOT_FLAGS := --sysroot=$(SYSROOT)
PKG_CONFIG := PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) \
    PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/$(TARGET)/pkgconfig:$(SYSROOT)/usr/share/pkgconfig pkg-config
EMULATOR := qemu-$(firstword $(subst -, ,$(CROSS)))-static -L $(SYSROOT)
else
PKG_CONFIG := pkg-config
endif
ALL_CFLAGS = $(BASE_CFLAGS) $(SYSROOT_FLAGS) $(CFLAGS_$(CONFIG)) $(PKG_CFLAGS) $(CFLAGS)

# CPU kernels are compiled once per instruction set from one source; which there are for the
# compiler's machine is said in kernels/cpu/isa.h, and here how each is compiled.
# Sanitizer, debug and coverage builds keep their own optimisation: unrolled tiles under -O3 and
# sanitizers take minutes to compile.
KERNEL_CFLAGS_release := -O3
# Fuzzing runs no kernel.
KERNEL_CFLAGS_fuzz := -O0 -fno-sanitize=fuzzer-no-link,address,undefined
KERNEL_CFLAGS = $(KERNEL_CFLAGS_$(CONFIG)) -ffp-contract=fast -fno-trapping-math
ISA_CFLAGS_scalar := -DMOP_ISA=scalar -DMOP_ISA_LEVEL=MOP_ISA_SCALAR -fno-tree-vectorize
ISA_CFLAGS_avx2 := -DMOP_ISA=avx2 -DMOP_ISA_LEVEL=MOP_ISA_AVX2 -mavx2 -mfma
ISA_CFLAGS_avx512 := -DMOP_ISA=avx512 -DMOP_ISA_LEVEL=MOP_ISA_AVX512 \
    -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mprefer-vector-width=512
# scheduled before registers are given out, gcc's tiles need more than the 32 there are
ISA_CFLAGS_neon := -DMOP_ISA=neon -DMOP_ISA_LEVEL=MOP_ISA_NEON -DMOP_NEON \
    $(if $(findstring clang,$(CC)),,-fno-schedule-insns)
ISAS := $(shell echo 'MOP_ISAS(MOP_NAME,)' | \
    $(CC) -E -P -I. -include kernels/cpu/isa.h '-DMOP_NAME(ID,name,x)=@name' -x c - 2>/dev/null | \
    grep -o '@ *[a-z0-9]*' | tr -d '@ ')

# --- libraries, found by pkg-config ----------------------------------------------------------------
PKGS := sqlite3 jansson popt libcpuinfo libprotobuf-c
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lcsv -lpthreadpool -lpthread -ldl -lm
TEST_LIBS := $(shell $(PKG_CONFIG) --libs cmocka 2>/dev/null)
MISSING := $(strip $(foreach p,$(PKGS),$(shell $(PKG_CONFIG) --exists $(p) 2>/dev/null || echo $(p))))
PROTOC_C := $(shell command -v protoc-c 2>/dev/null)
ONNX_INCLUDE ?= /usr/include
ONNX_PROTO := $(ONNX_INCLUDE)/onnx/onnx.proto
MISSING += $(if $(PROTOC_C),,protobuf-c-compiler) $(if $(wildcard $(ONNX_PROTO)),,libonnx-dev)
GLSLC := $(shell command -v glslc 2>/dev/null)
NPM := $(shell command -v npm 2>/dev/null)

# --- sources, found by room ------------------------------------------------------------------------
ROOMS := profiler/base kernels kernels/ops kernels/vk variants onnx db reports profiler/engine profiler/measure
KERNEL_INFRA := kernels/cpu/isa.c kernels/cpu/kernels.c
KERNEL_SRC := $(filter-out $(KERNEL_INFRA),$(wildcard kernels/cpu/*.c))
LIB_SRC := $(foreach r,$(ROOMS),$(wildcard $(r)/*.c)) $(wildcard $(KERNEL_INFRA))
CLI_SRC := $(wildcard profiler/cli/*.c)
TEST_SUPPORT := $(wildcard tests/support/*.c)
TEST_SRC := $(wildcard tests/*/test_*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)

LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(foreach i,$(ISAS),$(KERNEL_SRC:%.c=$(B)/%.$(i).o)) $(B)/gen/embed.o \
    $(B)/gen/onnx/onnx.pb-c.o
CLI_OBJ := $(CLI_SRC:%.c=$(B)/%.o)
TEST_BIN := $(TEST_SRC:%.c=$(B)/%)

# --- embedded files ----------------------------------------------------------------------------------
SHADERS := $(wildcard kernels/vk/shaders/*.comp)
SHADER_INC := $(wildcard kernels/vk/shaders/*.glsl)
# each shader once for what it reads through, texel buffers or storage buffers, and for each number
# type: <stem>.<source>.<type>.spv, with the macros of both
SHADER_SOURCES := texel buffer
SHADER_DTYPES := fp32 fp16s fp16
# those of integers have one form
SHADERS_INT8 := $(foreach s,absmax quantise conv_dot conv_int8 fc_dot fc_int8,kernels/vk/shaders/$(s).comp)
SHADERS_fp32 := $(SHADERS)
SHADERS_fp16s := $(filter-out $(SHADERS_INT8),$(SHADERS))
SHADERS_fp16 := $(foreach s,conv conv_pairs conv_plain depthwise depthwise_pairs fc,kernels/vk/shaders/$(s).comp)
SHADER_FLAGS_texel := -DMOP_TEXEL
SHADER_FLAGS_fp16s := -DMOP_HALF
SHADER_FLAGS_fp16 := -DMOP_HALF -DMOP_FP16
SPV := $(if $(GLSLC),$(foreach s,$(SHADER_SOURCES),$(foreach t,$(SHADER_DTYPES),$(SHADERS_$(t):%.comp=$(B)/gen/%.$(s).$(t).spv))))
WEB := $(if $(NPM),$(foreach p,vega vega-lite vega-embed,reports/node_modules/$(p)/build/$(p).min.js))
EMBED_PLAIN := $(wildcard db/migrations/*.sql db/queries/*.sql db/*.sql reports/*.sql reports/*.json \
    reports/*.css reports/*.js reports/*.html reports/data/*)
EMBED_PLAIN := $(filter-out reports/package%,$(EMBED_PLAIN))
# name=path pairs: the name is what mop_embed_get() takes
EMBED := $(foreach f,$(EMBED_PLAIN),$(f)=$(f)) $(foreach f,$(SPV),$(f:$(B)/gen/%=%)=$(f)) \
    $(foreach f,$(WEB),$(notdir $(f))=$(f))
EMBED_DEPS := $(EMBED_PLAIN) $(SPV) $(if $(WEB),reports/node_modules/.installed)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all setup setup-cross test test-bins fuzz fuzz-bins bench bench-repeat bench-peers check-onnx lint format asan install uninstall clean help notes FORCE

all: notes $(PROGRAM) ## build ./moprof (the default)

notes:
	@$(if $(strip $(MISSING)),echo "missing libraries: $(MISSING); run 'make setup$(if $(CROSS),-cross)'" >&2; exit 1,:)
	@$(if $(GLSLC),:,echo "left out: Vulkan shaders, because there is no glslc (Debian package glslc); run 'make setup'" >&2)
	@$(if $(NPM),:,echo "left out: charts of HTML reports, because there is no npm (Debian package npm)" >&2)

moprof: $(B)/moprof
	@cmp -s $< $@ || cp -f $< $@

$(B)/moprof: $(CLI_OBJ) $(B)/libmoprof.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS_$(CONFIG)) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(B)/libmoprof.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

define isa_rule
$(B)/%.$(1).o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_CFLAGS) $$(KERNEL_CFLAGS) $(ISA_CFLAGS_$(1)) -c -o $$@ $$<
endef
$(foreach i,$(ISAS),$(eval $(call isa_rule,$(i))))

define spv_rule
$(B)/gen/%.$(1).$(2).spv: %.comp $(SHADER_INC)
	@mkdir -p $$(@D)
	$(GLSLC) --target-env=vulkan1.1 -O $(SHADER_FLAGS_$(1)) $(SHADER_FLAGS_$(2)) -o $$@ $$<
endef
$(foreach s,$(SHADER_SOURCES),$(foreach t,$(SHADER_DTYPES),$(eval $(call spv_rule,$(s),$(t)))))

# The list itself is a prerequisite, so that adding or removing a file rebuilds the table. FORCE is
# phony because .SECONDARY would let a target that is only missing pass as up to date.
$(B)/gen/embed.list: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(EMBED) | cmp -s - $@ || printf '%s\n' $(EMBED) > $@

$(B)/gen/build_id.h: FORCE
	@mkdir -p $(@D)
	@printf '#define MOP_BUILD_ID "%s"\n' "$$(git describe --always --dirty 2>/dev/null || echo unversioned)" > $@.new
	@printf '#define MOP_BUILD_FLAGS "%s"\n' '$(subst ',,$(subst ",,$(strip $(CFLAGS_$(CONFIG)) $(CFLAGS))))' >> $@.new
	@cmp -s $@.new $@ || cp $@.new $@
$(B)/profiler/base/build.o: $(B)/gen/build_id.h

$(B)/gen/embed.S: $(B)/gen/embed.list $(EMBED_DEPS)
	@while IFS= read -r f; do [ ! -e "$${f#*=}" ] || echo "$$f"; done < $< | awk -F= 'BEGIN { print ".section .rodata" } \
	 { printf ".balign 16\nd%d: .incbin \"%s\"\ne%d: .byte 0\nn%d: .string \"%s\"\n", NR, $$2, NR, NR, $$1 } \
	 END { print ".section .data.rel.ro,\"aw\"\n.balign 8\n.globl mop_embed_table\nmop_embed_table:"; \
	 for (i = 1; i <= NR; i++) printf ".quad n%d, d%d, e%d - d%d\n", i, i, i, i; \
	 print ".quad 0, 0, 0\n.section .note.GNU-stack,\"\",%progbits" }' > $@

$(B)/gen/embed.o: $(B)/gen/embed.S
	$(CC) -c -o $@ $<

# The messages of an ONNX file, from the definition that Debian installs.
$(B)/gen/onnx/onnx.pb-c.c $(B)/gen/onnx/onnx.pb-c.h &: $(ONNX_PROTO)
	@mkdir -p $(@D)
	$(PROTOC_C) -I$(ONNX_INCLUDE) --c_out=$(B)/gen onnx/onnx.proto

$(B)/gen/onnx/onnx.pb-c.o: $(B)/gen/onnx/onnx.pb-c.c
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(patsubst %.c,$(B)/%.o,$(wildcard onnx/*.c tests/onnx/*.c)): $(B)/gen/onnx/onnx.pb-c.h

# Out of reach of a registry the build goes on without charts, and the next one tries again.
ifeq ($(wildcard reports/node_modules/.installed),)
.PHONY: reports/node_modules/.installed
endif
reports/node_modules/.installed: reports/package-lock.json
	@(cd reports && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error) && touch $@ || \
	 echo "left out: charts of HTML reports, because npm could not fetch vega; the next make tries again" >&2
$(WEB): reports/node_modules/.installed

# --- tests ---------------------------------------------------------------------------------------------
$(B)/tests/%: $(B)/tests/%.o $(TEST_SUPPORT:%.c=$(B)/%.o) $(B)/libmoprof.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS_$(CONFIG)) $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(PKG_LIBS)

# The fuzzed entry points, with the one file of the command line that they call.
FUZZ_OBJ := $(FUZZ_SRC:%.c=$(B)/%.o) $(B)/tests/fuzz/fuzz.o $(B)/profiler/cli/options.o
FUZZ_TARGETS := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%)
FUZZ_TIME ?= 60
FUZZ_CC ?= clang

$(B)/tests/fuzz/test_corpus: $(B)/tests/fuzz/test_corpus.o $(FUZZ_OBJ) $(TEST_SUPPORT:%.c=$(B)/%.o) $(B)/libmoprof.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS_$(CONFIG)) $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(PKG_LIBS)

$(B)/fuzz/%: tests/fuzz/driver.c $(FUZZ_OBJ) $(TEST_SUPPORT:%.c=$(B)/%.o) $(B)/libmoprof.a
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -DMOP_FUZZ_TARGET=mop_fuzz_$* \
	    -fsanitize=fuzzer,address,undefined $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(PKG_LIBS)

fuzz-bins: $(FUZZ_TARGETS:%=$(B)/fuzz/%)
fuzz: ## libFuzzer with ASan and UBSan on everything that reads files and texts; FUZZ_TIME=60 seconds each
	@if echo 'int LLVMFuzzerTestOneInput(void *p, long n) { return n < 0 || !p; }' | \
	    $(FUZZ_CC) -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null; then \
	    $(MAKE) -s CONFIG=fuzz CC='$(FUZZ_CC)' fuzz-bins && \
	    sh tests/fuzz/run.sh $(FUZZ_TIME) build/fuzz $(FUZZ_TARGETS); \
	else echo "skip: no fuzzing, because $(FUZZ_CC) has no libFuzzer (Debian package libclang-rt-14-dev)"; fi

# What the Vulkan loader puts before the program in tests/cli/test_vulkan_loss.
VKLAYER := $(if $(CROSS),,$(B)/tests/vklayer/libfail.so)
$(B)/tests/vklayer/libfail.so: tests/vklayer/fail.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O1 -fPIC -fvisibility=hidden $(WARN) -shared -o $@ $<

test-bins: notes $(TEST_BIN) $(VKLAYER) $(B)/moprof
test: test-bins ## run every test; TESTS=glob picks some by path
	@MOPROF=$(B)/moprof EMULATOR='$(EMULATOR)' sh tests/run.sh $(B) '$(TESTS)'

asan: ## the whole suite under AddressSanitizer and UndefinedBehaviorSanitizer
	$(MAKE) CONFIG=asan test

BENCH_NETWORKS := $(B)/tests/peers/bench_peers
BENCHES := $(B)/tests/kernels/test_cpu_kernels $(B)/tests/engine/test_cpu_group $(B)/tests/measure/test_cost $(B)/tests/db/test_cost
bench: $(BENCHES) $(BENCH_NETWORKS) ## kernels and networks in GFLOP/s and fractions of peak; what harness and store cost
	@set -e; for b in $(BENCHES); do $$b --bench; done
	@$(BENCH_NETWORKS) --peers moprof,scalar --long --quick --budget 1

# Other engines, for comparing with; nothing else needs them.
ifeq ($(wildcard tests/peers/node_modules/.installed),)
.PHONY: tests/peers/node_modules/.installed
endif
tests/peers/node_modules/.installed: tests/peers/package-lock.json
	@(cd tests/peers && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error) && touch $@ || \
	 echo "skip: no ONNX Runtime, because npm could not fetch it; the next make tries again" >&2

check-onnx: $(B)/moprof $(B)/tests/onnx/test_checker tests/peers/node_modules/.installed ## exported networks give the same output in ONNX Runtime; SPECS='cnn30 ...' picks some
	@MOPROF=$(B)/moprof sh tests/onnx/compare.sh $(B)/tests/onnx/test_checker $(SPECS)

bench-repeat: moprof ## do two sweeps in a row agree? BUDGET=6m each, four of them
	sh tests/bench_repeat.sh ./moprof

# Other engines, for bench-peers only: one that is not installed is shown as missing.
PEER_OBJ := $(patsubst %.c,$(B)/%.o,$(filter-out tests/peers/test_%,$(wildcard tests/peers/*.c)))
peer_has = $(findstring /,$(shell $(CC) -print-file-name=lib$(1).so))
PEER_CFLAGS = $(if $(call peer_has,XNNPACK),-DMOP_PEER_XNNPACK) $(if $(call peer_has,dnnl),-DMOP_PEER_ONEDNN)
PEER_LIBS = $(if $(call peer_has,XNNPACK),-lXNNPACK) $(if $(call peer_has,dnnl),-ldnnl -lgomp)

$(B)/gen/peers.list: FORCE
	@mkdir -p $(@D)
	@echo '$(PEER_LIBS)' | cmp -s - $@ || echo '$(PEER_LIBS)' > $@
$(PEER_OBJ): $(B)/gen/peers.list
$(PEER_OBJ): ALL_CFLAGS += $(PEER_CFLAGS)
$(B)/tests/peers/test_rounds: $(B)/tests/peers/rounds.o
$(B)/tests/peers/bench_peers: $(PEER_OBJ) $(B)/tests/support/folder.o $(B)/libmoprof.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS_$(CONFIG)) $(LDFLAGS) -o $@ $^ $(PEER_LIBS) $(PKG_LIBS)

bench-peers: $(B)/tests/peers/bench_peers tests/peers/node_modules/.installed ## networks beside ONNX Runtime, XNNPACK, oneDNN; PEERS='--threads 2 ...'
	@$< $(PEERS)

lint: ## include order of the rooms, formatting, static analysis
	sh tests/lint.sh

format: ## reformat every source with clang-format
	git ls-files '*.c' '*.h' | xargs clang-format -i

setup: ## install every Debian package that the build, the tests and the reports need
	sh tests/setup.sh

setup-cross: ## what CROSS=aarch64-linux-gnu- needs: compiler, emulator, libraries of that machine
	sh tests/setup.sh cross

install: all ## install to $(DESTDIR)$(PREFIX)
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/moprof

uninstall: ## remove what install wrote
	rm -f $(DESTDIR)$(PREFIX)/bin/moprof

clean: ## remove build/ and ./moprof
	rm -rf build moprof

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

-include $(shell find $(B) -name '*.d' 2>/dev/null)
