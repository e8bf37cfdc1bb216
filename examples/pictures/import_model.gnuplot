set multiplot layout 2,1 title 'Answers of an imported model'
set lmargin 12
set rmargin 4
set key outside above horizontal
set ylabel 'answer'
plot DATA using 1:2 title 'the code it is from' with lines lw 5 lc rgb '#9ab8d8', \
     DATA using 1:3 title 'this library' with lines lw 1.5 lc rgb '#c0392b'
set xlabel 'number of the answer'
set ylabel 'difference'
set format y '%.1e'
plot DATA using 1:4 notitle with impulses lw 2 lc rgb '#444444'
unset multiplot
