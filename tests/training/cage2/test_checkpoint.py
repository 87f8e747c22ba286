"""Trained networks on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from training.cage2.checkpoint import build, read
from training.cage2.scenario import Variant
from training.cage2.settings import Blueprint
from training.checkpoint import save
from training.errors import PolicyError
from training.networks import ActorCritic

BLUEPRINT = Blueprint(scenario="generated-5", variant=Variant.REPAIRED, hidden=[8, 4])
PROVENANCE: dict[str, Any] = {"seed": 3, "red": ["B_line"], "share": 0.5, "note": None}


def equal(one: ActorCritic, other: ActorCritic) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "network.pt"


@pytest.fixture
def network(path: Path) -> ActorCritic:
    """A network that is saved at ``path``."""
    network = build(BLUEPRINT)
    save(path, network, BLUEPRINT, PROVENANCE)
    return network


def change(path: Path, make: Callable[[dict[str, Any]], object]) -> None:
    content = torch.load(path, weights_only=True)
    make(content)
    torch.save(content, path)


def refused(path: Path) -> str:
    with pytest.raises(PolicyError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message


def test_what_is_saved_is_read(path: Path, network: ActorCritic) -> None:
    again, blueprint, provenance = read(path)
    assert equal(again, network)
    assert (blueprint, provenance) == (BLUEPRINT, PROVENANCE)


def test_a_read_network_plays_like_the_saved_one(path: Path, network: ActorCritic) -> None:
    again, _, _ = read(path)
    obs = torch.rand(3, network.memory.num_features).round()
    state = torch.zeros(3, network.state_size)
    for one, other in zip(network(obs, state), again(obs, state), strict=True):
        assert torch.equal(one, other)


def test_a_host_wise_network_is_read(path: Path) -> None:
    blueprint = Blueprint(kind="hostwise", width=8, rounds=1)
    save(path, network := build(blueprint), blueprint, PROVENANCE)
    again, same, _ = read(path)
    assert equal(again, network)
    assert same == blueprint


def test_a_checkpoint_from_before_there_were_kinds_is_flat(
    path: Path, network: ActorCritic
) -> None:
    def forget(content: dict[str, Any]) -> None:
        for name in ("kind", "width", "rounds"):
            del content["blueprint"][name]

    change(path, forget)
    again, blueprint, _ = read(path)
    assert equal(again, network)
    assert blueprint == BLUEPRINT


def test_saving_leaves_the_checkpoint_alone_in_its_folder(path: Path, network: ActorCritic) -> None:
    assert [file.name for file in path.parent.iterdir()] == ["network.pt"]


def test_a_missing_file_is_named(path: Path) -> None:
    assert "no such file" in refused(path)


@pytest.mark.parametrize("content", [b"", b"no checkpoint\n", b"PK\x03\x04 no zip"])
def test_something_else_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path)


def test_a_folder_is_refused(path: Path) -> None:
    path.mkdir()
    refused(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_truncated_file_is_refused(path: Path, network: ActorCritic, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path)


@pytest.mark.parametrize(
    "other",
    [{"hidden": [8, 5]}, {"hidden": [8]}, {"scenario": "generated-20"}, {"kind": "hostwise"}],
)
def test_weights_of_another_size_are_refused(
    path: Path, network: ActorCritic, other: dict[str, Any]
) -> None:
    change(path, lambda content: content["blueprint"].update(other))
    refused(path)


@pytest.mark.parametrize(
    "other", [{"scenario": "nowhere"}, {"variant": "new"}, {"hidden": "wide"}, {"colour": "red"}]
)
def test_an_impossible_blueprint_is_refused(
    path: Path, network: ActorCritic, other: dict[str, Any]
) -> None:
    change(path, lambda content: content["blueprint"].update(other))
    refused(path)


@pytest.mark.parametrize("part", ["blueprint", "weights", "provenance"])
def test_a_checkpoint_without_a_part_is_refused(
    path: Path, network: ActorCritic, part: str
) -> None:
    change(path, lambda content: content.pop(part))
    refused(path)


def test_an_exception_while_writing_leaves_the_old_file(
    path: Path, network: ActorCritic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(content: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="no space"):
        save(path, build(BLUEPRINT), BLUEPRINT, {})
    monkeypatch.undo()
    again, _, provenance = read(path)
    assert equal(again, network)
    assert provenance == PROVENANCE
