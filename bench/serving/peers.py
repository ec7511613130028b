"""The peers: which packages each needs, the model each serves, the command that starts it, the request it takes.

Each gets an environment of its own under the cache folder, made on first use and kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

KSERVE_SERVER = """
import sys
import kserve, numpy as np, xgboost

class Model(kserve.Model):
    def load(self):
        self.booster = xgboost.XGBClassifier()
        self.booster.load_model(sys.argv[1])
        self.ready = True
        return True
    def predict(self, payload, headers=None, response_headers=None):
        found = self.booster.predict(np.asarray(payload["instances"], dtype=np.float64))
        return {"predictions": found.tolist()}

if __name__ == "__main__":
    model = Model("bench")
    model.load()
    kserve.ModelServer(http_port=int(sys.argv[2]), enable_grpc=False, workers=1).start([model])
"""

MLFLOW_SAVE = """
import sys
import mlflow.xgboost, xgboost
model = xgboost.XGBClassifier()
model.load_model(sys.argv[1])
mlflow.xgboost.save_model(model, sys.argv[2], pip_requirements=["xgboost"])
"""


@dataclass(frozen=True)
class Peer:
    name: str
    packages: tuple[str, ...]
    ready_path: str
    predict_path: str
    #: rows -> body
    body: Callable[[list[list[float]]], object]
    #: environment's bin folder, model file, work folder, port -> command
    command: Callable[[Path, Path, Path, int], list[str]]


def _v1(rows: list[list[float]]) -> object:
    return {"instances": rows}


def _v2(rows: list[list[float]]) -> object:
    flat = [value for row in rows for value in row]
    return {"inputs": [{"name": "x", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": flat}]}


def _mlserver(bin_folder: Path, model: Path, work: Path, port: int) -> list[str]:
    settings = {"name": "bench", "implementation": "mlserver_xgboost.XGBoostModel", "parameters": {"uri": str(model)}}
    (work / "model-settings.json").write_text(json.dumps(settings))
    # one process and no parallel workers is its fastest set-up for a model this small
    server = {"http_port": port, "grpc_port": port + 1, "metrics_port": port + 2, "parallel_workers": 0, "debug": False}
    (work / "settings.json").write_text(json.dumps(server))
    return [str(bin_folder / "mlserver"), "start", str(work)]


def _kserve(bin_folder: Path, model: Path, work: Path, port: int) -> list[str]:
    (work / "server.py").write_text(KSERVE_SERVER)
    return [str(bin_folder / "python"), str(work / "server.py"), str(model), str(port)]


def _mlflow(bin_folder: Path, model: Path, work: Path, port: int) -> list[str]:
    saved = work / "mlflow"
    if not saved.exists():
        subprocess.run([str(bin_folder / "python"), "-c", MLFLOW_SAVE, str(model), str(saved)], check=True)
    serve = ["models", "serve", "-m", str(saved), "-p", str(port), "--env-manager", "local", "--workers", "1"]
    return [str(bin_folder / "mlflow"), *serve]


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "mlserver",
            ("mlserver==1.7.1", "mlserver-xgboost==1.7.1", "scikit-learn<1.6", "xgboost-cpu"),
            "/v2/health/ready",
            "/v2/models/bench/infer",
            _v2,
            _mlserver,
        ),
        Peer(
            "kserve",
            ("kserve==0.21.0", "xgboost-cpu", "scikit-learn"),
            "/v2/health/ready",
            "/v1/models/bench:predict",
            _v1,
            _kserve,
        ),
        Peer(
            "mlflow",
            ("mlflow==3.17.2", "xgboost-cpu", "scikit-learn"),
            "/ping",
            "/invocations",
            lambda rows: {"inputs": rows},
            _mlflow,
        ),
    )
}


def environment(peer: Peer, cache: Path) -> Path:
    """The bin folder of the peer's environment, made if it is not there. Raises `CalledProcessError`."""
    folder = cache / "envs" / peer.name
    done = folder / "packages.json"
    if not done.exists() or json.loads(done.read_text()) != list(peer.packages):
        print(f"installing {peer.name} into {folder} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *peer.packages], check=True)
        done.write_text(json.dumps(list(peer.packages)))
    return folder / "bin"
