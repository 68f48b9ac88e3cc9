"""The tickets' literal entry: `python jobs.py JOB` runs a job, `python jobs.py test JOB` tries it.

A thin door to `sexton run` and `sexton test`. Settings come from `sexton.toml`, `.env` and the environment here.
"""

import sys

from sexton import main

if __name__ == "__main__":
    words = sys.argv[1:]
    if not words or words[0].startswith("-"):
        words = ["jobs", *words]
    elif words[0] != "test":
        words = ["run", *words]
    sys.exit(main(words))
