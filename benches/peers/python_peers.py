"""The peers that are Python packages. The benchmark starts this and asks for their work, a line of JSON a request.

The points are read from the file that the benchmark wrote for its other peers; answers go to a file beside it.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray
from pykdtree.kdtree import KDTree as PykdTree
from scipy.spatial import cKDTree
from sklearn.neighbors import KDTree as SklearnTree
from threadpoolctl import threadpool_limits

# Ids of each query's neighbours and, where the peer tells them, distances: rows, or arrays of different lengths.
Rows = Any
Found = tuple[Rows, Optional[Rows]]


@dataclass
class Job:
    """What is asked for: k neighbours, or those within the radius, of the first queries of the points."""

    points: NDArray[np.float64]
    work: str
    queries: int
    k: int
    radius: float
    threads: int


def pykdtree_query(tree: Any, job: Job) -> Found:
    distances, ids = tree.query(job.points[: job.queries], k=job.k)
    return ids, distances


def scipy_query(tree: Any, job: Job) -> Found:
    asked = job.points[: job.queries]
    if job.work == "radius":
        return tree.query_ball_point(asked, job.radius, workers=job.threads), None
    distances, ids = tree.query(asked, k=job.k, workers=job.threads)
    return ids, distances


def sklearn_query(tree: Any, job: Job) -> Found:
    asked = job.points[: job.queries]
    if job.work == "radius":
        ids, distances = tree.query_radius(asked, job.radius, return_distance=True, sort_results=True)
    else:
        distances, ids = tree.query(asked, k=job.k)
    return ids, distances


@dataclass
class Peer:
    """How its tree is built and asked, with its defaults, and what it offers on more than one thread."""

    build: Callable[[NDArray[np.float64]], Any]
    query: Callable[[Any, Job], Found]
    radius: bool
    threaded: frozenset[str]


PEERS = {
    "pykdtree": Peer(PykdTree, pykdtree_query, False, frozenset({"nearest"})),
    "scipy": Peer(cKDTree, scipy_query, True, frozenset({"nearest", "radius"})),
    "scikit-learn": Peer(SklearnTree, sklearn_query, True, frozenset()),
}


def offers(peer: Peer, job: Job) -> bool:
    if job.work == "predecessors" or (job.work == "radius" and not peer.radius):
        return False
    return job.threads == 1 or job.work in peer.threaded


def write(path: Path, found: Found) -> None:
    """The number of each query's neighbours, their ids, and whether distances follow."""
    ids, distances = found
    counts = np.array([len(row) for row in ids], dtype=np.int64)
    with open(path, "wb") as file:
        counts.tofile(file)
        np.concatenate([np.asarray(row, dtype=np.int64) for row in ids]).tofile(file)
        if distances is not None:
            np.concatenate([np.asarray(row, dtype=np.float64) for row in distances]).tofile(file)


class Trees:
    """The trees of the points that were asked about, so that one is built for many queries."""

    def __init__(self) -> None:
        self.points: dict[str, NDArray[np.float64]] = {}
        self.built: dict[str, Any] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Whether the peer offers the work and, unless it is only to prepare, the seconds; the answer is written."""
        if request["points"] not in self.points:
            self.points = {request["points"]: np.fromfile(request["points"]).reshape(-1, request["d"])}
            self.built = {}
        name = request["peer"]
        peer = PEERS[name]
        points = self.points[request["points"]]
        job = Job(points, *(request[key] for key in ("work", "queries", "k", "radius", "threads")))
        if not offers(peer, job):
            return {"offered": False}
        with threadpool_limits(limits=job.threads):
            if job.work != "build" and name not in self.built:
                self.built[name] = peer.build(job.points)
            if request["prepare"]:
                return {"offered": True}
            start = time.perf_counter()
            if job.work == "build":
                tree = peer.build(job.points)
                seconds = time.perf_counter() - start
                found = peer.query(tree, job)
            else:
                found = peer.query(self.built[name], job)
                seconds = time.perf_counter() - start
        if request["answer"]:
            write(Path(request["answer"]), found)
        return {"offered": True, "seconds": seconds}


def main() -> None:
    print(json.dumps({name: version(name) for name in PEERS}), flush=True)
    trees = Trees()
    for line in sys.stdin:
        try:
            answer = trees.answer(json.loads(line))
        except Exception as error:  # whatever a peer raises is told, and the next one is asked
            answer = {"offered": True, "error": type(error).__name__}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
