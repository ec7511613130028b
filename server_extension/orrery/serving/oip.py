"""The Open Inference Protocol (KServe V2): tensors in, tensors out, as JSON or with the binary tensor extension.

A request gives either one tensor a column, named as the column and of shape [n] or [n, 1], or one tensor of shape
[n, n_columns] with all columns of a purely numeric model in their order, under any name.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import orjson

from orrery.serving.http.messages import HttpError
from orrery.serving.package import Column, ModelMetadata
from orrery.serving.schema import InputSchema, Row
from orrery.serving.v1 import parse_json

if TYPE_CHECKING:
    from orrery.serving.runtimes import Array, Prediction

DTYPES: Final = {
    "BOOL": "?",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
_ACCEPTED: Final = {
    "number": frozenset(DTYPES) - {"BOOL"},
    "category": frozenset({"BYTES", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}),
    "boolean": frozenset({"BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}),
}


@dataclass(frozen=True)
class Tensor:
    name: str
    shape: tuple[int, ...]
    datatype: str
    #: flat, row-major: Python values from JSON, or an array from the binary extension
    data: list[object] | Array


@dataclass(frozen=True)
class WantedOutput:
    name: str
    binary: bool


@dataclass(frozen=True)
class OipRequest:
    id: str | None
    parameters: dict[str, object]
    n_rows: int
    rows: list[Row] | None
    columns: dict[str, Array] | None
    outputs: list[WantedOutput] | None
    binary_by_default: bool


def parse_request(body: bytes, header_length: int | None, schema: InputSchema) -> OipRequest:
    """`header_length`: the value of `Inference-Header-Content-Length`, None without it. Raises `HttpError` 400."""
    binary = b""
    if header_length is not None:
        if not 0 <= header_length <= len(body):
            raise _bad(f"Inference-Header-Content-Length is {header_length}, the body has {len(body)} bytes")
        body, binary = body[:header_length], body[header_length:]
    document = parse_json(body)
    request_id = document.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise _bad(f"id is {request_id!r}; it must be a string")
    parameters = _mapping(document.get("parameters"), "parameters")
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise _bad('\'inputs\' must be a list of tensors: {"name", "shape", "datatype", "data"}')
    tensors: list[Tensor] = []
    for i, item in enumerate(cast("list[object]", inputs)):
        tensor, binary = _tensor(_mapping(item, f"inputs[{i}]"), i, binary)
        tensors.append(tensor)
    if binary:
        raise _bad(f"{len(binary)} bytes follow the last tensor; the sizes do not add up to the body's length")
    n_rows, rows, columns = _arrange(tensors, schema)
    return OipRequest(
        id=request_id,
        parameters={k: v for k, v in parameters.items() if k != "binary_data_output"},
        n_rows=n_rows,
        rows=rows,
        columns=columns,
        outputs=_wanted(document.get("outputs")),
        binary_by_default=parameters.get("binary_data_output") is True,
    )


def _wanted(outputs: object) -> list[WantedOutput] | None:
    if outputs is None:
        return None
    if not isinstance(outputs, list):
        raise _bad("'outputs' must be a list of {\"name\"}")
    wanted: list[WantedOutput] = []
    for i, item in enumerate(cast("list[object]", outputs)):
        output = _mapping(item, f"outputs[{i}]")
        name = output.get("name")
        if not isinstance(name, str):
            raise _bad(f"outputs[{i}].name is {name!r}; it must be a string")
        parameters = _mapping(output.get("parameters"), f"outputs[{i}].parameters")
        wanted.append(WantedOutput(name, parameters.get("binary_data") is True))
    return wanted or None


def _tensor(item: dict[str, object], index: int, binary: bytes) -> tuple[Tensor, bytes]:
    name, datatype, shape = item.get("name"), item.get("datatype"), item.get("shape")
    if not isinstance(name, str):
        raise _bad(f"inputs[{index}].name is {name!r}; it must be a string")
    if datatype != "BYTES" and datatype not in DTYPES:
        raise _bad(f"tensor {name!r}: datatype is {datatype!r}; use one of {', '.join((*DTYPES, 'BYTES'))}")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in cast("list[object]", shape)):
        raise _bad(f"tensor {name!r}: shape is {shape!r}; it must be a list of sizes")
    sizes = tuple(cast("list[int]", shape))
    count = 1
    for size in sizes:
        count *= size
    parameters = _mapping(item.get("parameters"), f"tensor {name!r}: parameters")
    binary_size = parameters.get("binary_data_size")
    if binary_size is not None:
        if type(binary_size) is not int or not 0 <= binary_size <= len(binary):
            raise _bad(
                f"tensor {name!r}: binary_data_size is {binary_size!r}, {len(binary)} bytes are left of the body"
            )
        array = _from_binary(name, str(datatype), count, binary[:binary_size])
        return Tensor(name, sizes, str(datatype), array), binary[binary_size:]
    data = item.get("data")
    if not isinstance(data, list):
        raise _bad(f"tensor {name!r}: data is missing; it must be a list")
    flat = cast("list[object]", data)
    for _ in range(len(sizes) - 1):
        if not flat or not isinstance(flat[0], list):
            break
        if not all(isinstance(part, list) for part in flat):
            raise _bad(f"tensor {name!r}: data is nested unevenly")
        flat = list(chain.from_iterable(cast("list[list[object]]", flat)))
    if len(flat) != count:
        raise _bad(f"tensor {name!r}: shape {list(sizes)} means {count} values, data has {len(flat)}")
    return Tensor(name, sizes, str(datatype), flat), binary


def _from_binary(name: str, datatype: str, count: int, data: bytes) -> Array:
    if datatype == "BYTES":
        values: list[str] = []
        at = 0
        while at < len(data):
            if at + 4 > len(data):
                raise _bad(f"tensor {name!r}: a BYTES length is cut off at byte {at}")
            (size,) = struct.unpack_from("<I", data, at)
            if at + 4 + size > len(data):
                raise _bad(f"tensor {name!r}: the BYTES element at byte {at} is cut off")
            try:
                values.append(data[at + 4 : at + 4 + size].decode())
            except UnicodeDecodeError:
                raise _bad(f"tensor {name!r}: the BYTES element at byte {at} is not UTF-8") from None
            at += 4 + size
        if len(values) != count:
            raise _bad(f"tensor {name!r}: the shape means {count} values, the binary data holds {len(values)}")
        array = np.empty(count, dtype=object)
        array[:] = values
        return array
    dtype = np.dtype(DTYPES[datatype])
    if len(data) != count * dtype.itemsize:
        raise _bad(f"tensor {name!r}: the shape means {count * dtype.itemsize} bytes, binary_data_size is {len(data)}")
    return cast("Array", np.frombuffer(data, dtype))


def _arrange(tensors: list[Tensor], schema: InputSchema) -> tuple[int, list[Row] | None, dict[str, Array] | None]:
    first = tensors[0]
    if len(tensors) == 1 and (first.name not in schema.names or (len(first.shape) == 2 and first.shape[1] != 1)):
        return _from_matrix(first, schema)
    given: dict[str, Tensor] = {}
    n_rows = -1
    for tensor in tensors:
        if tensor.name in schema.ignored:
            continue
        if tensor.name not in schema.names:
            raise schema.unknown_column(tensor.name, "the request")
        if tensor.name in given:
            raise _bad(f"tensor {tensor.name!r} is given twice")
        if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ((), (1,)):
            raise _bad(f"tensor {tensor.name!r}: shape is {list(tensor.shape)}; a column has shape [n] or [n, 1]")
        if n_rows not in (-1, tensor.shape[0]):
            raise _bad(f"tensor {tensor.name!r} has {tensor.shape[0]} rows, tensor {first.name!r} has {n_rows}")
        n_rows = tensor.shape[0]
        given[tensor.name] = tensor
    if n_rows <= 0:
        raise _bad("the tensors have no rows; send at least one")
    for column in schema.columns:
        tensor = given.get(column.name)
        if tensor is None:
            if not column.nullable:
                raise _bad(f"tensor {column.name!r} is missing, and the model needs it; add it", column=column.name)
        else:
            _check_datatype(tensor, column)
    if all(isinstance(tensor.data, list) for tensor in given.values()):
        nothing: list[object] = [None] * n_rows
        data = [cast("list[object]", given[name].data) if name in given else nothing for name in schema.names]
        rows = [schema.check_row(i, list(values)) for i, values in enumerate(zip(*data, strict=True))]
        return n_rows, rows, None
    columns = {
        column.name: _column_array(given.get(column.name), column, i, n_rows, schema)
        for i, column in enumerate(schema.columns)
    }
    return n_rows, None, columns


def _column_array(tensor: Tensor | None, column: Column, index: int, n_rows: int, schema: InputSchema) -> Array:
    if tensor is None:
        return schema.column_from_values(index, [None] * n_rows)
    if isinstance(tensor.data, list):
        return schema.column_from_values(index, tensor.data)
    return schema.column_from_array(column, tensor.data)


def _from_matrix(tensor: Tensor, schema: InputSchema) -> tuple[int, list[Row] | None, dict[str, Array] | None]:
    width = schema.width
    shape = (*tensor.shape, 1) if width == 1 and len(tensor.shape) == 1 else tensor.shape
    if tensor.name not in schema.names and len(shape) == 1:
        raise schema.unknown_column(tensor.name, "the request")
    if len(shape) != 2 or shape[1] != width:
        raise _bad(
            f"tensor {tensor.name!r}: shape is {list(tensor.shape)}; one tensor for all columns has shape [n, {width}]"
        )
    for column in schema.columns:
        if column.kind not in ("number", "boolean"):
            held = "categories" if column.kind == "category" else f"values of kind {column.kind}"
            message = f"column {column.name!r} holds {held}: send one tensor for each column, this one as BYTES"
            raise _bad(message, column=column.name)
        _check_datatype(tensor, column)
    n_rows = shape[0]
    if n_rows == 0:
        raise _bad("the tensor has no rows; send at least one")
    if isinstance(tensor.data, list):
        data = tensor.data
        return n_rows, [schema.check_row(i, data[i * width : (i + 1) * width]) for i in range(n_rows)], None
    matrix = tensor.data.reshape(n_rows, width)
    return n_rows, None, {c.name: schema.column_from_array(c, matrix[:, i]) for i, c in enumerate(schema.columns)}


def _check_datatype(tensor: Tensor, column: Column) -> None:
    accepted = _ACCEPTED.get(column.kind, _ACCEPTED["category"])
    if tensor.datatype not in accepted:
        raise _bad(
            f"tensor {tensor.name!r}: datatype is {tensor.datatype}, column {column.name!r} takes {column.datatype}",
            column=column.name,
        )


def encode_response(
    request: OipRequest, prediction: Prediction, metadata: ModelMetadata, name: str, version: str
) -> tuple[bytes, int | None]:
    """The body, and the length of its JSON part where binary data follows. Raises `HttpError` 400."""
    arrays: dict[str, tuple[str, Array]] = {}
    for output in metadata.outputs:
        if output.name == "probabilities":
            if prediction.probabilities is not None:
                arrays[output.name] = (output.datatype, prediction.probabilities)
        else:
            arrays[output.name] = (output.datatype, prediction.labels_or_values)
    wanted = request.outputs or [WantedOutput(name, False) for name in arrays]
    blobs: list[bytes] = []
    outputs: list[dict[str, object]] = []
    for output in wanted:
        if output.name not in arrays:
            raise _bad(f"output {output.name!r} is not known; the model gives {', '.join(arrays)}")
        datatype, array = arrays[output.name]
        item: dict[str, object] = {"name": output.name, "shape": list(array.shape), "datatype": datatype}
        if output.binary or request.binary_by_default:
            blob = _to_binary(datatype, array)
            blobs.append(blob)
            item["parameters"] = {"binary_data_size": len(blob)}
        else:
            item["data"] = _to_values(datatype, array)
        outputs.append(item)
    document: dict[str, object] = {"model_name": name, "model_version": version, "outputs": outputs}
    if request.id is not None:
        document["id"] = request.id
    if request.parameters:
        document["parameters"] = request.parameters
    head = orjson.dumps(document)
    return (head + b"".join(blobs), len(head)) if blobs else (head, None)


def _to_values(datatype: str, array: Array) -> list[Any]:
    values = array.ravel().tolist()
    return [str(value) for value in values] if datatype == "BYTES" else values


def _to_binary(datatype: str, array: Array) -> bytes:
    if datatype == "BYTES":
        encoded = [str(value).encode() for value in array.ravel().tolist()]
        return b"".join(struct.pack("<I", len(value)) + value for value in encoded)
    return array.astype(DTYPES[datatype]).tobytes()


def _mapping(value: object, where: str) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _bad(f"{where} must be an object")
    return cast("dict[str, object]", value)


def _bad(message: str, **details: object) -> HttpError:
    return HttpError(400, "bad_tensor", message, details=details)
