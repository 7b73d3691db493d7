"""What things cost: benchmarks that anyone can run, beside peers, as `python -m tests.bench.NAME`."""
