//! What is behind the descriptors of virtual files.
