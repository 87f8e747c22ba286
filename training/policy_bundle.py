"""From a torch policy to a signed bundle, as `agent.bundle` loads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray
from torch import nn

from agent.bundle import MODEL_CARD, POLICY_ONNX, Bundle, write_bundle
from agent.decision import VERDICTS
from agent.observation import FEATURES, NAMES, SCHEMA_HASH
from training.onnx_export import to_onnx


def bundle(
    path: Path,
    model: nn.Module,
    *,
    name: str,
    kind: str,
    description: str,
    baseline: NDArray[np.float32],
    provenance: Mapping[str, object],
    model_card: str,
) -> Bundle:
    """Write ``path`` and its public key ``path.with_suffix('.pub')``.

    The key is made for this bundle and thrown away: whoever installs the bundle trusts the place
    that the public key came from, here the package itself.
    """
    onnx = to_onnx(model, {"obs": torch.zeros(1, len(FEATURES))}, ["logits"])
    key = Ed25519PrivateKey.generate()
    made = write_bundle(
        path,
        {
            "name": name,
            "kind": kind,
            "description": description,
            "schema_hash": SCHEMA_HASH,
            "verdicts": VERDICTS,
            "features": NAMES,
            "baseline": [float(x) for x in baseline],
            "provenance": dict(provenance),
        },
        {POLICY_ONNX: onnx, MODEL_CARD: model_card.encode()},
        key.private_bytes_raw(),
    )
    path.with_suffix(".pub").write_bytes(key.public_key().public_bytes_raw())
    return made
