"""What attackers do: one function an attack, defaults being those of the sample captures."""
