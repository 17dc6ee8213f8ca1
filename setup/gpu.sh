#!/bin/sh
# What needs a CUDA device: tests of the torch worker on it, then the benchmark's steps on it. Five minutes once the worker is built, and up to five more for each of
# the twelve times that PyTorch compiles. Where no device is, a line says so. LIBTORCH is a libtorch with CUDA, as in `$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))')`.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
if [ -z "${LIBTORCH:-}" ]; then
  setup/libtorch.sh
  LIBTORCH=$root/.libtorch/torch
fi
export LIBTORCH
cargo=${CARGO:-cargo}

"$cargo" build --release --locked --workspace --bins --examples
found=$(LD_LIBRARY_PATH="$LIBTORCH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" target/release/isoflop-torch --devices)
echo "$found"
class=$(echo "$found" | sed -n 's/.*cuda:0 is `device: \(sm_[0-9]*\)`.*/\1/p')
[ -n "$class" ] || { echo "gpu: left out, since there is no device to run on"; exit 0; }
export LD_LIBRARY_PATH="$LIBTORCH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" CUBLAS_WORKSPACE_CONFIG=:4096:8

"$cargo" test --release --locked --workspace --test cuda -- --ignored --test-threads 1
# Two ranks share a device; where there are two devices they have one each, and go over NCCL.
export ISOFLOP_TEST_DEVICE="$class"
"$cargo" test --release --locked --workspace --test device --test ranks --test latent --test space --test scores -- --include-ignored --test-threads 2
target/release/isoflop-bench device
