# MEASURE: what is measured on the test set. ACCURACY: 1 where that is also known of the training set, else 0.
set multiplot layout 2,1
set xlabel 'epoch'
set ylabel 'loss'
plot DATA using 1:2 title 'training loss' with lines lw 2 lc rgb '#4060c0'
set ylabel MEASURE
if (ACCURACY) {
  plot DATA using 1:3 title 'training (augmented)' with lines lw 2 lc rgb '#90a0d0', \
       DATA using 1:4 title 'test' with lines lw 2 lc rgb '#c04040'
} else {
  plot DATA using 1:4 title 'test' with lines lw 2 lc rgb '#c04040'
}
unset multiplot
