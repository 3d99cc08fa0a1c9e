#!/bin/sh
# Makes sure that prometheus and node_exporter are there: what is on the PATH wins, else Debian's packages are unpacked
# into the folder given, by apt. Nothing is installed, so no service is started and nothing has to be taken away.
set -eu
folder=$1
have() { command -v "$1" >/dev/null 2>&1; }
if have prometheus && have prometheus-node-exporter; then exit 0; fi
if [ -x "$folder/usr/bin/prometheus" ] && [ -x "$folder/usr/bin/prometheus-node-exporter" ]; then exit 0; fi
say() { echo "Prometheus was not brought here: $1. The checks against it are skipped, and say so." >&2; exit 0; }
have apt-get && have dpkg-deb || say "this system has no apt"
downloads=$(mktemp -d)
trap 'rm -rf "$downloads"' EXIT
cd "$downloads"
get() { apt-get -o APT::Sandbox::User=root download -qq prometheus prometheus-node-exporter; }
if ! get 2>/dev/null; then
  if [ "$(id -u)" = 0 ]; then apt-get update -qq; elif have sudo && sudo -n true 2>/dev/null; then sudo -n apt-get update -qq; fi
  get || say "apt does not have its packages"
fi
mkdir -p "$folder"
for package in ./*.deb; do dpkg-deb -x "$package" "$folder"; done
