# FROM, TO: seconds that are enlarged.
set xlabel 'time in s'
set ylabel 'output y'
set multiplot layout 2,1 title 'One S4 layer at two sampling rates'
do for [enlarged=0:1] {
  if (enlarged) { set title 'the middle, enlarged'; set xrange [FROM:TO] }
  plot DATA using 1:2 title 'full rate' with lines lw 2 lc rgb '#9ab8d8', \
       DATA using 1:3 title 'half rate, time steps doubled' with lines lc rgb '#c0392b'
}
unset multiplot
