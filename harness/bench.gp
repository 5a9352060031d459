# SPDX-License-Identifier: GPL-2.0
# Plots what bench.awk wrote; format is svg or png.

set style line 1 lc rgb "#1f6fb4" lw 2 pt 7 ps 0.6
set style line 2 lc rgb "#d95f0e" lw 2 pt 5 ps 0.6
set grid ytics back lt 1 lc rgb "#dddddd"
set border 3
set tics nomirror
set key at screen 0.5,0.95 center center horizontal
set style fill solid 0.9
set boxwidth 0.36
set xlabel "what the application does, and threads"
set xtics rotate by 40 right
set offsets 0.25, 0.25, 0, 0

if (format eq "svg") {
	set terminal svg size 1100,760 font "sans,12" background "white"
} else {
	set terminal pngcairo size 1100,760 font "sans,10"
}

devices = "rxe mlx5"
titles = "'Soft-RoCE' 'mlx5 on a simulated ConnectX'"
left = "rxe fw1"
left_titles = "'no delay' \
'an mkey takes the firmware 230 us, one at a time'"
right = "rxe50 fw8"
right_titles = "'creating an MR takes 50 us longer' \
'230 us, 8 at a time'"

# Bars are medians, the marks above them what 99 % do not exceed.
do for [i = 1:2] {
	set output "guest_" . word(devices, i) . "." . format
	set multiplot layout 2,2 title word(titles, i) \
		font ",16" margins 0.07,0.98,0.1,0.87 spacing 0.09,0.18
	do for [panel = 1:4] {
		if (panel > 1) { unset key }
		file = "guest_" . word(panel % 2 ? left : right, i) . ".dat"
		set title word(panel % 2 ? left_titles : right_titles, i)
		if (panel < 3) {
			unset logscale y
			set yrange [0:*]
			set ylabel "registrations a second"
			plot file using 0:(NaN):xtic(1) notitle, \
			     "" using ($0 - 0.19):2 with boxes ls 1 \
				title "FRMR pools", \
			     "" using ($0 + 0.19):3 with boxes ls 2 \
				title "unmodified driver"
		} else {
			set logscale y
			set yrange [1:*]
			set ylabel "us to register: p50, p99"
			plot file using 0:(NaN):xtic(1) notitle, \
			     "" using ($0 - 0.19):4 with boxes ls 1 \
				title "FRMR pools", \
			     "" using ($0 - 0.19):6 with points ls 1 notitle, \
			     "" using ($0 + 0.19):5 with boxes ls 2 \
				title "unmodified driver", \
			     "" using ($0 + 0.19):7 with points ls 2 notitle
		}
	}
	unset multiplot
	set key
}
