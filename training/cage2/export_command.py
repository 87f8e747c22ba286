"""``sluice-train cage2 export``: a trained network's ONNX policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from agent.errors import OutputError


def export_command(
    checkpoint: Annotated[Path, typer.Argument(help="a network that train wrote")],
    policy: Annotated[Path, typer.Argument(metavar="POLICY.onnx", help="the file to write")],
    scenario: Annotated[
        str | None, typer.Option(help="network to defend, if another; for --kind hostwise")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Write a trained network as the ONNX policy that evaluate plays."""
    from training.cage2.checkpoint import on_scenario, read
    from training.cage2.policy_onnx import policy_onnx

    network, blueprint, provenance = read(checkpoint)
    if scenario is not None and scenario != blueprint.scenario:
        network, blueprint = on_scenario(network, blueprint, scenario)
    content = policy_onnx(network)
    try:
        policy.write_bytes(content)
    except OSError as error:
        raise OutputError(f"{policy}: cannot be written ({error.strerror})") from error
    result = {"policy": str(policy), "bytes": len(content), "provenance": provenance}
    result["blueprint"] = blueprint.model_dump(mode="json")
    print(json.dumps(result) if as_json else f"{policy}: {len(content):,} bytes")
