# MARKS: three samples at which something happens.
set xlabel 'sample'
set title 'A late packet, silence in its place, and the rollback'
events = '"missing" "silence taken" "arrived: rolled back"'
do for [i=1:3] {
  at = real(word(MARKS, i))
  set arrow from first at, graph 0 to first at, graph 1 nohead dt 2 lc rgb '#555555'
  set label word(events, i) at first at + 8, graph 0.03 * i - 0.01
}
plot DATA using 1:3 title 'without loss' with lines lw 5 lc rgb '#9ab8d8', \
     DATA using 1:4 title 'heard' with lines lw 1.5 lc rgb '#c0392b'
