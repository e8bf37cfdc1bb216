# Columns after the first: four for each of STATES.
set logscale xy
set xlabel 'length L'
set ylabel 'ns for each feature and step'
set key above maxrows 2
set multiplot layout 1,words(STATES)
do for [i=1:words(STATES)] {
  first = 4 * i - 2
  set title 'N = '.word(STATES, i)
  plot DATA using 1:(column(first + 3)) title 'choice of the planner' with lines lw 8 lc rgb '#dddddd', \
       DATA using 1:(column(first)) title 'recurrence' with lines lw 2 lc rgb '#2c6fbb', \
       DATA using 1:(column(first + 1)) title 'convolution, kernel made anew' with lines lw 2 lc rgb '#c9a227', \
       DATA using 1:(column(first + 2)) title 'convolution, kernel kept' with lines lw 2 lc rgb '#c0392b'
}
unset multiplot
