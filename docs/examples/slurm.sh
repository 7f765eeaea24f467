#!/bin/bash
# A suite on an allocation of SLURM: Ray on every node of it, and the driver on the first. sbatch slurm.sh
#SBATCH --job-name=leukobench
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=2
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail

source .venv/bin/activate
export RAY_USAGE_STATS_ENABLED=0
export LEUKOBENCH_NODE_FOLDER="/tmp/leukobench-$SLURM_JOB_ID"

mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${hosts[0]}
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | cut -d" " -f1)
port=$((20000 + SLURM_JOB_ID % 10000)) # jobs that share a node do not meet
offer=(--num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus "${SLURM_GPUS_PER_NODE##*:}" --block)

srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --node-ip-address "$address" --port "$port" --include-dashboard false "${offer[@]}" &
sleep 20
others=$((SLURM_JOB_NUM_NODES - 1))
if [ "$others" -gt 0 ]; then
    srun --overlap --nodes="$others" --ntasks="$others" --exclude="$head" \
        ray start --address "$address:$port" "${offer[@]}" &
    sleep 20
fi

# SLURM's TERM, two minutes before the end, stops the run as Ctrl-C does: the same job again goes on from there.
leukobench run thesis --engine ray --address "$address:$port" --results results &
driver=$!
trap 'kill -TERM "$driver"' TERM
code=0
wait "$driver" || code=$?
if kill -0 "$driver" 2>/dev/null; then # the signal interrupted only the waiting
    code=0
    wait "$driver" || code=$?
fi
exit "$code"
