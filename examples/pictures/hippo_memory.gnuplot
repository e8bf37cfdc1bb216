# NUMBERS: of each memory.
set xlabel 'time in samples'
set yrange [-2.5:3]
set datafile missing 'nan'
titles = '"LegS: all of the past" "LegT: a window" "Fourier: a window, as a circle" "LagT: a past that fades"'
set multiplot layout 4,1 title sprintf('What %d numbers remember', NUMBERS)
do for [i=1:4] {
  set title word(titles, i)
  plot DATA using 1:2 title 'signal' with lines lw 3 lc rgb '#bbbbbb', \
       DATA using 1:(column(i + 2)) title 'remembered' with lines lc rgb '#c0392b'
}
unset multiplot
