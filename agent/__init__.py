"""The on-box agent: packets in, verdicts out. Imports no torch and nothing from the lab."""
