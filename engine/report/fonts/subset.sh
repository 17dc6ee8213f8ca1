#!/bin/sh
# How the two fonts here were made of Arimo 1.33 (SIL Open Font License 1.1, no reserved font name): the letters that figures need, without hinting and
# layout tables. Takes the folder of Arimo-Regular.ttf and Arimo-Bold.ttf (Debian: package fonts-croscore) and needs fonttools 4.60.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for weight in Regular Bold; do
  pyftsubset "$1/Arimo-$weight.ttf" --output-file="$here/Arimo-$weight.ttf" --no-hinting --desubroutinize --layout-features='' --notdef-outline \
    --drop-tables+=GPOS,GSUB,GDEF,DSIG,gasp,meta,kern --name-IDs='0,1,2,4,5,6,13,14' --no-recalc-timestamp \
    --unicodes='U+20-7E,U+A0-17F,U+192,U+218-21B,U+2C6,U+2C7,U+2D8-2DD,U+384-3CE,U+3D1,U+3D5,U+400-45F,U+490,U+491,U+2000-206F,U+2070-209C,U+20AC,U+2113,U+2122,U+2126,U+2190-2195,U+2200-22FF,U+25A0-25CF,U+FFFD'
done
