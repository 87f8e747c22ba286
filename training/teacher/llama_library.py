"""The llama.cpp library: loaded once, waiting without spinning, its log taken over."""

from __future__ import annotations

import logging
import os
from collections import deque
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Final

from training.errors import TeacherError

_ERROR: Final = 4  # ggml's number of the level

_log = logging.getLogger(__name__)
_errors: deque[str] = deque(maxlen=8)  # of the library, the latest
_callbacks: list[object] = []  # the library crashes if the one that it calls is collected


@cache
def library() -> ModuleType:
    """The library's functions.

    Raises:
        TeacherError: it is not installed, or cannot be loaded.
    """
    # OpenMP reads this when it is loaded. Threads that spin while they wait for each other on busy
    # cores make evaluation twenty times as slow.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        lib = import_module("llama_cpp")
    except (ImportError, OSError, RuntimeError) as error:
        raise TeacherError(
            f"no llama.cpp here ({error}): pip install 'sluicegate[teacher]'"
        ) from error
    _callbacks.append(lib.llama_log_callback(_listen))
    lib.llama_log_set(_callbacks[-1], None)
    lib.llama_backend_init()
    return lib


def said() -> str:
    """What the library said was wrong, since this was last asked."""
    first = _errors[0] if _errors else "it did not say why"  # what follows is consequences
    _errors.clear()
    return first


def _listen(level: int, text: bytes, _: object) -> None:
    """Keep errors, for the message of what fails; the rest is for those who debug."""
    line = text.decode(errors="replace").strip()
    if level == _ERROR:
        _errors.append(line)
    if line:
        _log.debug("llama.cpp: %s", line)
