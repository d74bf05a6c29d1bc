"""The proof on a GPU: what a fix changes is the waiting, and nothing else."""
