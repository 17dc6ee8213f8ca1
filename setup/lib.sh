# Shared by the set-up scripts: say, need, fetch. Sourced, never run.
cache=${ISOFLOP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/isoflop}
say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }

# need COMMAND PACKAGE: make sure COMMAND runs, by Debian's PACKAGE where we may install it.
need() {
  sh -c "$1" >/dev/null 2>&1 && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing $2"
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "$2"; } >"$cache/apt.log" 2>&1 ||
      die "apt-get could not install $2; its output is in $cache/apt.log"
  else
    die "$2 is missing; install it with: sudo apt-get install $2"
  fi
  sh -c "$1" >/dev/null 2>&1 || die "$2 was installed, but '$1' still fails"
}

# fetch DIR REQUIREMENTS: download the pinned wheels into DIR, checked against their hashes.
fetch() {
  need 'python3 -m pip --version' python3-pip
  python3 -m pip download -q --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
    --python-version 3.11 --implementation cp --abi cp311 --abi none \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_25_x86_64 \
    --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 \
    -d "$1" -r "$2" || die "could not download the wheels named in $2 from the Python registry"
}
