"""Where rules go: one small interface, of which a dry run is just another backend."""
