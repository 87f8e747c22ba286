"""``python -m training.gateway.study_run ORDER``: one run of a study, in a process of its own.

The order is a JSON object with ``folder``, ``plan``, ``held_out`` and ``cache``. What is done
already is left as it is: the run goes on where it was cut off, and is measured where it has not
been.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from training.gateway.policy import read
from training.gateway.settings import Plan
from training.gateway.study_measures import MEASURES, HeldOut, kept, measure, measured
from training.gateway.train import CHECKPOINT, train
from training.run import ended
from training.study_pool import carry_out, write_whole


def _run(folder: Path, order: dict[str, Any]) -> None:
    plan, cache = Plan.model_validate(order["plan"]), Path(order["cache"])
    held_out = [HeldOut.model_validate(each) for each in order["held_out"]]
    if not ended(folder, plan.model_dump(mode="json")):
        train(folder, plan, cache=cache)
    network = read(folder / CHECKPOINT)[0]
    known, done = kept(folder), measured(folder, held_out)
    for each in held_out:
        if each.name not in done:
            tree = measure(network, each, plan.rewards, cache).tree()
            known[each.name] = {"of": each.model_dump(mode="json"), **tree}
            write_whole(folder / MEASURES, json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(carry_out(sys.argv[1], _run))
