# SPDX-License-Identifier: GPL-2.0
# FRMR pools for Linux RDMA: everything that can be done here. "make help"
#
# BASE=6.12|7.3	the kernel that the series is for; 6.12 if nothing is said
# LINUX=/path/to/tree	use that tree, of one of these, instead of Debian's
# SIM=1		with a simulated ConnectX (shell)
# TESTS="sim.sh ..."	only these (selftest)
# SIM_REGISTRATIONS=N	verify so many on the simulated ConnectX (selftest)
# TIMEOUT=SECONDS	of a guest
# HOURS=N, SEED=N	how long, 0.1 is possible, and with which choices (soak)
# FLAVOUR=plain|debug|kcsan	which kernel: debug has KASAN, lockdep and the
#			like, kcsan detects data races; compat: mainline's mlx5 on
#			this core (with BASE=7.3); base: the unmodified kernel
# IMPL=/path/to/dir	benchmark the frmr_pools.c there instead of ours
# BENCH=native|guest	only this part of the benchmarks
# SAVE=1		keep their results in doc/bench

SHELL = /bin/bash
# Mistakes that a soak provokes are found by a kernel that looks for them.
ifneq ($(filter soak,$(MAKECMDGOALS)),)
FLAVOUR ?= debug
endif
FLAVOUR ?= plain
export BASE FLAVOUR LINUX IMPL SIM TESTS SIM_REGISTRATIONS TIMEOUT BENCH SAVE
export HOURS SEED

help:
	@echo 'make run       see the pools at work, in minutes: boots Debian'"'"'s own kernel'
	@echo '               in QEMU and lets real RDMA programs register memory'
	@echo 'make check     all tests; ends with "N passed, N failed, N skipped"'
	@echo '  make kunit     only the unit tests'
	@echo '  make selftest  only the tests in the booted kernel'
	@echo '  make pyverbs   only the tests of rdma-core'
	@echo '  make userspace only the core in user space: model test, sanitizers,'
	@echo '                 fuzzer'
	@echo '  make lint      only the checks of the source'
	@echo 'make soak      all at once what a cluster does, for an hour (HOURS=N), on the'
	@echo '               debug kernel'
	@echo 'make bench     how fast it is, beside mainline; plots in build/bench'
	@echo 'make series    the patches as mails, in build/series'
	@echo 'make steps     apply one mail after the other, and compile each time'
	@echo 'make deb       Debian packages: the modules for DKMS, and the tool; in build/deb'
	@echo '  make debcheck  install them on a Debian made for that, boot it, and remove'
	@echo '                 them again'
	@echo 'make tree      prepare the kernel tree in build/linux'
	@echo 'make kernel    build the kernel'
	@echo 'make shell     a shell in the booted kernel; SIM=1: with a ConnectX'
	@echo 'make clean     remove build/; the cache stays'
	@echo
	@echo 'FLAVOUR=debug  with KASAN, lockdep and the like (kunit, selftest, shell)'
	@echo 'FLAVOUR=kcsan  with a detector of data races (the same)'
	@echo 'FLAVOUR=compat BASE=7.3  with the mlx5 of mainline (the same)'
	@echo 'FLAVOUR=base   the unmodified kernel (selftest, with TESTS)'
	@echo 'TESTS=sim.sh   only these programs (selftest)'
	@echo 'BASE=7.3       the series for Linux 7.3, in build/7.3; else for 6.12'
	@echo 'LINUX=/path    your own Linux tree, of one of these, instead of Debian'"'"'s'
	@echo 'IMPL=/path     another frmr_pools.c with the same interface (bench)'
	@echo 'BENCH=native   only the core in user space; BENCH=guest: only the kernels'
	@echo 'SAVE=1         keep results and plots in doc/bench (bench)'

run check kunit selftest pyverbs userspace lint soak bench shell series steps deb \
debcheck:
	@harness/$@.sh

tree:
	@harness/tree.sh

kernel: tree
	@harness/kernel.sh

clean:
	rm -rf build

.PHONY: help run check kunit selftest pyverbs userspace lint soak bench shell
.PHONY: series steps deb debcheck tree kernel clean
