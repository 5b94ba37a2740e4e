"""Load the weights of models that were saved when their modules had other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn


def accept_old_names(module: nn.Module, names: Mapping[str, str]) -> None:
    """Make `load_state_dict` of a module accept weights under their former names.

    Args:
        names: beginnings of former names, within the module, and what stands in their place now.
    """

    def rename(module: nn.Module, weights: dict[str, Any], prefix: str, *_: Any) -> None:
        for name in list(weights):
            for old, new in names.items():
                if name.startswith(prefix + old):
                    weights[prefix + new + name[len(prefix + old) :]] = weights.pop(name)

    module.register_load_state_dict_pre_hook(rename)
