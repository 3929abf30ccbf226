"""`shoal download`: a checkpoint from the Hugging Face Hub, with its licence, and again from where it broke off."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shoal.failures import Exit, Failure
from shoal.options import AsJson
from shoal.screen import note

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

DEFAULT = "fishaudio/openaudio-s1-mini"
# What a checkpoint directory holds; the rest of a repository are pictures and samples.
FILES = ["*.json", "*.pth", "*.tiktoken", "*.safetensors", "*.yaml", "LICENSE*", "README.md"]
GB = 1e9


def download(
    repository: Annotated[str, typer.Argument(help="Its name on the Hub.")] = DEFAULT,
    to: Annotated[Path | None, typer.Option("--to", help="Else checkpoints/NAME.", show_default=False)] = None,
    token: Annotated[str | None, typer.Option("--token", envvar="HF_TOKEN", help="Of an account.")] = None,
    revision: Annotated[str, typer.Option("--revision")] = "main",
    as_json: AsJson = False,
) -> None:
    """Download a checkpoint from the Hugging Face Hub; what is there already is kept."""
    if find_spec("huggingface_hub") is None:
        raise Failure("shoal download needs a package more: pip install huggingface-hub")
    folder = to or Path("checkpoints") / repository.rpartition("/")[2]
    info = _asked(repository, lambda: _info(repository, revision, token))
    size = _size(info)
    licence, page = _licence(info), _page(repository)
    if not as_json:
        note(f"{repository}: {size / GB:.2f} GB to {folder}. Licence: {licence}, see {page}")
    _check_space(folder, size)
    _asked(repository, lambda: _fetch(repository, str(info.sha), folder, token, quiet=as_json))
    if as_json:
        print(json.dumps({"repository": repository, "revision": info.sha, "folder": str(folder), "licence": licence}))
    else:
        note(f"Done. Serve it with: shoal serve --checkpoint {folder}")


def _info(repository: str, revision: str, token: str | None) -> ModelInfo:
    from huggingface_hub import HfApi

    return HfApi(token=token).model_info(repository, revision=revision, files_metadata=True)


def _fetch(repository: str, revision: str, folder: Path, token: str | None, quiet: bool) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if quiet:
        disable_progress_bars()
    return str(snapshot_download(repository, revision=revision, local_dir=folder, allow_patterns=FILES, token=token))


def _asked(repository: str, ask: Any) -> Any:
    """What the Hub answers, its refusals in words."""
    from huggingface_hub import errors

    page = _page(repository)
    try:
        return ask()
    except errors.GatedRepoError:
        raise Failure(
            f"{repository} is given to those who accepted its licence: log in at {page}, accept it there, make a token "
            "under Settings, Access Tokens, and give it with --token or HF_TOKEN.",
            Exit.REFUSED,
        ) from None
    except errors.RevisionNotFoundError:
        raise Failure(f"{repository} has no such revision.", Exit.REFUSED) from None
    except errors.RepositoryNotFoundError:
        raise Failure(
            f"The Hub has no {repository}, or shows it to some accounts only: check its name at {page}, and give the "
            "token of an account with --token or HF_TOKEN where it is private.",
            Exit.REFUSED,
        ) from None
    except errors.HFValidationError as error:
        raise Failure(f"{repository!r} is no repository's name, as in {DEFAULT}: {error}", Exit.USAGE) from None
    except Exception as error:  # of whatever kind the network raises
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Failure(f"The download broke off: {reason}. Run it again, and it goes on from there.") from None


def _size(info: ModelInfo) -> int:
    from fnmatch import fnmatch

    files = info.siblings or []
    return sum(file.size or 0 for file in files if any(fnmatch(file.rfilename, pattern) for pattern in FILES))


def _licence(info: ModelInfo) -> str:
    card: Any = info.card_data or {}
    return str(card.get("license_name") or card.get("license") or "unknown")


def _page(repository: str) -> str:
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{repository}"


def _check_space(folder: Path, size: int) -> None:
    there = next(parent for parent in (folder, *folder.resolve().parents) if parent.exists())
    held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
    if shutil.disk_usage(there).free < size - held:
        raise Failure(f"{folder} has no room for {size / GB:.2f} GB: choose another place with --to.")
