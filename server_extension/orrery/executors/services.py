"""The services of the local executor: what is wanted, kept durably, and the replicas that are moved towards it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from orrery.errors import Invalid, OrreryError, UnknownService
from orrery.executors import folders, queue, rollout, workfiles
from orrery.executors.contract import ReplicaPhase, ServiceSpec, ServiceState
from orrery.executors.core import Core
from orrery.executors.launch import find_account
from orrery.executors.replica import CRASH_LOOP, ReplicaRun

log = logging.getLogger(__name__)

LAST_STAGING_RETRY_SECONDS = 60.0


def revision_of(spec: ServiceSpec) -> str:
    """Changes with anything but the number of replicas."""
    content = folders.service_to_json(spec)
    del content["replicas"], content["format"]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]


class Service:
    """One service; everything happens on the loop's thread under the core's lock."""

    def __init__(self, core: Core, folder: Path, spec: ServiceSpec, on_emptied: Callable[[Service], None]) -> None:
        self.core = core
        self._on_emptied = on_emptied
        self.folder = folder
        self.spec = spec
        self.revision: str = revision_of(spec)
        self.is_removed = False
        self.is_gone = False
        self.failure: str | None = None
        self.replicas: dict[str, ReplicaRun] = {}
        self._staged: set[str] = set()
        self._staging: set[str] = set()
        self._staging_failures = 0
        self._is_checking = False
        self._timer: asyncio.TimerHandle | None = None

    def state(self) -> ServiceState:
        replicas = tuple(replica.state() for replica in self.replicas.values())
        return ServiceState(self.spec.id, self.revision, self.spec.replicas, replicas, self.failure)

    def change(self, spec: ServiceSpec) -> None:
        revision = revision_of(spec)
        if revision != self.revision:
            self.failure = None
            self._staging_failures = 0
        self.spec, self.revision, self.is_removed = spec, revision, False

    def adopt_replicas(self) -> None:
        root = self.folder / "replicas"
        if not root.is_dir():
            return
        for entry in os.scandir(root):
            folder = root / entry.name
            content = folders.read_json(folder / "replica.json")
            spec = None
            if content is not None:
                stored = folders.read_json(self.folder / "revisions" / content["revision"] / "spec.json")
                spec = None if stored is None else folders.service_from_json(stored)
            if content is None or spec is None:
                self.core.in_pool(lambda folder=folder: shutil.rmtree(folder, ignore_errors=True))
                continue
            replica = ReplicaRun(self.core, folder, spec, content["revision"], content["sequence"], self._on_change)
            self.replicas[replica.id] = replica
            replica.restore(content)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for replica in self.replicas.values():
            replica.close()

    # --- moving towards what is wanted ---

    def check_soon(self) -> None:
        """Have the loop look at it once, however often this is called meanwhile."""
        if not self._is_checking:
            self._is_checking = True
            self.core.call(self.check)

    def _on_change(self) -> None:
        self.check_soon()
        self.core.notify(self.spec.id)

    def check(self) -> None:
        with self.core.lock:
            self._is_checking = False
            if self.core.is_closed or self.is_gone:
                return
            self.replicas = {name: replica for name, replica in self.replicas.items() if not replica.is_gone}
            self._note_failure()
            if self.is_removed:
                for replica in list(self.replicas.values()):
                    replica.end()
                self.replicas = {name: replica for name, replica in self.replicas.items() if not replica.is_gone}
                if not self.replicas:
                    self.core.in_pool(lambda: self._on_emptied(self))
                return
            plan = rollout.plan(self.spec.replicas, [self._seen(replica) for replica in self.replicas.values()])
            if plan.start and self._is_staged():
                try:
                    for _ in range(plan.start):
                        self._start_replica()
                except OSError as failed:
                    self._fail_for_a_while(f"a replica could not be started: {failed}")
            for name in plan.retire:
                self.replicas[name].retire()
            for name in plan.end:
                self.replicas[name].end()

    def _seen(self, replica: ReplicaRun) -> rollout.Seen:
        return rollout.Seen(
            replica.id, replica.sequence, replica.revision == self.revision, replica.phase, replica.proven
        )

    def _note_failure(self) -> None:
        current = [replica for replica in self.replicas.values() if replica.revision == self.revision]
        if any(replica.phase is ReplicaPhase.READY for replica in current):
            self.failure = None
            return
        for replica in current:
            if replica.phase is ReplicaPhase.BACKING_OFF and (replica.crashes >= CRASH_LOOP or replica.is_late):
                count = f"{replica.crashes} times in a row, the last time" if replica.crashes > 1 else "once"
                self.failure = f"a replica failed {count}: {replica.last_failure}\n{replica.log_tail()}".strip()

    def _start_replica(self) -> None:
        replica_id = secrets.token_hex(4)
        folder = self.folder / "replicas" / replica_id
        folder.mkdir(parents=True, mode=0o700)
        replica = ReplicaRun(self.core, folder, self.spec, self.revision, time.time_ns(), self._on_change)
        stood_for = {other.claim.replaces for other in self.replicas.values()}
        olds = (
            other
            for other in self.replicas.values()
            if other.revision != self.revision and other.claim.id not in stood_for
        )
        if predecessor := next(olds, None):
            replica.claim = replace(replica.claim, replaces=predecessor.claim.id)
        replica.save()
        self.replicas[replica_id] = replica
        replica.enqueue()
        self.core.notify(self.spec.id)

    # --- the files of a revision ---

    def _is_staged(self) -> bool:
        """Whether the wanted revision's files lie in place; begins to put them there where they do not."""
        if self.revision in self._staged:
            return True
        if self.revision not in self._staging and self._timer is None:
            self._staging.add(self.revision)
            spec, revision = self.spec, self.revision
            self.core.in_pool(lambda: self._stage(spec, revision))
        return False

    def _stage(self, spec: ServiceSpec, revision: str) -> None:
        folder = self.folder / "revisions" / revision
        failure = None
        try:
            (folder / "work").mkdir(parents=True, exist_ok=True)
            if not (folder / "spec.json").exists():
                # Written last: with it the folder is complete.
                workfiles.place(spec.files, folder / "work", self.core.objects)
                account = find_account(spec.run_as)
                if account is not None:
                    workfiles.give_to(folder / "work", account.uid, account.gid)
                folders.write_atomically(folder / "spec.json", folders.service_to_json(spec))
        except (OrreryError, OSError) as failed:
            failure = f"its files could not be put in place: {failed}"
        self.core.call(self._on_staged, revision, failure)

    def _on_staged(self, revision: str, failure: str | None) -> None:
        with self.core.lock:
            self._staging.discard(revision)
            if failure is None:
                self._staged.add(revision)
                self._staging_failures = 0
                self._remove_old_revisions()
            elif revision == self.revision:
                self._fail_for_a_while(failure)
            self._on_change()

    def _fail_for_a_while(self, failure: str) -> None:
        self.failure = failure
        self._staging_failures += 1
        if self._timer is None:
            delay = min(LAST_STAGING_RETRY_SECONDS, 2.0**self._staging_failures)
            self._timer = self.core.loop.call_later(delay, self._try_again)

    def _try_again(self) -> None:
        self._timer = None
        self.check()

    def _remove_old_revisions(self) -> None:
        needed = {self.revision} | self._staging | {replica.revision for replica in self.replicas.values()}
        root = self.folder / "revisions"
        for entry in list(os.scandir(root)):
            if entry.name not in needed:
                self._staged.discard(entry.name)
                self.core.in_pool(lambda path=root / entry.name: shutil.rmtree(path, ignore_errors=True))


class Services:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._root = core.home / "services"
        self._services: dict[str, Service] = {}
        self._write_lock = threading.Lock()

    def adopt(self) -> None:
        """Take over what lies on the disk. Before the loop runs."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o711)
        for entry in os.scandir(self._root):
            folder = self._root / entry.name
            content = folders.read_json(folder / "service.json")
            if content is None:
                self._core.in_pool(lambda folder=folder: shutil.rmtree(folder, ignore_errors=True))
                continue
            service = Service(self._core, folder, folders.service_from_json(content), self._forget)
            service.is_removed = content["removed"]
            self._services[entry.name] = service
            service.adopt_replicas()
            service.check_soon()

    def close(self) -> None:
        for service in self._services.values():
            service.close()

    def apply(self, spec: ServiceSpec) -> None:
        folders.check_id(spec.id)
        self._check(spec)
        with self._write_lock:
            with self._core.lock:
                service = self._services.get(spec.id)
                if service is not None and service.spec == spec and not service.is_removed:
                    return
            folder = self._root / spec.id
            with folders.refusing_full_disk():
                folder.mkdir(mode=0o711, exist_ok=True)
                self._write(spec, removed=False)
                folders.sync_folder(self._root)
            with self._core.lock:
                service = self._services.get(spec.id)
                if service is None:
                    service = self._services[spec.id] = Service(self._core, folder, spec, self._forget)
                else:
                    service.change(spec)
                service.check_soon()
        self._core.notify(spec.id)

    def _write(self, spec: ServiceSpec, removed: bool) -> None:
        content = {**folders.service_to_json(spec), "removed": removed}
        folders.write_atomically(self._root / spec.id / "service.json", content)

    def _check(self, spec: ServiceSpec) -> None:
        queue.check_schedulable(spec.resources, self._core.ledger.capacity, is_service=True)
        self._core.ledger.rules.check(spec.owner, spec.resources)
        for file in spec.files:
            workfiles.check_path(file.path)
        if not spec.argv:
            raise Invalid("the command is empty; give a program and its arguments")
        if spec.replicas < 0:
            raise Invalid(f"replicas is {spec.replicas}; it must be 0 or above")
        if not spec.ready_path.startswith("/") or any(character.isspace() for character in spec.ready_path):
            raise Invalid(f"ready_path {spec.ready_path!r} must begin with / and hold no space")
        find_account(spec.run_as)

    def remove(self, service_id: str) -> None:
        with self._write_lock:
            with self._core.lock:
                service = self._services.get(service_id)
                if service is None or service.is_removed:
                    return
            self._write(service.spec, removed=True)
            with self._core.lock:
                service.is_removed = True
                service.check_soon()

    def _forget(self, service: Service) -> None:
        """Remove a removed service's folder, unless it was applied again meanwhile. In the pool."""
        trash = self._root / f".trash-{secrets.token_hex(8)}"
        with self._write_lock, self._core.lock:
            if not service.is_removed or service.replicas or service.is_gone:
                return
            service.is_gone = True
            del self._services[service.spec.id]
            os.rename(service.folder, trash)
        self._core.notify(service.spec.id)
        shutil.rmtree(trash, ignore_errors=True)

    def _get(self, service_id: str) -> Service:
        service = self._services.get(service_id)
        if service is None or service.is_removed:
            raise UnknownService(f"there is no service {service_id!r}", service_id=service_id)
        return service

    def state(self, service_id: str) -> ServiceState:
        with self._core.lock:
            return self._get(service_id).state()

    def states(self) -> list[ServiceState]:
        with self._core.lock:
            return [service.state() for service in self._services.values() if not service.is_removed]

    def release(self, service_id: str, replica_ids: frozenset[str]) -> None:
        with self._core.lock:
            service = self._get(service_id)
            for replica in service.replicas.values():
                if replica.id in replica_ids and replica.phase is ReplicaPhase.RETIRING:
                    self._core.call(replica.end)

    def replica_folder(self, service_id: str, replica_id: str) -> Path:
        with self._core.lock:
            service = self._get(service_id)
            if replica_id not in service.replicas:
                raise UnknownService(
                    f"service {service_id!r} has no replica {replica_id!r}; it has {sorted(service.replicas)}"
                )
            return service.replicas[replica_id].folder
