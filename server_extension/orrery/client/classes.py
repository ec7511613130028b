"""The class of each kind that this version of the client knows."""

from __future__ import annotations

from collections.abc import Mapping

from orrery.client.apps import Dashboard
from orrery.client.builtin import Algorithm, Dataset, DatasetVersion, Endpoint, Experiment, Model, Training
from orrery.client.images import Image, RegistryAccount
from orrery.client.notebooks import Notebook
from orrery.client.resources import Resource
from orrery.client.secrets import Secret
from orrery.client.templates import Template
from orrery.client.tunings import Tuning
from orrery.client.workflows import Workflow

CLASSES: Mapping[str, type[Resource]] = {
    "dataset": Dataset,
    "dataset-version": DatasetVersion,
    "experiment": Experiment,
    "algorithm": Algorithm,
    "training": Training,
    "tuning": Tuning,
    "template": Template,
    "workflow": Workflow,
    "model": Model,
    "endpoint": Endpoint,
    "dashboard": Dashboard,
    "secret": Secret,
    "notebook": Notebook,
    "image": Image,
    "registry-account": RegistryAccount,
}
