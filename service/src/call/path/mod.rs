//! Calls with a path.
