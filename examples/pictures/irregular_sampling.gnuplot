# The errors are in errors.tsv: number, mean, least, largest.
set multiplot layout 1,2
set bmargin 4
set lmargin 9
set size 0.3,1
set xrange [-0.6:1.6]
set yrange [0:*]
set ylabel 'mean squared error, held out'
set xtics ("told the\nintervals" 0, "told\nnothing" 1)
set boxwidth 0.6
set style fill solid 0.5
unset key
plot 'errors.tsv' using 1:2 with boxes lc rgb '#4060c0', \
     '' using 1:2:3:4 with yerrorbars lc rgb 'black' lw 2
set origin 0.3,0
set size 0.7,1
set xrange [*:*]
set yrange [*:*]
set xtics auto
set key top right inside
set xlabel 'seconds'
set ylabel 'angular velocity (1/s)'
plot DATA using 1:2 title 'truth' with lines lw 2 lc rgb 'black', \
     DATA using 1:3 title 'told the intervals' with linespoints pt 7 ps 0.6 lc rgb '#4060c0', \
     'missing.tsv' using 1:(0) title 'nothing seen' with points pt 2 ps 0.7 lc rgb '#808080', \
     DATA using 1:4 title 'told nothing' with linespoints pt 7 ps 0.6 lc rgb '#c04040'
unset multiplot
