set logscale xy
set xlabel 'pixels so far'
set ylabel 'microseconds per pixel'
set key top left inside
plot DATA using 1:2 title 'S4D, by its state' with lines lw 2.5 lc rgb '#2c6fbb', \
     DATA using 1:3 title 'attention, by its cache' with lines lw 2.5 lc rgb '#c0392b'
