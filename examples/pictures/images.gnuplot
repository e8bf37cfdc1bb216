# Images as pixels, width columns each. TITLES: one row of images each, ROWS of them, WIDTH pixels high.
set palette defined (0 'black', 1 'white')
set cbrange [0:255]
unset colorbox
unset key
unset grid
unset xtics
set yrange [*:*] reverse
set autoscale xfix
set autoscale yfix
set size ratio -1
set ytics () scale 0
do for [row=1:ROWS] { set ytics add (word(TITLES, row) WIDTH * (row - 1) + WIDTH / 2) }
plot DATA matrix with image
