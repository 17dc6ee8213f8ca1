#!/bin/sh
# Makes sure that there is a Chromium for the test that looks at the report in a browser. Debian's package, where root may install it; anybody else
# is told, and that one test says that it was skipped. Does nothing where that is done.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
for browser in "${ISOFLOP_CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
  [ -n "$browser" ] && command -v "$browser" >/dev/null && exit 0
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  say "no Chromium here, so the test of the report in a browser will be skipped; get it with: sudo apt-get install chromium"
  exit 0
fi
mkdir -p "$cache"
say "installing chromium"
{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends chromium; } >"$cache/apt-chromium.log" 2>&1 ||
  say "apt-get could not install chromium ($cache/apt-chromium.log), so the test of the report in a browser will be skipped"
