//! Bounds on what a spec may ask of the parser: generous for 10,000 nodes, small for a YAML bomb.

/// Bytes of one spec.
pub const TEXT: usize = 64 << 20;
/// Nested mappings and sequences. The spec's own types need eight; parameters may nest further.
pub const DEPTH: usize = 64;
/// Values, counted where they are written.
pub const VALUES: usize = 4_000_000;
/// Values that aliases stand for, counted at every use.
pub const ALIASED_VALUES: usize = 200_000;
