# SPDX-License-Identifier: GPL-2.0
# NVMe over RDMA, for the tests of the FRMR pools: a target and its host, both on
# this machine, with a disk that is only memory. Needs lib.sh.
# shellcheck shell=bash disable=SC2034

NQN=nqn.2014-08.org.nvmexpress:frmr
CONFIG=/sys/kernel/config
ADDRESS=${RDMA_ADDRESS:-192.168.70.1}
NVME_DISK=/dev/nvme0n1
WRITTEN=/run/frmr-written
READ=/run/frmr-read

target_up()
{
	local null=$CONFIG/nullb/frmr subsystem=$CONFIG/nvmet/subsystems/$NQN
	local port=$CONFIG/nvmet/ports/1

	mkdir "$null" || return
	echo 64 >"$null/size"
	echo 1 >"$null/memory_backed"
	echo 1 >"$null/power"
	mkdir "$subsystem" "$subsystem/namespaces/1" "$port" || return
	echo 1 >"$subsystem/attr_allow_any_host"
	echo /dev/frmr >"$subsystem/namespaces/1/device_path"
	echo 1 >"$subsystem/namespaces/1/enable" || return
	echo rdma >"$port/addr_trtype"
	echo ipv4 >"$port/addr_adrfam"
	echo "$ADDRESS" >"$port/addr_traddr"
	echo 4420 >"$port/addr_trsvcid"
	ln -s "$subsystem" "$port/subsystems/"
}

target_down()
{
	local subsystem=$CONFIG/nvmet/subsystems/$NQN

	rm -f "$CONFIG/nvmet/ports/1/subsystems/$NQN"
	rmdir "$CONFIG/nvmet/ports/1" "$subsystem/namespaces/1" \
		"$subsystem" "$CONFIG/nullb/frmr"
}

# host_connect [OPTION=VALUE...]: leaves the microseconds that connecting took in
# CONNECT_TIME.
host_connect()
{
	local start=${EPOCHREALTIME/./} options="transport=rdma,nqn=$NQN"

	options+=",traddr=$ADDRESS,trsvcid=4420,queue_size=32"
	printf '%s' "$options" "${@/#/,}" >/dev/nvme-fabrics || return
	CONNECT_TIME=$((${EPOCHREALTIME/./} - start))
	eventually 10 test -b $NVME_DISK
}

host_disconnect()
{
	echo 1 >/sys/class/nvme/nvme0/delete_controller &&
	eventually 10 test ! -e /sys/class/nvme/nvme0
}

# Writes what was never there before, past the page cache.
write_disk()
{
	head -c 1M /dev/urandom >$WRITTEN &&
	dd if=$WRITTEN of=$NVME_DISK bs=128k oflag=direct conv=nocreat status=none
}

read_disk()
{
	dd if=$NVME_DISK of=$READ bs=128k count=8 iflag=direct status=none
}

verified_io()
{
	write_disk && read_disk && cmp $WRITTEN $READ
}
