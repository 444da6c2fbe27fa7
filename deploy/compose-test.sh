#!/usr/bin/env bash
# Starts the whole of docker-compose.yml in a project of its own, waits until every service is well, asks the pages
# through the server in front, and takes everything away again. Needs a Docker engine with compose.
set -euo pipefail
cd "$(dirname "$0")/.."
docker info >/dev/null 2>&1 || { echo "There is no Docker engine here: the tests run the same programs as processes." >&2; exit 1; }
folder=$(mktemp -d)
.venv/bin/officina init "$folder/officina" --host localhost --house "Consorzio Prova" --https-port 18443 --agents-port 18883
compose=(docker compose --project-name "officina-test-$$" --env-file "$folder/officina/.env" --profile grafana --profile simulators)
trap '"${compose[@]}" logs --tail 40 >"$folder/log" 2>&1 || true; "${compose[@]}" down --volumes --timeout 20 || true; echo "The log is $folder/log."' EXIT
"${compose[@]}" config --quiet
"${compose[@]}" build
"${compose[@]}" up --detach --wait --wait-timeout 300
.venv/bin/python -m shopfloor.runtime.probe https://localhost:18443/readyz --ca "$folder/officina/certificates/ca.pem" --line "store: ready"
"${compose[@]}" run --rm store-init | tee "$folder/second"
! grep -E "^(made|mended)" "$folder/second"
echo "Everything is well."
