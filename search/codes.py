"""Codes of a large shard: FAISS IVF lists of RaBitQ codes, mapped, for a first choice of rows.

A code is an eighth of a byte a dimension. It says about how near a row is, so it chooses many more
rows than are asked for; these are compared exactly by their vectors. FAISS's ids are places of
rows in this very shard.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from search.passing import Passing
from search.rows import Floats, Int64s
from search.similarity import similarities
from storage.durable import HashingFile
from storage.lake import Vectors

CODED_ROWS = 16_384  # fewer are compared exactly in a millisecond
LIST_ROWS = 512  # rows a list has on average
TRAINED_ROWS = 64  # for each list
ROUNDS = 8  # of k-means
QUERY_BITS = 8
CHUNK_ROWS = 32_768
KEPT_FILTERS = 16  # 0.2 bytes a row each
PROBED_LISTS = 44  # the nearest ones are looked through
# Where a filter is: until they hold as many of the rows that qualify as these would, were filter
# and question strangers, and more the fewer qualify: the nearest of few lie farther away.
FARTHER = 0.08


class Codes:
    """The opened codes of a shard. Safe across threads: no code is ever added."""

    def __init__(self, owner: Any, index: Any, lists: npt.NDArray[np.uint16]) -> None:
        self._owner = owner  # of the same index, under its general type
        self._guard = threading.Lock()
        self._passing: OrderedDict[Hashable, Passing] = OrderedDict()
        self._index = index
        self.lists = lists  # (n,) list of each row
        centroids = faiss.downcast_index(index.quantizer)
        self._centroids = faiss.rev_swig_ptr(centroids.get_xb(), index.nlist * index.d).reshape(
            index.nlist, index.d
        )

    @property
    def count(self) -> int:
        """Rows."""
        return int(self._index.ntotal)

    @property
    def list_count(self) -> int:
        """Lists."""
        return int(self._index.nlist)

    @property
    def dimension(self) -> int:
        """Of the vectors."""
        return int(self._index.d)

    @property
    def memory_bytes(self) -> int:
        """The centroids; lists are mapped."""
        return int(self._centroids.nbytes)

    def kept(self, key: Hashable, make: Callable[[], Passing]) -> Passing:
        """What passes a filter, as it was found before, or made; the latest few are kept."""
        with self._guard:
            if key in self._passing:
                self._passing.move_to_end(key)
                return self._passing[key]
        made = make()
        with self._guard:
            self._passing[key] = made
            while len(self._passing) > KEPT_FILTERS:
                self._passing.popitem(last=False)
        return made

    def nearest(
        self, directions: Floats, most: int, passing: Passing | None = None
    ) -> tuple[Floats, Int64s]:
        """Estimated cosines (k, most) and places (k, most) of the nearest rows of each direction.

        `passing`: only these rows qualify. Lists are chosen by how many of them they hold, so
        that a filter cannot starve the search. A place of −1: there are no more.
        """
        given = similarities(self._centroids, directions).T
        order = np.argsort(-given, axis=1, kind="stable")
        probes, selector = min(PROBED_LISTS, self._index.nlist), None
        if passing is not None:
            held = passing.in_lists
            if not held.all():
                order = np.stack([row[held[row] > 0] for row in order])
            probed = PROBED_LISTS / self._index.nlist * passing.share**-FARTHER
            enough = held[order].cumsum(axis=1) >= min(1.0, probed) * held.sum()
            probes = int((enough.argmax(axis=1) + 1).max())
            selector = faiss.IDSelectorBitmap(passing.bits)
        if not probes:
            none = np.zeros((len(directions), 0))
            return none.astype(np.float32), none.astype(np.int64)
        lists = np.ascontiguousarray(order[:, :probes])
        parameters = faiss.IVFRaBitQSearchParameters()
        parameters.nprobe, parameters.qb = probes, QUERY_BITS
        if selector is not None:
            parameters.sel = selector
        asked = np.ascontiguousarray(directions, dtype=np.float32)
        near = np.ascontiguousarray(np.take_along_axis(given, lists, axis=1), dtype=np.float32)
        cosines = np.empty((len(asked), most), dtype=np.float32)
        places = np.empty((len(asked), most), dtype=np.int64)
        pointers = [faiss.swig_ptr(one) for one in (lists, near, cosines, places)]
        # FAISS's own wrapper takes no parameters here.
        self._index.search_preassigned_c(
            len(asked), faiss.swig_ptr(asked), most, *pointers, False, parameters
        )
        return cosines, places


def build_codes(path: Path, vectors: Vectors) -> tuple[str, npt.NDArray[np.uint16]]:
    """Write the codes of (n, dimension) vectors; returns the file's SHA-256 and each row's list.

    The same vectors give the same bytes: k-means begins with the same rows, in one thread.
    """
    count, dimension = vectors.shape
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # sums in another order round otherwise
    try:
        lists = max(1, count // LIST_ROWS)
        quantizer = faiss.IndexFlatIP(dimension)
        clustering = faiss.Clustering(dimension, lists)
        clustering.niter, clustering.spherical, clustering.seed = ROUNDS, True, 1
        clustering.max_points_per_centroid = TRAINED_ROWS
        clustering.min_points_per_centroid = 1
        spread = np.linspace(0, count - 1, min(count, TRAINED_ROWS * lists)).astype(np.int64)
        sample = vectors[spread].astype(np.float32)
        clustering.train(sample, quantizer)
        index = faiss.IndexIVFRaBitQ(quantizer, dimension, lists, faiss.METRIC_INNER_PRODUCT)
        index.train(sample)
        assigned = np.empty(count, dtype=np.uint16)
        for start in range(0, count, CHUNK_ROWS):
            rows = vectors[start : start + CHUNK_ROWS].astype(np.float32)
            _, nearest = quantizer.search(rows, 1)
            assigned[start : start + len(rows)] = nearest[:, 0]
            index.add_core(
                len(rows), faiss.swig_ptr(rows), None,
                faiss.swig_ptr(np.ascontiguousarray(nearest[:, 0])),
            )  # fmt: skip
        with HashingFile(path) as target:
            faiss.write_index(index, faiss.PyCallbackIOWriter(target.write))
            _, sha256 = target.publish()
    finally:
        faiss.omp_set_num_threads(threads)
    return sha256, assigned


def open_codes(path: Path, lists: npt.NDArray[np.uint16]) -> Codes:
    """Map codes; RuntimeError (FAISS's own) or ValueError when they are not what they must be."""
    whole = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    index = faiss.downcast_index(whole)
    if not isinstance(index, faiss.IndexIVFRaBitQ):
        raise ValueError(f"{path.name} holds {type(index).__name__}")
    if index.metric_type != faiss.METRIC_INNER_PRODUCT or index.ntotal != len(lists):
        raise ValueError(f"{path.name} measures another distance, or has another count")
    return Codes(whole, index, lists)
