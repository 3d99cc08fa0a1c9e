#!/bin/sh
# Makes sure that a browser and its driver are there: what is installed wins, else Debian's packages where apt may.
set -eu
have() { command -v "$1" >/dev/null 2>&1; }
if have chromedriver && { have chromium || have google-chrome || have chrome || [ -n "${CHROME_BIN:-}" ]; }; then exit 0; fi
if have apt-get && [ "$(id -u)" = 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends chromium chromium-driver
elif have apt-get && have sudo && sudo -n true 2>/dev/null; then
  sudo -n apt-get update -qq
  sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver
fi
if have chromedriver && { have chromium || have google-chrome || have chrome; }; then exit 0; fi
echo "The browser tests need Chromium (or Chrome) and chromedriver on the PATH. On Debian: apt-get install chromium chromium-driver" >&2
exit 1
