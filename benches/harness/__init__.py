"""What `benches/run` is made of: installing, starting, loading and reporting. Python's standard library only."""
