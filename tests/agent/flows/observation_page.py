"""The table of features: ``python -m tests.agent.flows.observation_page`` writes its page again."""

from __future__ import annotations

from pathlib import Path

from agent.observation import FEATURES, LOG_SCALE, SCHEMA_HASH

PAGE = Path(__file__).parents[3] / "docs" / "observation.md"

_TEXT = f"""# Observation v1

What a policy sees of a flow at a decision point: {len(FEATURES)} float32 in this order. Declared
in `agent/observation.py`, computed in `agent/flows/observer.py`. Schema `{SCHEMA_HASH}`: a policy
bundle carries this hash, and an agent whose observations have another one refuses the bundle.

`identity` is a flag or a share as it is; `log` is ln(1 + x) / {LOG_SCALE:g}, `signed_log` the same
for |x| with the sign of x. All can be undone (`sluice observe --raw`). "Initiator" is the host that
sent a flow's first packet (of a SYN-ACK that comes first: whom it is sent to). Windows of 10 s and
10 min are sliding-window counters: the running window's count plus the previous one's, weighted by
how much of it still lies within the window's length.

| # | name | unit | transform | read from | meaning |
|---:|---|---|---|---|---|
"""


def page() -> str:
    """The whole page, from `FEATURES`."""
    rows = (
        f"| {k} | {f.name} | {f.unit} | {f.transform.name.lower()} | {f.source} | {f.meaning} |"
        for k, f in enumerate(FEATURES)
    )
    return _TEXT + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
