module nodeprep.dev/tests/bench/lean

go 1.25.0
