//! The machine: files, clock, environment, randomness and processes. Nothing outside `edge` and `cli` reaches them.
