"""A user's model folder: in the layout of sentence-transformers, or an ONNX file beside a tokenizer.

<https://sbert.net/docs/package_reference/sentence_transformer/models.html> describes `modules.json` and what it names.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from memento.embedding.graph import Architecture
from memento.embedding.model_files import MAX_TOKENS, TOKENIZER, WEIGHTS, Pooling, Recipe
from memento.errors import ModelError

MAX_PASSAGE_TOKENS: Final = 512
"""Maximum tokens of a passage, whatever the model allows: a longer one says too much for one vector."""
_EXPORTS: Final = ("model.onnx", "onnx/model.onnx")
_POOLINGS: Final[dict[str, Pooling]] = {
    "mean_tokens": "mean", "cls_token": "cls", "max_tokens": "max", "mean": "mean", "cls": "cls", "max": "max",
}  # fmt: skip
_MODULES: Final = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, slots=True)
class SentenceFolder:
    """A model that is not installed yet."""

    folder: Path
    name: str
    recipe: Recipe
    export: Path | None
    """The ONNX file, where there is one."""
    architecture: Architecture | None
    """The shape of a BERT whose weights lie beside it as safetensors; None for any other."""
    checkpoint: bool
    """Whether sentence-transformers can load the folder."""

    @property
    def weights(self) -> Path:
        """The file whose hash identifies the model."""
        if self.export and not (self.folder / WEIGHTS).is_file():
            return self.export
        return self.folder / WEIGHTS


def read_folder(folder: Path) -> SentenceFolder:
    """Read a folder's configuration. Raises ModelError naming what is missing or not supported."""
    if not (folder / TOKENIZER).is_file():
        raise ModelError(
            f"{folder} holds no {TOKENIZER}: save the model with a current sentence-transformers, or name another one"
        )
    modules = [module["type"].rpartition(".")[2] for module in _json(folder, "modules.json") or ()]
    if strange := [kind for kind in modules if kind not in _MODULES]:
        raise ModelError(f"{folder} has a module {strange[0]}: Memento runs {', '.join(_MODULES)}")
    export = next((folder / name for name in _EXPORTS if (folder / name).is_file()), None)
    return SentenceFolder(
        folder,
        _name(folder),
        Recipe(_pooling(folder), _window(folder), *_prompts(folder)),
        export,
        _architecture(folder),
        bool(modules),
    )


def _json(folder: Path, name: str) -> Any:
    try:
        return json.loads((folder / name).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / name} cannot be read ({error})") from None


def _name(folder: Path) -> str:
    """Return the folder's name; in the hub's cache (`models--OWNER--NAME/snapshots/COMMIT`) the model's."""
    folder = folder.resolve()
    shown = folder.parent.parent.name.rpartition("--")[2] if folder.parent.name == "snapshots" else folder.name
    return re.sub(r"[^\w.-]+", "-", shown, flags=re.ASCII).strip("-.") or "model"


def _pooling(folder: Path) -> Pooling:
    """Return how token vectors are pooled; the mean by default."""
    config = _json(folder, "1_Pooling/config.json") or {}
    prefix = "pooling_mode_"
    chosen = [key.removeprefix(prefix) for key, on in config.items() if key.startswith(prefix) and on is True]
    if isinstance(config.get("pooling_mode"), str):
        chosen.append(config["pooling_mode"])
    found: set[Pooling | None] = {_POOLINGS.get(mode) for mode in chosen} or {"mean"}
    pooling = found.pop()
    if found or pooling is None:
        raise ModelError(f"{folder} pools by {', '.join(chosen)}: Memento knows mean, cls and max")
    return pooling


def _window(folder: Path) -> int:
    """Return the tokens of a passage: the smallest that the configuration names, at most MAX_PASSAGE_TOKENS."""
    named = [
        (_json(folder, "sentence_bert_config.json") or {}).get("max_seq_length"),
        (_json(folder, "tokenizer_config.json") or {}).get("model_max_length"),
        (_json(folder, "config.json") or {}).get("max_position_embeddings"),
    ]
    sizes = [int(size) for size in named if isinstance(size, int | float) and size >= 16]
    return min([*sizes, MAX_PASSAGE_TOKENS]) if sizes else MAX_TOKENS


def _prompts(folder: Path) -> tuple[str, str]:
    """Return the prompts for a query and a passage with which the model was trained."""
    prompts = (_json(folder, "config_sentence_transformers.json") or {}).get("prompts") or {}
    passage = next((prompts[name] for name in ("document", "passage", "corpus") if prompts.get(name)), "")
    return str(prompts.get("query") or ""), str(passage)


def _architecture(folder: Path) -> Architecture | None:
    """Return the shape of a BERT that `graph.build_graph` can build; None for anything else."""
    config = _json(folder, "config.json") or {}
    usual = config.get("hidden_act", "gelu") == "gelu"
    usual = usual and config.get("position_embedding_type", "absolute") == "absolute"
    if config.get("model_type") != "bert" or not usual or not (folder / WEIGHTS).is_file():
        return None
    try:
        layers, heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
    except (KeyError, TypeError, ValueError):
        return None
    return Architecture(layers, heads, float(config.get("layer_norm_eps", 1e-12)))
