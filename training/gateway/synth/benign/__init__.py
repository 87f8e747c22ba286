"""What honest machines do: one function a habit, defaults being those of the sample captures."""
