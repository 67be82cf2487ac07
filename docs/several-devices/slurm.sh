#!/bin/bash
# Trains on two machines with four GPUs each: sbatch docs/several-devices/slurm.sh, from the top of the repository.
# Slurm starts one launcher a machine, and each launcher one process a GPU.
#SBATCH --job-name image24
#SBATCH --nodes 2
#SBATCH --ntasks-per-node 1
#SBATCH --gpus-per-node 4
#SBATCH --signal TERM@120

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun --nnodes "$SLURM_NNODES" --nproc_per_node 4 \
    --rdzv_id "$SLURM_JOB_ID" --rdzv_backend c10d --rdzv_endpoint "$first:29500" \
    app.py fit --epochs 24 --out "runs/slurm-$SLURM_JOB_ID"
