# NUMBERS: of each memory, a column each after the signal.
set xlabel 'time in s'
set ylabel 'amplitude'
set multiplot layout words(NUMBERS),1 title 'The past of a recording, from N numbers of HiPPO-LegS'
do for [i=1:words(NUMBERS)] {
  set title 'N = '.word(NUMBERS, i)
  plot DATA using 1:2 title 'signal' with lines lc rgb '#bbbbbb', \
       DATA using 1:(column(i + 2)) title 'reconstruction' with lines lc rgb '#c0392b'
}
unset multiplot
