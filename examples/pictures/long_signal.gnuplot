set title sprintf('A piece across the border of two of %d ranks', RANKS)
set xlabel 'samples from the border'
set arrow from 0, graph 0 to 0, graph 1 nohead dt 2 lc rgb '#888888'
plot DATA using 1:2 title 'signal' with points pt 7 ps 0.2 lc rgb '#9ab8d8', \
     DATA using 1:4 title 'one rank' with lines lw 6 lc rgb '#f2c9a0', \
     DATA using 1:3 title 'ranks' with lines lw 2 lc rgb '#c0392b'
