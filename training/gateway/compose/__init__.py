"""Gateways composed from real captures: cut into parts, put on one network and one clock."""
