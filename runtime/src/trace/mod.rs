//! Traces: what a line of one looks like, and what is counted for a summary.

pub mod counters;
pub mod line;
pub mod summary;
mod text;
