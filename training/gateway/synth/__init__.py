"""Synthetic traffic: imagined gateways, what honest machines do there and what attackers do."""
