"""The gateway playground: recorded traffic to learn from."""
