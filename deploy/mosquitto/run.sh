#!/bin/sh
# Runs Mosquitto, and has it read its files again (SIGHUP) when logins, rights or certificates change: the API, which
# writes the logins, lives in another container and may not signal it.
#   run.sh SETTINGS FOLDER    FOLDER holds broker/ and certificates/
set -eu
settings=$1
folder=$2

seen() {
  cat "$folder"/broker/rights "$folder"/broker/*.passwords "$folder"/certificates/broker.* 2>/dev/null | cksum
}

mosquitto -c "$settings" &
broker=$!
trap 'kill -TERM "$broker" 2>/dev/null' TERM INT
last=$(seen)
while kill -0 "$broker" 2>/dev/null; do
  sleep 1 &
  wait $! || true
  now=$(seen)
  if [ "$now" != "$last" ]; then
    last=$now
    kill -HUP "$broker"
  fi
done
wait "$broker"
