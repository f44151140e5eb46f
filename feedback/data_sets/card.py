"""The dataset card of a folder: with it `datasets.load_dataset(folder)` knows the splits and the columns' types.

Form: Hugging Face Hub, "Dataset Cards"; the front matter is YAML, written as JSON, which is YAML too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from feedback.data_sets import columns

TASKS = {"sft": "SFTTrainer", "dpo": "DPOTrainer", "kto": "KTOTrainer", "reward": "RewardTrainer"}


def text(manifest: Mapping[str, Any], types: Mapping[str, str], kind: str) -> str:
    """The card of a data set. What a sender named stands in it as JSON, which no markup ends."""
    spec, splits = manifest["spec"], manifest["splits"]
    licences = {source["licence"] for source in manifest["sources"]}
    front = {
        "license": licences.pop() if len(licences) == 1 else "other",
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"data/{split}.{kind}"} for split in splits],
            }
        ],
        "dataset_info": {"features": columns.card_features(types)},
    }
    yaml = "\n".join(f"{name}: {json.dumps(value)}" for name, value in front.items())
    rows = "\n".join(f"| {split} | {told['rows']:,} | {_counts(told['classes'])} |" for split, told in splits.items())
    trainer = TASKS.get(spec["format"])
    return f"""---
{yaml}
---

# {spec["format"]} of {_code(spec["model"])}

Calls of tenant {_code(spec["tenant"])}{_named(spec)}, written by {manifest["tool"]}.
`manifest.json` says what it was made of, what was left out and why; `refs.jsonl` says where each row comes from.
Personal data was removed by rules, which find what they know: look before you share it.

| split | rows | classes |
|---|---|---|
{rows}

```python
data = datasets.load_dataset("{{folder}}"){f"  # for TRL's {trainer}" if trainer else ""}
```
""".replace("{folder}", "path/to/this/folder")


def _named(spec: Mapping[str, Any]) -> str:
    versions = ", ".join(map(_code, spec["versions"]))
    of_ticket = f", ticket {spec['ticket']}" if spec["ticket"] else ""
    return f"{f', versions {versions}' if versions else ''}{of_ticket}"


def _counts(classes: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in classes.items())


def _code(name: str) -> str:
    return f"`{' '.join(name.replace('`', chr(39)).split())}`"
