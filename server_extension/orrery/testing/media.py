"""A runtime for pictures, sounds and series: four small models that really learn or measure, in numpy.

For tests, and as an example of a runtime that comes from another distribution: `install` writes one into a folder, and
whoever has that folder on `PYTHONPATH` has the runtime.
"""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import orjson

from orrery.serving.package import METADATA_FILE, ModelMetadata, read_metadata
from orrery.serving.runtimes import Array, Explanation, NotSupported, Prediction

RUNTIME: Final = "testing-media"
SIDE: Final = 8
#: how many values a forecast looks back and ahead
LAGS, AHEAD = 12, 24
#: between a low and a high tone
MIDDLE_HERTZ: Final = 600.0


class MediaRuntime:
    """What a column holds decides with its task what is done."""

    def __init__(self, metadata: ModelMetadata, arrays: Mapping[str, Array]) -> None:
        self.metadata = metadata
        self._arrays = arrays

    def predict(self, columns: Mapping[str, Array]) -> Prediction:
        (values,) = columns.values()
        match self.metadata.task:
            case "image_classification":
                return self._classes(np.array([_pixels(value) for value in values]) @ self._arrays["weights"])
            case "audio_classification":
                height = np.log(np.array([_pitch(value) for value in values]) / MIDDLE_HERTZ) * 4
                return self._classes(np.column_stack([-height, height]) / 2)
            case "object_detection":
                return Prediction(_objects([find_spots(value) for value in values]))
            case _:
                return Prediction(_objects([self._forecast(value) for value in values]))

    def explain(self, columns: Mapping[str, Array]) -> Explanation:
        raise NotSupported("a model of pictures, sounds or series explains nothing here")

    def _classes(self, scores: Array) -> Prediction:
        exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities = exponents / exponents.sum(axis=1, keepdims=True)
        classes = np.array(self.metadata.classes, dtype=object)
        return Prediction(classes[probabilities.argmax(axis=1)], probabilities)

    def _forecast(self, series: Array) -> list[float]:
        """Each value from those before it."""
        values = [0.0] * LAGS + [float(value) for value in np.nan_to_num(series)]
        for _ in range(AHEAD):
            values.append(float(np.dot([*values[-LAGS:], 1.0], self._arrays["weights"])))
        return [round(value, 3) for value in values[-AHEAD:]]


def _objects(values: list[Any]) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _grey(content: bytes) -> Array:
    """(height, width), 0 to 1."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("L"), dtype=np.float64) / 255


def _pixels(content: bytes) -> Array:
    """A picture as small as the training's, flat, with a one at its end for the bias."""
    from PIL import Image

    small = Image.fromarray((_grey(content) * 255).astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.append(np.asarray(small, dtype=np.float64).ravel() / 255, 1.0)


def find_spots(content: bytes) -> list[dict[str, Any]]:
    """Bright areas of a picture with their boxes, the largest first; the score is how bright each is."""
    from scipy import ndimage  # pyright: ignore[reportMissingTypeStubs]

    grey = _grey(content)
    areas = cast("Any", ndimage)
    labels, _ = cast("tuple[Array, int]", areas.label(grey > 0.5))
    found: list[dict[str, Any]] = []
    for place, (rows, columns) in enumerate(cast("list[tuple[slice, slice]]", areas.find_objects(labels)), start=1):
        box = {"xmin": columns.start, "ymin": rows.start, "xmax": columns.stop, "ymax": rows.stop}
        score = float(grey[labels == place].mean())
        found.append({"label": "spot", "score": round(score, 4), "box": box})
    return sorted(found, key=lambda one: -_area(one["box"]))


def _area(box: Mapping[str, int]) -> int:
    return (box["xmax"] - box["xmin"]) * (box["ymax"] - box["ymin"])


def _pitch(content: bytes) -> float:
    """The strongest frequency of a WAV file with 16 bits a sample."""
    with wave.open(io.BytesIO(content)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2").astype(np.float64)
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
        return float(max(1, spectrum.argmax()) * sound.getframerate() / len(samples))


def load(folder: Path) -> MediaRuntime:
    metadata = read_metadata(folder)
    with np.load(folder / metadata.files["model"]) as arrays:
        return MediaRuntime(metadata, dict(arrays))


# making them


def digit(place: int, side: int = 96) -> bytes:
    """A handwritten digit of scikit-learn's as a PNG."""
    from sklearn.datasets import load_digits  # pyright: ignore[reportMissingTypeStubs]

    image = cast("Array", cast("Any", load_digits)().images[place])
    return _png(np.kron(image * 15.9, np.ones((side // SIDE, side // SIDE))))


def spots() -> bytes:
    """A dark PNG, 120 by 80, with two bright rectangles: (10, 20) to (40, 50), and (70, 30) to (110, 70)."""
    picture = np.zeros((80, 120))
    picture[20:50, 10:40], picture[30:70, 70:110] = 255, 200
    return _png(picture)


def _png(grey: Array) -> bytes:
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(written, "PNG")
    return written.getvalue()


def tone(hertz: float, seconds: float = 0.3, rate: int = 8000) -> bytes:
    """A WAV file."""
    times = np.arange(int(seconds * rate)) / rate
    written = io.BytesIO()
    with wave.open(written, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes((np.sin(2 * np.pi * hertz * times) * 20_000).astype("<i2").tobytes())
    return written.getvalue()


def season(length: int = 48) -> list[float]:
    """A year's rhythm, twelve values a turn, on a level."""
    return [round(20 + 8 * float(np.sin(2 * np.pi * place / 12)), 3) for place in range(length)]


def save_digits(folder: Path) -> Path:
    """Logistic regression that reads digits."""
    from sklearn.datasets import load_digits  # pyright: ignore[reportMissingTypeStubs]
    from sklearn.linear_model import LogisticRegression  # pyright: ignore[reportMissingTypeStubs]

    images, digits = cast("tuple[Array, Array]", load_digits(return_X_y=True))
    model = cast("Any", LogisticRegression(C=1000, max_iter=2000)).fit(images / 16, digits)
    weights = np.vstack([model.coef_.T, model.intercept_])
    classes = [str(value) for value in range(10)]
    return _save(folder, "image_classification", "image", _b64(digit(3)), weights, classes)


def save_tones(folder: Path) -> Path:
    return _save(folder, "audio_classification", "audio", _b64(tone(440)), np.zeros(1), ["low", "high"])


def save_spots(folder: Path) -> Path:
    return _save(folder, "object_detection", "image", _b64(spots()), np.zeros(1))


def save_forecast(folder: Path) -> Path:
    """Autoregression, its weights by least squares over a seasonal series with a little noise."""
    noisy = np.array(season(240)) + np.random.default_rng(0).normal(0, 0.05, 240)
    rows = np.array([[*noisy[at - LAGS : at], 1.0] for at in range(LAGS, len(noisy))])
    weights = np.linalg.lstsq(rows, noisy[LAGS:], rcond=None)[0]
    return _save(folder, "forecasting", "series", season(), weights)


def _b64(content: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(content).decode()}


def _save(
    folder: Path, task: str, kind: str, example: object, weights: Array, classes: list[str] | None = None
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    outputs: list[dict[str, object]] = [{"name": "prediction", "datatype": "BYTES"}]
    if classes is not None:
        outputs.append({"name": "probabilities", "datatype": "FP64", "shape": [-1, len(classes)]})
    metadata = {
        "format": 1,
        "name": task,
        "framework": "numpy",
        "framework_version": np.__version__,
        "runtime": RUNTIME,
        "task": task,
        "inputs": [{"name": kind, "kind": kind, "nullable": False}],
        "outputs": outputs,
        "classes": classes,
        "example": {"instances": [{kind: example}]},
        "files": {"model": "model.npz"},
    }
    np.savez(folder / "model.npz", weights=weights)
    (folder / METADATA_FILE).write_bytes(orjson.dumps(metadata))
    return folder


def install(folder: Path) -> Path:
    """A distribution that brings this runtime, to be put on `PYTHONPATH`."""
    written = folder / "testing_media-1.0.dist-info"
    written.mkdir(parents=True, exist_ok=True)
    (written / "METADATA").write_text("Metadata-Version: 2.1\nName: testing-media\nVersion: 1.0\n")
    (written / "entry_points.txt").write_text(f"[orrery.runtimes]\n{RUNTIME} = {__name__}:load\n")
    return folder
