# Columns after the first: for each of ORDERS of pixels, for each of KINDS, SEEDS models. COLORS: of the kinds.
set xlabel 'epoch'
set ylabel 'test accuracy (%)'
set yrange [0:100]
set multiplot layout words(ORDERS),1
do for [order=1:words(ORDERS)] {
  set title 'pixels '.word(ORDERS, order)
  plot for [kind=1:words(KINDS)] for [seed=1:SEEDS] DATA \
       using 1:(column(1 + ((order - 1) * words(KINDS) + kind - 1) * SEEDS + seed)) \
       title seed == 1 ? word(KINDS, kind) : '' with lines lw 2 lc rgb word(COLORS, kind)
}
unset multiplot
