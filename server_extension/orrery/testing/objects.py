"""What every object store must do; inherit `ObjectStoreConformance` and provide `store` to test a backend.

```python
class TestMyStore(ObjectStoreConformance):
    @pytest.fixture
    def store(self, tmp_path): return ObjectStore.from_url("mine://bucket", staging=tmp_path)
```
"""

from __future__ import annotations

import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orrery.errors import NotFound, Unavailable
from orrery.store.collection import GRACE, collect
from orrery.store.objects import DamagedObject, Object, ObjectStore

ABSENT = "0" * 64
LATER = timedelta(days=2)


def make_object(content: bytes) -> Object:
    return Object(hashlib.sha256(content).hexdigest(), len(content))


class FailingStream:
    """Gives `size` bytes, then the connection drops."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int, /) -> bytes:
        if not self._left:
            raise ConnectionResetError("connection lost")
        chunk = bytes(min(self._left, size))
        self._left -= len(chunk)
        return chunk


class ObjectStoreConformance:
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        raise NotImplementedError("override with a fixture that returns an empty store")

    def collect(self, store: ObjectStore, *referenced: str, after: timedelta = LATER) -> int:
        report = collect(store, lambda: set(referenced), GRACE, datetime.now(UTC) + after)
        assert report.ran
        return report.deleted

    def outlive(self, store: ObjectStore, oid: str) -> datetime:
        """An instant at which the object is old and every later touch is young, whatever the clock's grain."""
        touched_at = store.backend.touched_at(oid)
        assert touched_at is not None
        instant = touched_at + timedelta(microseconds=1)
        while datetime.now(UTC) < instant + timedelta(milliseconds=12):
            pass
        return instant

    @pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, 3_000_001])
    def test_what_is_put_is_read_back_under_its_sha256(self, store: ObjectStore, size: int) -> None:
        content = bytes(range(251)) * (size // 251 + 1)
        content = content[:size]
        assert store.put(io.BytesIO(content)) == make_object(content)
        oid = make_object(content).oid
        with store.open(oid) as stream:
            assert stream.read() == content
        assert store.exists(oid)
        assert store.size(oid) == size

    def test_a_file_is_put_and_left_where_it_is(self, store: ObjectStore, tmp_path: Path) -> None:
        path = tmp_path / "data.csv"
        path.write_bytes(b"a,b\n1,2\n")
        assert store.put(path) == make_object(b"a,b\n1,2\n")
        assert path.read_bytes() == b"a,b\n1,2\n"

    def test_a_taken_file_is_moved_in(self, store: ObjectStore, tmp_path: Path) -> None:
        for _ in range(2):
            path = tmp_path / "data.csv"
            path.write_bytes(b"moved")
            assert store.take(path, make_object(b"moved").oid) == make_object(b"moved")
            assert not path.exists()
        with store.open(make_object(b"moved").oid) as stream:
            assert stream.read() == b"moved"

    def test_the_same_content_is_stored_once(self, store: ObjectStore) -> None:
        first, second = store.put(io.BytesIO(b"twin")), store.put(io.BytesIO(b"twin"))
        assert first == second
        assert list(store.iterate()) == [first]

    def test_a_range_is_read_without_the_rest(self, store: ObjectStore) -> None:
        oid = store.put(io.BytesIO(b"0123456789")).oid
        for offset, length, expected in [
            (3, 4, b"3456"),
            (8, 10, b"89"),
            (10, None, b""),
            (4, None, b"456789"),
            (0, 0, b""),
        ]:
            with store.open(oid, offset, length) as stream:
                assert stream.read() == expected

    def test_what_is_absent_is_not_found(self, store: ObjectStore, tmp_path: Path) -> None:
        for oid in (ABSENT, "../../etc/passwd", "", "ABC", ABSENT + "\n"):
            assert not store.exists(oid)
            assert not store.delete(oid)
            for act in (store.open, store.size, store.claim):
                with pytest.raises(NotFound):
                    act(oid)
            with pytest.raises(NotFound):
                store.fetch(oid, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()

    def test_a_broken_stream_leaves_nothing(self, store: ObjectStore) -> None:
        with pytest.raises(ConnectionResetError):
            store.put(FailingStream(2_500_000))
        assert list(store.iterate()) == []
        assert list(store.backend.staging.iterdir()) == []

    def test_an_uncommitted_writer_leaves_nothing(self, store: ObjectStore) -> None:
        with store.writer() as writer:
            writer.write(b"half")
        assert list(store.iterate()) == []
        assert list(store.backend.staging.iterdir()) == []

    def test_a_fetched_copy_is_whole_and_ones_own(self, store: ObjectStore, tmp_path: Path) -> None:
        put = store.put(io.BytesIO(b"model"))
        destination = tmp_path / "work" / "model.bin"
        assert store.fetch(put.oid, destination) == put
        destination.write_bytes(b"changed")
        store.fetch(put.oid, destination)
        assert destination.read_bytes() == b"model"
        assert [path.name for path in destination.parent.iterdir()] == ["model.bin"]

    def test_a_deleted_object_is_gone(self, store: ObjectStore) -> None:
        put = store.put(io.BytesIO(b"gone"))
        assert store.delete(put.oid)
        assert not store.delete(put.oid)
        assert not store.exists(put.oid)

    def test_many_writers_of_one_content_agree(self, store: ObjectStore) -> None:
        content = bytes(200_000)
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(store.put, [io.BytesIO(content) for _ in range(24)]))
        assert set(results) == {make_object(content)}
        assert list(store.iterate()) == [make_object(content)]
        assert list(store.backend.staging.iterdir()) == []

    def test_only_the_old_and_unreferenced_is_collected(self, store: ObjectStore) -> None:
        used, unused = store.put(io.BytesIO(b"used")), store.put(io.BytesIO(b"unused"))
        assert self.collect(store, used.oid, after=timedelta(hours=23)) == 0
        assert store.exists(unused.oid)
        assert self.collect(store, used.oid) == 1
        assert [found.oid for found in store.iterate()] == [used.oid]

    def test_a_reference_committed_during_the_collection_counts(self, store: ObjectStore) -> None:
        put = store.put(io.BytesIO(b"late"))
        answers = iter([set[str](), {put.oid}])
        report = collect(store, lambda: next(answers), GRACE, datetime.now(UTC) + LATER)
        assert (report.kept, report.deleted) == (1, 0)
        assert store.exists(put.oid)

    @pytest.mark.parametrize("again", ["put", "claim"])
    def test_an_old_object_put_or_claimed_during_the_collection_stays(self, store: ObjectStore, again: str) -> None:
        put = store.put(io.BytesIO(b"old"))
        listed = iter([True, False])

        def referenced() -> set[str]:
            if not next(listed):  # the candidates are listed; now somebody wants one of them
                assert (store.put(io.BytesIO(b"old")) if again == "put" else store.claim(put.oid)) == put
            return set()

        report = collect(store, referenced, timedelta(0), self.outlive(store, put.oid))
        assert (report.young, report.deleted) == (1, 0)
        assert store.exists(put.oid)

    def test_a_failing_reference_list_removes_nothing(self, store: ObjectStore) -> None:
        put = store.put(io.BytesIO(b"kept"))

        def referenced() -> set[str]:
            raise Unavailable("database is down")

        with pytest.raises(Unavailable):
            collect(store, referenced, GRACE, datetime.now(UTC) + LATER)
        assert store.exists(put.oid)

    def test_one_collector_at_a_time(self, store: ObjectStore) -> None:
        store.put(io.BytesIO(b"x"))
        with store.backend.collecting() as first:
            assert first
            assert not collect(store, set, GRACE, datetime.now(UTC) + LATER).ran
        assert self.collect(store) == 1

    @pytest.mark.parametrize("again", ["put", "claim"])
    def test_a_put_or_claim_racing_the_removal_is_never_lost(self, store: ObjectStore, again: str) -> None:
        """In whichever order they fall: what a put answers is there, and so is what a claim grants."""
        with ThreadPoolExecutor(2) as pool:
            for _ in range(25):
                put = store.put(io.BytesIO(b"raced"))
                older_than = self.outlive(store, put.oid)
                start = threading.Barrier(2)

                def remove(oid: str, older_than: datetime, start: threading.Barrier) -> bool:
                    start.wait()
                    return store.backend.discard(oid, older_than)

                def want(oid: str, start: threading.Barrier) -> bool:
                    start.wait()
                    try:
                        _ = store.put(io.BytesIO(b"raced")) if again == "put" else store.claim(oid)
                    except NotFound:
                        return False
                    return True

                removed, wanted = pool.submit(remove, put.oid, older_than, start), pool.submit(want, put.oid, start)
                _, granted = removed.result(), wanted.result()
                assert store.exists(put.oid) == granted
                assert granted or again == "claim"

    def test_a_damaged_object_is_not_handed_out_by_fetch(self, store: ObjectStore, tmp_path: Path) -> None:
        put = store.put(io.BytesIO(b"sound"))
        self.damage(store, put.oid)
        with pytest.raises(DamagedObject, match=put.oid):
            store.fetch(put.oid, tmp_path / "copy")
        assert list(tmp_path.glob("*copy*")) == []

    def damage(self, store: ObjectStore, oid: str) -> None:
        """Change the stored bytes behind the store's back."""
        pytest.skip("this store's bytes cannot be changed by the test")
