"""``sluice-train`` as a user drives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from agent.bundle import Bundle

ROOT = Path(__file__).parents[2]


def train(*arguments: str, code: str = "", hash_seed: int = 0) -> subprocess.CompletedProcess[str]:
    command = code or "from training.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", command, *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
    )  # fmt: skip


def test_playbook_writes_a_bundle_that_loads(samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "small.sluice"
    done = train(
        "playbook", str(samples / "scan.pcap"), str(samples / "page.pcap"), "--out", str(out),
        "--epochs", "2", "--hidden", "8", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    bundle = Bundle.load(out, (out.with_suffix(".pub").read_bytes(),))
    assert bundle.digest == result["sha256"]
    assert bundle.manifest.provenance["hidden"] == [8]


def test_the_same_seed_makes_the_same_network_in_every_process(
    samples: Path, tmp_path: Path
) -> None:
    networks = []
    for n in (1, 2):
        out = tmp_path / f"{n}.sluice"
        done = train(
            "playbook", str(samples / "scan.pcap"), str(samples / "beacon.pcap"),
            "--out", str(out), "--epochs", "2", hash_seed=n,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        networks.append(Bundle.load(out, (out.with_suffix(".pub").read_bytes(),)).onnx)
    assert networks[0] == networks[1]


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    done = train("playbook", str(tmp_path / "absent"))
    assert done.returncode == 1
    assert done.stderr.startswith("error:")
    assert "absent" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_torch_it_says_what_to_install(samples: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from training.cli import main; main()"
    done = train("playbook", str(samples / "scan.pcap"), code=code)
    assert done.returncode == 1
    assert "sluicegate[train]" in done.stderr


def test_without_a_tokeniser_it_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['tokenizers'] = None; from training.cli import main; main()"
    done = train("teacher", "train", str(tmp_path / "build"), code=code)
    assert done.returncode == 1
    assert "sluicegate[lm]" in done.stderr
    assert "Traceback" not in done.stderr
