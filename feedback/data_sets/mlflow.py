"""A folder as MLflow takes it: artifacts to log, and the entity of the data set that a run is told it was trained with.

Form: MLflow 3, `mlflow.entities.Dataset` as JSON: `mlflow.log_artifacts(folder)` logs the folder, and
`MlflowClient.log_inputs(run, [DatasetInput(Dataset(**json))])` names it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from feedback.data_sets import columns

# MLflow's names of types.
_TYPES = {"string": "string", "bool": "boolean", "int64": "long", "float64": "double"}


def text(manifest: Mapping[str, Any], types: Mapping[str, str]) -> str:
    """`dataset.json`. The digest is that of the rows; the source is the folder, as seen from this file."""
    spec = manifest["spec"]
    rows = [entry for entry in manifest["files"] if entry["name"].startswith("data/")]
    entity = {
        "name": f"{spec['model']}-{spec['format']}",
        "digest": rows[0]["sha256"][:8],
        "source_type": "local",
        "source": json.dumps({"uri": "data"}),
        "schema": json.dumps({"mlflow_colspec": [_column(name, kind) for name, kind in types.items()]}),
        "profile": json.dumps({"num_rows": manifest["rows"], **manifest["classes"]}),
    }
    return json.dumps(entity, indent=2, ensure_ascii=False) + "\n"


def _column(name: str, kind: str) -> dict[str, Any]:
    inner = {"type": "any"}
    whole = {"type": "array", "items": inner} if kind == columns.JSONS else inner if kind == columns.JSON else None
    return {"name": name, "required": False, **(whole or {"type": _TYPES[kind]})}
