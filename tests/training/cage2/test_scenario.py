"""Scenarios are data: they load, contradict themselves never, and generate the same each time."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.cage2.generate import MIN_HOSTS, generate
from training.cage2.scenario import MAX_HOSTS, Scenario, load
from training.errors import ScenarioError

OFFICIAL = load("official")


def test_the_official_scenario_has_the_contracts_sizes() -> None:
    assert len(OFFICIAL.hosts) == 13
    assert (OFFICIAL.num_features, OFFICIAL.num_actions) == (52, 145)
    assert OFFICIAL.names[0] == "Defender"
    assert OFFICIAL.names[-1] == "User4"


def test_distances_count_hops_to_the_server() -> None:
    assert dict(zip(OFFICIAL.names, OFFICIAL.distances(), strict=True)) == {
        **{"Op_Server0": 0, "Op_Host0": 1, "Op_Host1": 1, "Op_Host2": 1, "Enterprise2": 1},
        **{"Defender": 2, "Enterprise0": 2, "Enterprise1": 2},
        **{"User1": 3, "User2": 3, "User3": 3, "User4": 3, "User0": 4},
    }


@given(hosts=st.integers(MIN_HOSTS, MAX_HOSTS), seed=st.integers(0, 1000))
def test_generated_networks_have_the_official_shape(hosts: int, seed: int) -> None:
    scenario = generate(hosts, seed)
    assert len(scenario.hosts) == hosts
    assert scenario == generate(hosts, seed)
    reveals = {host.name: host.reveals for host in scenario.hosts}
    assert all(str(reveals[entry]).startswith("Enterprise") for entry in scenario.entries)
    assert reveals[scenario.pivot] == scenario.server
    assert scenario.hosts[scenario.index(scenario.server)].subnet == "Operational"
    assert scenario.hosts[scenario.index(scenario.foothold)].weight == 0


def test_a_generated_network_stays_what_it_is() -> None:
    # A policy trained on "generated-5" must find the same network tomorrow.
    images = [(host.name, host.image, host.reveals) for host in load("generated-5").hosts]
    assert images == [
        ("Enterprise0", "windows_server", None),
        ("Enterprise1", "windows_server", "Op_Server0"),
        ("Op_Server0", "linux_server", None),
        ("User0", "ftp_desktop", None),
        ("User1", "mail_desktop", "Enterprise0"),
    ]


def test_other_seeds_give_other_networks() -> None:
    assert load("generated-20-1").hosts != load("generated-20-2").hosts


def test_a_scenario_survives_json_and_can_be_loaded_from_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(load("generated-8").model_dump_json())
    assert load(str(path)) == load("generated-8")


@pytest.mark.parametrize("name", ["officious", "generated-4", "generated-32", "no/such.toml"])
def test_an_unknown_scenario_is_refused(name: str) -> None:
    with pytest.raises(ScenarioError, match=r"generated"):
        load(name)


WRONG = {
    "no host is named 'User9'": lambda data: data.update(pivot="User9"),
    "no subnet is named": lambda data: data["hosts"][0].update(subnet="Cellar"),
    "no image is named": lambda data: data["hosts"][0].update(image="toaster"),
    "two hosts have the same name": lambda data: data["hosts"][0].update(name="User0"),
    "multiples of 0.1": lambda data: data["hosts"][0].update(weight=0.25),
    "every entry must reveal": lambda data: data["hosts"][9].update(reveals=None),
    "hosts.0.weight": lambda data: data["hosts"][0].update(weight=-1),
    "Extra inputs": lambda data: data.update(hoists=[]),
    "not a port of the catalogue": lambda data: data["catalogue"]["decoys"][0].update(port=81),
    "at most 8": lambda data: data["catalogue"].update(ports=[*data["catalogue"]["ports"], 1, 2]),
    "needs no port": lambda data: data["catalogue"]["exploits"][0].update(needs=[]),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_scenario_that_contradicts_itself_is_refused_with_the_reason(
    tmp_path: Path, message: str
) -> None:
    data = json.loads(OFFICIAL.model_dump_json())
    WRONG[message](data)
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ScenarioError, match=message):
        load(str(path))


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("hosts = [")
    with pytest.raises(ScenarioError, match=r"wrong\.toml"):
        load(str(path))


def test_scenarios_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        OFFICIAL.name = "other"


def test_the_scenario_model_needs_at_least_three_hosts() -> None:
    data = json.loads(OFFICIAL.model_dump_json()) | {"hosts": []}
    with pytest.raises(ValueError, match="at least 3"):
        Scenario.model_validate(data)
