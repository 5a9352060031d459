#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the tests in the folder where they were built, and prints KTAP.
#
# usage: run.sh [DIR]

cd "${1:-.}" || exit 1

# Where the fuzzer writes what it broke the core with
mkdir -p crashes

names=(
	"shims"
	"model: 50 million random steps"
	"model: random steps, AddressSanitizer and UBSan"
	"guarantee: a full device, a million creations"
	"faults of Linux 7.3's pools"
	"stress: ThreadSanitizer"
	"stress: AddressSanitizer and UBSan"
	"fuzz: sequences of calls from bytes"
)
commands=(
	"./shim-test-tsan"
	"./model -s ${SEED:-1} -n 50000000"
	"./model-asan -s ${SEED:-2} -n 5000000"
	"./guarantee"
	"./faults"
	"./stress-tsan -s ${SEED:-1} -t ${SECONDS_EACH:-15}"
	"./stress-asan -s ${SEED:-1} -t ${SECONDS_EACH:-15}"
	"./fuzz -seed=${SEED:-1} -runs=${FUZZ_RUNS:-60000} -max_len=2048
		-detect_leaks=0 -timeout=60 -artifact_prefix=crashes/"
)

# A core has something to do while another one waits: two at a time.
status=0
for i in "${!commands[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n
	done
	(
		# shellcheck disable=SC2086
		timeout 300 ${commands[$i]} >"test-$i.log" 2>&1
		echo $? >"test-$i.status"
	) &
done
wait

echo "KTAP version 1"
echo "1..${#names[@]}"
for i in "${!names[@]}"; do
	if [ "$(cat "test-$i.status")" = 0 ]; then
		echo "ok $((i + 1)) ${names[$i]}"
	else
		sed 's/^/# /' "test-$i.log" | tail -40
		echo "not ok $((i + 1)) ${names[$i]}"
		status=1
	fi
done
exit $status
