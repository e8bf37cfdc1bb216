set xrange [-0.5:9.5]
set yrange [9.5:-0.5]
set xtics 1
set ytics 1
set xlabel 'heard'
set ylabel 'said'
set size square
unset key
set palette defined (0 'white', 1 '#d0e0ff', 10 '#2040a0')
plot DATA using 1:2:3 with image, \
     '' using 1:2:($3 > 0 ? sprintf('%d', $3) : '') with labels tc rgb '#e08000' font ',14'
