"""`hf:owner/name@revision`, or a folder, to a folder on this machine; what is fetched stays in the hub's cache."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

LAYOUTS = (
    ("config.yaml", ("model.safetensors",)),  # our own model folders
    ("hyperparams.yaml", ("generator.ckpt",)),  # SpeechBrain
    ("config.json", ("generator*", "g_*", "model.safetensors", "pytorch_model.bin")),  # the original; transformers
)
"""A description, and names that its weights may have, the first first."""

NO_WEIGHTS = (".json", ".md", ".py", ".txt", ".yaml", ".yml")


class HubError(ValueError):
    """A model that cannot be fetched or read; the message says why."""


def is_remote(source: str | Path) -> bool:
    """Return True if a source is on the hub."""
    return str(source).startswith("hf:")


def vocoder_files(names: Iterable[str], source: str | Path) -> tuple[str, str]:
    """Return the names of the description and the weights among file names; of several checkpoints, the last.

    Raises:
        HubError: they hold no vocoder of a known layout.
    """
    here = sorted(names)
    for description, patterns in LAYOUTS:
        if description in here:
            for pattern in patterns:
                found = [name for name in fnmatch.filter(here, pattern) if not name.endswith(NO_WEIGHTS)]
                if found:
                    return description, found[-1]
    known = "; ".join(f"{description} and {' or '.join(patterns)}" for description, patterns in LAYOUTS)
    raise HubError(f"{source} holds no vocoder, which is one of these pairs of files: {known}")


def folder_of(
    source: str | Path,
    offline: bool = False,
    wanted: Callable[[Iterable[str], str | Path], Sequence[str]] = vocoder_files,
) -> Path:
    """Return the folder of a source, fetched if it is not on this computer.

    Args:
        source: a folder, or `hf:owner/name` with `@` and a branch, tag or commit if not the newest is wanted.
        wanted: returns the names of the files that are needed, of all in the repository; those of a vocoder by default.
        offline: take it from the cache and open no connection. So does the environment's HF_HUB_OFFLINE=1.

    Raises:
        HubError: no such folder, repository, revision or files; the hub cannot be reached; nothing is in the cache.
    """
    if not is_remote(source):
        if Path(source).is_dir():
            return Path(source)
        raise HubError(f"there is no folder {source}; a model on the hub is called hf:owner/name")
    match = re.fullmatch(r"hf:(\w[\w.-]*/\w[\w.-]*)(?:@([^@\s]+))?", str(source))
    if not match:
        raise HubError(f"{source} should look like hf:owner/name or hf:owner/name@revision")
    from huggingface_hub import constants

    repo, revision = match.groups()
    if offline or constants.HF_HUB_OFFLINE:
        return _cached(repo, revision)
    return _fetched(repo, revision, wanted)


def _cached(repo: str, revision: str | None) -> Path:
    from huggingface_hub import try_to_load_from_cache

    for description, _ in LAYOUTS:
        path = try_to_load_from_cache(repo, description, revision=revision)
        if isinstance(path, str):
            return Path(path).parent
    wanted = f"{repo}@{revision}" if revision else repo
    raise HubError(f"hf:{wanted} is not in the cache; fetch it once without --offline or HF_HUB_OFFLINE")


def _fetched(repo: str, revision: str | None, wanted: Callable[[Iterable[str], str | Path], Sequence[str]]) -> Path:
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    source = f"hf:{repo}@{revision}" if revision else f"hf:{repo}"
    try:
        siblings: Any = HfApi().model_info(repo, revision=revision).siblings or ()
        files = wanted((file.rfilename for file in siblings), source)
        paths = [hf_hub_download(repo, name, revision=revision) for name in files]
    except HubError:
        raise
    except RevisionNotFoundError:
        raise HubError(f"the hub has no revision {revision} of {repo}; its page lists branches and tags") from None
    except GatedRepoError:
        raise HubError(f"{source} asks for consent: give it on its page, then run `hf auth login`") from None
    except RepositoryNotFoundError:
        raise HubError(f"the hub has no public model {repo}; is its name right?") from None
    except Exception as error:  # of whatever HTTP client the hub's package is built on
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        raise HubError(
            f"cannot fetch {source} ({cause}); look at your connection, or take what was fetched before by --offline"
        ) from None
    return Path(paths[0]).parent
