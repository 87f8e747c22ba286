"""The on-box agent: packets in, verdicts out. Imports no torch and nothing from the lab."""

import os

# onnxruntime 1.31 reads this when it is imported, and without it keeps a device's identity and a
# log of what it loaded in the user's cache, to report to its maker (microsoft/onnxruntime #27379).
# A gateway's defender reports to nobody.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
