"""Settings of the web server that the command line does not give."""

import gc
import os
import threading

from gunicorn.workers.base import Worker

# Threads share a worker, so a slow client costs one thread and no process.
timeout = 60
graceful_timeout = 10
keepalive = 5
accesslog = None
errorlog = "-"
loglevel = "warning"
# Where a heartbeat file does not wait for a disk.
worker_tmp_dir = "/dev/shm"  # noqa: S108

# A question is encoded as fast by one thread. Two wait for each other, and where the embedder has
# the other core they take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def post_worker_init(worker: Worker) -> None:
    """Load the embedding model aside, so that no request waits for it if it can be helped."""
    del worker
    threading.Thread(target=_warm_up, daemon=True).start()


def _warm_up() -> None:
    from feedback.embedding import get_encoder

    get_encoder().encode(["The first texts load it."])
    # What is loaded by now stays; looking through it again and again for garbage takes tens of
    # milliseconds each time, in the midst of some request.
    gc.collect()
    gc.freeze()
    # A page makes tens of thousands of objects, which mostly go with their last reference: the
    # default of 700 looks for cycles among them over and over.
    gc.set_threshold(50_000, 20, 20)
