"""All kinds that this platform serves."""

from __future__ import annotations

from typing import Final

from orrery.domain.algorithms import ALGORITHM
from orrery.domain.dashboards import DASHBOARD
from orrery.domain.datasets import DATASET, DATASET_VERSION
from orrery.domain.endpoints import ENDPOINT
from orrery.domain.experiments import EXPERIMENT
from orrery.domain.kernels import KERNEL
from orrery.domain.kinds import Registry
from orrery.domain.models import MODEL
from orrery.domain.secrets import SECRET
from orrery.domain.templates import TEMPLATE
from orrery.domain.trainings import TRAINING
from orrery.domain.tunings import TUNING

KINDS: Final = Registry(
    (
        DATASET,
        DATASET_VERSION,
        EXPERIMENT,
        ALGORITHM,
        TRAINING,
        TUNING,
        TEMPLATE,
        MODEL,
        ENDPOINT,
        DASHBOARD,
        SECRET,
        KERNEL,
    )
)
