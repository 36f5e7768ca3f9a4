//! Tests of the whole way from a file's bytes to its patched image.

mod machine;
