"""What a job or one replica holds of a machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """What a job or one replica holds while it runs."""

    cores: float = 1.0
    memory_bytes: int = 1 << 30
    gpus: int = 0

    def times(self, nodes: int) -> Resources:
        """What so many hold together."""
        return Resources(self.cores * nodes, self.memory_bytes * nodes, self.gpus * nodes)
