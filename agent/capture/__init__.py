"""Packets in, as columns: from files now, from a live ring by the same blocks."""
