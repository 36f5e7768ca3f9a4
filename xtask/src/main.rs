//! `cargo xtask`: the way to everything but a plain build.
fn main() {}
