# SPDX-License-Identifier: GPL-2.0
# Plots what bench.sh measured; format is svg or png, and mainline says
# whether mainline's core is there, too.

set style line 1 lc rgb "#1f6fb4" lw 2 pt 7 ps 0.8
set style line 2 lc rgb "#d95f0e" lw 2 pt 5 ps 0.8
set style line 3 lc rgb "#4d9221" lw 2 pt 9 ps 0.8
set grid ytics back lt 1 lc rgb "#dddddd"
set border 3
set tics nomirror
set key outside top center horizontal

if (format eq "svg") {
	set terminal svg size 900,480 font "sans,13" background "white"
} else {
	set terminal pngcairo size 900,480 font "sans,11"
}

set output "pairs." . format
set title "Pop and push of one handle"
set ylabel "ns per pair and thread"
set logscale y
set yrange [10:*]
set style data histograms
set style fill solid 0.9
set boxwidth 0.9
set xtics rotate by -40 noenhanced
plot "fixed.dat" using 2:xtic(1) title "FRMR pools" ls 1, \
     "" using 3 title "single-lock baseline" ls 2, \
     for [i = 1:mainline] "" using 4 title "mainline's core" ls 3

set xtics norotate enhanced
set logscale x
set format x "10^{%T}"
set yrange [*:*]
set style data linespoints

name = "lookup dump tick_idle tick_aged pinned"
what = "'A pop and a push in one of N pools' 'A dump of N pools' \
'An aging tick that leaves N idle handles' \
'An aging tick that destroys N handles' 'To pin N handles'"

do for [i = 1:words(name)] {
	set output "growth_" . word(name, i) . "." . format
	set title word(what, i)
	set xlabel "N"
	set ylabel i == 1 ? "ns" : "us"
	file = "growth_" . word(name, i) . ".dat"
	plot file using 1:2 title "FRMR pools" ls 1, \
	     file using 1:3 title "single-lock baseline" ls 2, \
	     for [j = 1:mainline] file using 1:4 title "mainline's core" ls 3
}
