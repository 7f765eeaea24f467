#!/bin/sh
# TEST EQUIPMENT: stands for the Python of a worker, and only pretends to train. It writes the journal of a trial
# that lasts as long as the file PRETEND says ("ID SECONDS" a line), and fails while the file LOST names its GPU.
set -eu
for folder; do :; done # the last argument

now() { read -r up _ </proc/uptime; echo "$(echo "$up" | tr -d .)0000000"; }
say() { echo "{\"t\": $(now), \"cpu\": 1, \"event\": $1}" >>"$folder/events.jsonl"; }
lost() { grep -qs -- "$CUDA_VISIBLE_DEVICES" "$LOST"; }

trial=$(basename "$(dirname "$folder")")
seconds=$(sed -n "s/^$trial //p" "$PRETEND")
say '"phase_started", "phase": "startup"'
say '"phase_ended", "phase": "startup", "figures": {}'
say '"phase_started", "phase": "train"'
ticks=$(awk "BEGIN { print int($seconds * 10 + 1) }")
while [ "$ticks" -gt 0 ]; do
	sleep "$(awk "BEGIN { print $seconds / int($seconds * 10 + 1) }")"
	ticks=$((ticks - 1))
	if lost; then
		say '"failed", "kind": "crashed", "message": "CUDA_ERROR_UNKNOWN"'
		exit 1
	fi
done
say '"phase_ended", "phase": "train", "figures": {}'
say '"evaluated", "metrics": {"accuracy": 1.0, "images": 1}'
echo >"$folder/predictions.csv"
