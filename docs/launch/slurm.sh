#!/bin/bash
# sbatch docs/launch/slurm.sh    (two machines with 8 GPUs each; SLURM starts one process for each GPU, no other launcher is needed)
#SBATCH --job-name=dinov2
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=12
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@300    # five minutes before the end: finish the step, save, exit with 138
#SBATCH --requeue
#SBATCH --open-mode=append

METHOD=${METHOD:-dinov2}
DATA=${DATA:?set DATA}
RUN=${RUN:-runs/dinov2}

MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export METHOD DATA RUN MASTER_ADDR MASTER_PORT=${MASTER_PORT:-29500}
# export ACCELERATE_USE_FSDP=true FSDP_VERSION=2    # to split the weights over the processes

srun bash -c 'RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID WORLD_SIZE=$SLURM_NTASKS \
  exec python -m graphssl train "$METHOD" --data "$DATA" --out "$RUN" --resume'
code=$?
if [ $code -eq 138 ]; then
  scontrol requeue "$SLURM_JOB_ID"    # the same command goes on from the saved step
  exit 0
fi
exit $code
