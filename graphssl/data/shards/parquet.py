"""Parquet files of images as Hugging Face writes them: a column of `{bytes, path}`, and perhaps one of class numbers.

The schema's `huggingface` words say which columns are an Image and a ClassLabel; without them, the first column of that form, and `label`.
"""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from graphssl.data.decode import extension_of
from graphssl.data.errors import BadShard, DataError
from graphssl.data.layout import numbered
from graphssl.data.tar import add_member

MAGIC = b"PAR1"
_ROWS = 64  # that are in memory at once


@dataclass(frozen=True)
class Columns:
    """Which column holds images, which labels ("": none), and what the classes are called."""

    image: str
    label: str
    classes: tuple[str, ...]


def columns_of(schema: pa.Schema, name: str) -> Columns:
    """Raises DataError where no column holds images."""
    features = _features(schema)
    kinds = {column: feature.get("_type") for column, feature in features.items() if isinstance(feature, dict)}
    structs = [
        field.name for field in schema if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
    ]
    images = [column for column, kind in kinds.items() if kind == "Image"] or structs
    if not images:
        raise DataError(f"`{name}` has no column of images (`{{bytes, path}}`); it has {', '.join(schema.names)}")
    labels = [column for column, kind in kinds.items() if kind == "ClassLabel"]
    labels += [word for word in ("label",) if word in schema.names and pa.types.is_integer(schema.field(word).type)]
    label = labels[0] if labels else ""
    classes = features[label].get("names") or () if label in features else ()
    return Columns(images[0], label, tuple(classes))


def unpack_parquet(file: Path, out: IO[bytes], name: str) -> None:
    """Write the rows as a tar: member 17.jpg is the image of row 17, 17.cls its label. Raises `BadShard` where it is damaged."""
    try:
        with pq.ParquetFile(file) as opened, tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            columns, row = columns_of(opened.schema_arrow, name), 0
            wanted = [column for column in (columns.image, columns.label) if column]
            for batch in opened.iter_batches(_ROWS, columns=wanted):
                for record in batch.to_pylist():
                    _add(tar, row, (record[columns.image] or {}).get("bytes") or b"", record.get(columns.label))
                    row += 1
    except pa.ArrowException as error:
        raise BadShard(f"the shard `{name}` cannot be read as Parquet: {error}; is the file complete?") from None


def _add(tar: tarfile.TarFile, row: int, image: bytes, label: int | None) -> None:
    """A row without an image is an empty member, so that the others keep their numbers."""
    add_member(tar, f"{row}{extension_of(image) or '.jpg'}", image)
    if label is not None and label >= 0:
        add_member(tar, f"{row}.cls", str(label).encode())


def _numbered(metadata: Any, label: str) -> tuple[str, ...]:
    """Classes called by their numbers, as many as the statistics of a column say that it uses."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    found = [chunk.statistics for chunk in chunks if chunk.path_in_schema == label and chunk.statistics]
    return numbered(max((each.max for each in found if each.has_min_max), default=-1), label)


def _features(schema: pa.Schema) -> dict[str, Any]:
    words = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        found = json.loads(words).get("info", {}).get("features", {})
    except (ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def footer(stream: IO[bytes] | io.IOBase, name: str) -> tuple[int, Columns]:
    """Number of rows, and columns; classes without names are called by their numbers. Raises `BadShard` where it is no whole Parquet file."""
    try:
        with pq.ParquetFile(stream) as opened:
            columns = columns_of(opened.schema_arrow, name)
            if columns.label and not columns.classes:
                columns = replace(columns, classes=_numbered(opened.metadata, columns.label))
            return opened.metadata.num_rows, columns
    except pa.ArrowException as error:
        raise BadShard(f"the shard `{name}` cannot be read as Parquet: {error}; is the file complete?") from None
