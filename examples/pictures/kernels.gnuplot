# Columns after the first: a response and its spectrum of each of SYSTEMS. HERTZ: from one number of a spectrum to the
# next.
set multiplot layout words(SYSTEMS),2 title 'Impulse responses and their spectra'
unset key
do for [i=1:words(SYSTEMS)] {
  unset logscale
  set xrange [0:*]
  set yrange [*:*]
  set xlabel 'seconds'
  set ylabel 'response'
  set title word(SYSTEMS, i)
  plot DATA using 1:(column(2 * i)) with lines lc rgb '#2c6fbb'
  set logscale x
  set xrange [*:*]
  set yrange [-80:3]
  set xlabel 'Hz'
  set ylabel 'dB'
  set title 'spectrum'
  plot DATA using (($0 + 1) * HERTZ):(column(2 * i + 1)) with lines lc rgb '#c0392b'
}
unset multiplot
