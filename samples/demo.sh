#!/bin/sh
# The demo: ingest the samples into a store of its own, then ask what their words alone would not answer.
set -eu
memento=$1
home=$(dirname "$0")/../.demo
rm -rf "$home"
mkdir -m 700 "$home"
export MEMENTO_HOME="$home" MEMORY_DB_PATH="$home/memory.db"

echo "== What is kept of samples/, and why (importance, role, reason)"
"$memento" ingest --table --verbose "$(dirname "$0")" 2>&1

for question in \
    "how much cheaper may we sell?" \
    "did someone have a baby?" \
    "what did we pick for background jobs?"; do
    echo
    echo "== $question"
    "$memento" recall --table --limit 1 "$question"
done
