"""Side-by-side measurements: ``python -m benchmarks.NAME``; ``README.md`` here says what each of them measures."""
