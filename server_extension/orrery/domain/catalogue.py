"""All kinds that this platform serves."""

from __future__ import annotations

from typing import Final

from orrery.domain.algorithms import ALGORITHM
from orrery.domain.dashboards import DASHBOARD
from orrery.domain.datasets import DATASET, DATASET_VERSION
from orrery.domain.endpoints import ENDPOINT
from orrery.domain.experiments import EXPERIMENT
from orrery.domain.images import IMAGE
from orrery.domain.kernels import KERNEL
from orrery.domain.kinds import Registry
from orrery.domain.models import MODEL
from orrery.domain.notebooks import NOTEBOOK
from orrery.domain.registry_accounts import REGISTRY_ACCOUNT
from orrery.domain.secrets import SECRET
from orrery.domain.templates import TEMPLATE
from orrery.domain.trainings import TRAINING
from orrery.domain.tunings import TUNING
from orrery.domain.workflows import WORKFLOW

KINDS: Final = Registry(
    (
        *(NOTEBOOK, DATASET, DATASET_VERSION, EXPERIMENT, ALGORITHM, TRAINING, TUNING, TEMPLATE, WORKFLOW),
        *(MODEL, ENDPOINT, DASHBOARD, SECRET, IMAGE, REGISTRY_ACCOUNT, KERNEL),
    )
)
