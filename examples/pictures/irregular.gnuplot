# SHOWN: time that is drawn.
set xlabel 'time'
set xrange [0:SHOWN]
set multiplot layout 2,1 title 'Uneven samples through S5'
plot DATA using 1:2 title 'signal, at its samples' with lines lw 1 lc rgb '#888888', \
     '' using 1:2 notitle with points pt 7 ps 0.6 lc rgb '#2c6fbb'
plot DATA using 1:3 title 'dense solution' with lines lw 5 lc rgb '#9ab8d8', \
     DATA using 1:5 title 'S5 told nothing' with lines lw 1.5 lc rgb '#c9a227', \
     DATA using 1:4 title 'S5 told the intervals' with lines lw 1.5 lc rgb '#c0392b'
unset multiplot
