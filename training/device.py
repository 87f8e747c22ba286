"""Which device torch computes on."""

from __future__ import annotations

import torch

from training.errors import DeviceMissing


def pick(name: str) -> torch.device:
    """The device of that name.

    Raises:
        DeviceMissing: torch knows no such device, or has none here.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
        torch.Generator(device)  # without one a device is of no use to us
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DeviceMissing(
            f"device {name!r}: {reason}; say cpu, or install a torch with it"
        ) from None
    return device
