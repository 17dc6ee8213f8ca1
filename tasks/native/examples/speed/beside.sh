#!/bin/sh
# `make bench`: fits in CPU seconds on one core, beside SciPy with one BLAS thread in an environment of its own. Where that cannot be set up, a line
# says so and the rest stands.
set -eu
here=$(dirname "$0")
root=$(cd "$here/../../../.." && pwd)
place=${CARGO_TARGET_DIR:-$root/target}
echo "fits, CPU seconds of one core (budget: 0.15, 3 and 5)"
"$place/release/examples/speed"
scipy=$place/scipy-1.17.1
if [ ! -x "$scipy/bin/python" ] || ! "$scipy/bin/python" -c 'import scipy' 2>/dev/null; then
  echo "setting up SciPy in $scipy" >&2
  if ! { python3 -m venv "$scipy" && "$scipy/bin/pip" install --quiet numpy==2.4.6 scipy==1.17.1; } >"$place/scipy.log" 2>&1; then
    echo "SciPy: skipped, no environment with numpy 2.4.6 and scipy 1.17.1 could be made here: $(tail -n 1 "$place/scipy.log")"
    exit 0
  fi
fi
echo "SciPy 1.17.1 on the same rows, one BLAS thread (--grid adds the literal 4,500 starts)"
OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 "$scipy/bin/python" "$here/reference.py" "$@"
