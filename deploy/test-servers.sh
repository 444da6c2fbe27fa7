#!/usr/bin/env bash
# Installs the real servers that the tests start: Debian's caddy, mosquitto, influxdb, victoria-metrics,
# postgresql and chromium.
# Does it where it may (root, or sudo without a password); elsewhere it says what to install.
set -eu

declare -A package=([caddy]=caddy [mosquitto]=mosquitto [influxd]=influxdb [victoria-metrics]=victoria-metrics [chromium]=chromium
  [initdb]=postgresql)
missing=()
for program in "${!package[@]}"; do
  PATH="$PATH:/usr/sbin$(printf ':%s' /usr/lib/postgresql/*/bin)" command -v "$program" >/dev/null || missing+=("${package[$program]}")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

say() {
  echo "These Debian packages are missing for the tests: ${missing[*]}" >&2
  echo "Install them with: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
}
if [ "$(id -u)" -eq 0 ]; then
  run=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  run=(sudo)
else
  say
  exit 0
fi
command -v apt-get >/dev/null || { say; exit 0; }

# Debian starts a service when it installs one; the tests start their own, with private settings.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${run[@]}" tee "$policy" >/dev/null
  "${run[@]}" chmod 755 "$policy"
  made=yes
fi
trap '[ -z "$made" ] || "${run[@]}" rm -f "$policy"' EXIT
echo "Installing for the tests: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${run[@]}" apt-get update -qq >/dev/null || true
"${run[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || { say; exit 0; }
