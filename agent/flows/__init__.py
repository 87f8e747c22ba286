"""State that follows flows and hosts, bounded in memory."""
