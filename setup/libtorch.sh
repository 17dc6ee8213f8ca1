#!/bin/sh
# Puts libtorch 2.11.0 (CPU part of the Python registry's wheel, 500 MB on disk) into the user's cache, once for all clones, and links it
# to .libtorch here. Does nothing where that is done. A LIBTORCH of the user's own wins, and then nothing is fetched.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
. "$here/lib.sh"
version=2.11.0
dest=$cache/libtorch-$version-r1

[ -n "${LIBTORCH:-}" ] && { say "using libtorch of LIBTORCH=$LIBTORCH"; exit 0; }
[ "$(uname -sm)" = 'Linux x86_64' ] || die "no libtorch is known for $(uname -sm); put one in place and set LIBTORCH"
mkdir -p "$cache"
need 'c++ --version' g++
if [ ! -f "$dest/torch/build-version" ]; then
  say "fetching libtorch $version (540 MB, once; kept in $cache)"
  tmp=$(mktemp -d "$cache/fetch.XXXXXX")
  trap 'rm -rf "$tmp"' EXIT
  fetch "$tmp/wheels" "$here/requirements-libtorch.txt"
  python3 - "$tmp/wheels" "$tmp/out" <<'PY'
import glob, os, sys, zipfile
wheels, out = sys.argv[1:]
wanted = {
    "torch-": ("torch/include/", "torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp.so.1"),
    "nvidia_cuda_runtime-": ("nvidia/cu13/lib/libcudart.so.13",),
    "nvidia_cuda_cupti-": ("nvidia/cu13/lib/libcupti.so.13",),
}
for prefix, parts in wanted.items():
    [wheel] = glob.glob(os.path.join(wheels, prefix + "*.whl"))
    with zipfile.ZipFile(wheel) as z:
        z.extractall(out, [n for n in z.namelist() if n.startswith(parts)])
PY
  # The wheel's own libtorch.so pulls in CUDA's libraries: an empty one of that name stands in its place. Where the full wheel is
  # installed, LD_LIBRARY_PATH to its lib folder gives the same binary the GPU.
  c++ -shared -nostdlib -Wl,-soname,libtorch.so -o "$tmp/out/torch/lib/libtorch.so" -Wl,--no-as-needed \
    -L"$tmp/out/torch/lib" -l:libtorch_cpu.so -Wl,--unresolved-symbols=ignore-all '-Wl,-rpath,$ORIGIN'
  echo "$version" >"$tmp/out/torch/build-version"
  rm -rf "$dest"
  mv "$tmp/out" "$dest" 2>/dev/null || [ -f "$dest/torch/build-version" ] || die "could not move libtorch to $dest"
fi
[ "$(readlink "$root/.libtorch" 2>/dev/null)" = "$dest" ] || ln -sfn "$dest" "$root/.libtorch"
