"""Teachers: what advises a policy while it learns. All answer with a distribution over actions."""
