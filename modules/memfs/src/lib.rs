//! `memfs`: a file tree in the session's memory.
//!
//! ```sh
//! vload -m memfs:path=/scratch program     # a tree at a path, for as long as the session
//! vload insmod memfs && mount -t memfs -o size=16m none /scratch
//! ```
//!
//! It forwards nothing: what is in it is in the layer's area, which all processes of the session map, and the
//! kernel hears of none of it. `fs` is the file system; `module` is what makes a module of it.
#![cfg_attr(not(test), no_std)]
#![deny(missing_docs)]

#[cfg_attr(test, allow(dead_code, reason = "the tests are beside it"))]
mod fs;
#[cfg(not(test))]
mod module;
#[cfg_attr(test, allow(dead_code, reason = "the tests are beside it"))]
mod options;
#[cfg(test)]
mod tests;
