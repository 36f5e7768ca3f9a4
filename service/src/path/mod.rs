//! Which place a path of a call leads to.
