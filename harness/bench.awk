# SPDX-License-Identifier: GPL-2.0
# Turns lines "FLAVOUR NAME MEDIAN UNIT" into what people read, into the lines
# of guest.txt, and into one file of data for each device's plots; results,
# dir and peer, the name of the other kernel, are given. A ratio above 1 says that
# the pools are better.

function ratio(name)
{
	if (unit[name] == "MR/s")
		return base[name] ? ours[name] / base[name] : 0
	return ours[name] ? base[name] / ours[name] : 0
}

function bench(name)
{
	printf "BENCH %s %s %s\n", name, ours[name], unit[name] >>results
	printf "BENCH base_%s %s %s\n", name, base[name], unit[name] >>results
	printf "BENCH ratio_%s %.2f x\n", name, ratio(name) >>results
}

function title(device)
{
	if (device == "rxe")
		return "Soft-RoCE"
	if (device == "rxe50")
		return "Soft-RoCE, 50 us"
	if (device == "mlx5")
		return "mlx5"
	return "mlx5, 230/160 us, " substr(device, 3) " at once"
}

# A mode is what an application does, and with how many threads.
function label(mode,	part)
{
	split(mode, part, "_")
	return part[1] ", " (part[2] == "1t" ? "1 thread" : "2 threads")
}

function heading(device)
{
	printf "\n%-24s %22s %15s %15s\n", title(device),
		"registrations/s", "us: p50", "p99"
	printf "%-24s %8s %7s %5s %7s %7s %7s %7s\n", "", "pools", peer,
		"ratio", "pools", peer, "pools", peer
}

function us(time)
{
	return time == "" ? "-" : sprintf("%.1f", time)
}

function row(device, mode, name)
{
	if (device != last_device)
		heading(device)
	last_device = device
	printf "%-24s %8.0f %7.0f %5.2f %7s %7s %7s %7s\n",
		label(mode), ours[name], base[name], ratio(name),
		us(ours[name "_reg_p50"]), us(base[name "_reg_p50"]),
		us(ours[name "_reg_p99"]), us(base[name "_reg_p99"])
}

function known(time)
{
	return time == "" ? "NaN" : time
}

function data(device, mode, name,	file, tic)
{
	file = dir "/guest_" device ".dat"
	if (!(file in begun))
		printf "" >file
	begun[file]
	tic = mode
	sub("_", " ", tic)
	sub("t$", "", tic)
	print "\"" tic "\"", ours[name], base[name],
		known(ours[name "_reg_p50"]), known(base[name "_reg_p50"]),
		known(ours[name "_reg_p99"]), known(base[name "_reg_p99"]) >>file
}

$1 == "plain" {
	name[++n] = $2
	ours[$2] = $3
	unit[$2] = $4
}

$1 == "base" {
	base[$2] = $3
}

# 100,000 regions at once, at a second start. Without any cache each region has an
# mkey of its own.
function hundred_thousand(phase,	name, gain)
{
	name = "restart100k_" phase
	gain = base["uncached100k_" phase]
	if (!gain)
		return
	gain = ours[name] / gain
	printf "BENCH gain_%s %.2f x\n", name, gain >>results
	printf "%-24s %8.0f %7.0f %5.2f %15.0f %15.2f\n", phase, ours[name],
		base[name], ratio(name), base["uncached100k_" phase], gain
}

END {
	for (i = 1; i <= n; i++) {
		bench(name[i])
		if (!match(name[i], /(start|restart|steady|many|pinned|connect|reconnect)_.t$/))
			continue
		mode = substr(name[i], RSTART)
		device = substr(name[i], 1, RSTART - 2)
		row(device, mode, name[i])
		data(device, mode, name[i])
	}
	printf "\n%-24s %8s %7s %5s %15s %15s\n", "100,000 again, a second",
		"pools", peer, "ratio", "mkeys not kept", "pools gain"
	hundred_thousand("reg")
	hundred_thousand("dereg")
	printf "\n%-30s %12s %12s %7s\n", "mlx5", "pools", peer, "ratio"
	for (i = 1; i <= n; i++)
		if (unit[name[i]] !~ /^(MR\/s|us)$/)
			printf "%-30s %12.0f %12.0f %7.2f\n",
				name[i] ", " unit[name[i]], ours[name[i]],
				base[name[i]], ratio(name[i])
}
