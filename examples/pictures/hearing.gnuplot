# CLASSES: one column each after time and wave.
colors = '#1f77b4 #ff7f0e #2ca02c #d62728 #9467bd #8c564b #e377c2 #7f7f7f #bcbd22 #17becf'
set multiplot layout 2,1
set lmargin 10
set rmargin 14
set ylabel 'wave'
set xrange [0:*]
plot DATA using 1:2 title '' with lines lc rgb '#404040'
set ylabel 'probability of each digit, since the word began'
set xlabel 'seconds'
set yrange [0:1]
plot for [c=3:2 + CLASSES] DATA using 1:(column(c)) title sprintf('%d', c - 3) with lines lw 2.5 \
     lc rgb word(colors, 1 + (c - 3) % 10)
unset multiplot
