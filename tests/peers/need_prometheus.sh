#!/bin/sh
# Makes sure that prometheus, victoria-metrics and node_exporter are there: what is on the PATH wins, else Debian's
# packages are unpacked into the folder given, by apt. Nothing is installed, so no service is started and nothing has to
# be taken away.
set -eu
folder=$1
have() { command -v "$1" >/dev/null 2>&1; }
missing=
for program in prometheus prometheus-node-exporter victoria-metrics; do
  have "$program" || [ -x "$folder/usr/bin/$program" ] || missing="$missing $program"
done
[ -n "$missing" ] || exit 0
say() { echo "Not brought here:$missing, as $1. The checks against it are skipped, and say so." >&2; exit 0; }
have apt-get && have dpkg-deb || say "this system has no apt"
downloads=$(mktemp -d)
trap 'rm -rf "$downloads"' EXIT
cd "$downloads"
# Its programs are called as their packages are.
# shellcheck disable=SC2086
get() { apt-get -o APT::Sandbox::User=root download -qq $missing; }
if ! get 2>/dev/null; then
  if [ "$(id -u)" = 0 ]; then apt-get update -qq; elif have sudo && sudo -n true 2>/dev/null; then sudo -n apt-get update -qq; fi
  get || say "apt does not have the packages"
fi
mkdir -p "$folder"
for package in ./*.deb; do dpkg-deb -x "$package" "$folder"; done
