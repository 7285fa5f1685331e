"""`--format safetensors`: a folder in the layout of the Hugging Face Hub, which `timm.create_model("local-dir:PATH")` loads.

config.json is timm's (`timm/models/_hub.py`): architecture, number of features, `model_args`, and the preprocessing.
"""

from __future__ import annotations

import json
from pathlib import Path

import timm
from safetensors.torch import save_file

from graphssl.export.card import card
from graphssl.export.plain import plain
from graphssl.export.source import Source
from graphssl.runtime.errors import RunError
from graphssl.views import draw


def write(source: Source, folder: Path, name: str) -> list[str]:
    """model.safetensors, config.json, README.md, method.yaml, method.svg in the folder `name`; what to tell.

    Where timm makes the model by its name and arguments alone, it is made of the folder and compared to the bit.
    """
    target, encoder = folder / name, plain(source)
    target.mkdir()
    save_file(encoder.state, target / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architecture": encoder.arch.partition(".")[0],
        "num_classes": 0,
        "num_features": source.encoder.backbone.num_features,
        "model_args": dict(encoder.arguments),
        "pretrained_cfg": {"num_classes": 0, "custom_load": False, **source.preprocessing},
    }
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (target / "method.yaml").write_text(source.method.text())
    draw(source.method).save(str(target / "method.svg"))
    (target / "README.md").write_text(card(encoder))
    if encoder.by_name:
        model = timm.create_model(f"local-dir:{target}", pretrained=True)
    else:
        model = encoder.build()
        timm.models.load_checkpoint(model, str(target / "model.safetensors"))  # type: ignore[attr-defined]
    encoder.require_same(model)
    return [f"{len(encoder.state)} tensors of {encoder.arch}, features equal to the bit", *encoder.remarks()]


def push(folder: Path, repository: str) -> str:
    """Upload a folder to the Hugging Face Hub, as a new private repository where there is none; its address.

    Raises:
        RunError: huggingface_hub is missing, nobody is logged in, or the Hub refuses.
    """
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError:
        raise RunError("--push needs huggingface_hub: pip install huggingface_hub") from None
    try:
        hub = HfApi()
        hub.create_repo(repository, private=True, exist_ok=True)
        return str(hub.upload_folder(repo_id=repository, folder_path=str(folder)))
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RunError(f"`{folder}` is written, but could not be pushed to `{repository}`: {words}") from None
