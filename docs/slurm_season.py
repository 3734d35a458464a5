"""Scan a season on a SLURM cluster: workers as jobs, results where this runs.

    python slurm_season.py "season 2024/" -o season2024.csv

Run it on the login node, or in a small job of its own that lasts as long as the scan. Everything
after the script's name goes to ``callcount scan``. Needs ``pip install callcount[cluster]
dask-jobqueue``, with callcount in the same environment on all nodes, and the recordings under the
same path there.
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster

N_JOBS = 8

if __name__ == "__main__":
    with SLURMCluster(
        queue="standard",  # your partition
        cores=16,  # of a job
        processes=16,  # one worker a core: a decoder that crashes takes one with it
        memory="32GB",
        walltime="04:00:00",
        # Workers end in good time before their job does; others take over what they were at.
        worker_extra_args=["--lifetime", "230m", "--lifetime-stagger", "10m"],
    ) as cluster:
        cluster.adapt(minimum_jobs=1, maximum_jobs=N_JOBS)  # jobs that end are started again
        command = ["callcount", "scan", *sys.argv[1:], "--cluster", cluster.scheduler_address]
        sys.exit(subprocess.run(command, check=False).returncode)
