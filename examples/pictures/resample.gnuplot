set xlabel 'time in s'
set xrange [2:3]
set multiplot layout 2,1 title 'One layer, four sampling rates'
set title 'told the rate'
plot DATA using 1:2 title 'full rate' with lines lw 6 lc rgb '#9ab8d8', \
     DATA using 1:3 title '1/2' with lines lw 2 lc rgb '#2c6fbb', \
     DATA using 1:4 title '1/4' with lines lw 2 lc rgb '#27ae60', \
     DATA using 1:5 title '1/8' with lines lw 1 lc rgb '#c0392b'
set title 'a quarter of the rate, not told'
plot DATA using 1:2 title 'full rate' with lines lw 6 lc rgb '#9ab8d8', \
     DATA using 1:6 title '1/4' with lines lw 2 lc rgb '#c9a227'
unset multiplot
