"""Readers of other tools' label files; `training.gateway.labelling` picks the right one."""
