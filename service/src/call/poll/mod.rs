//! Calls that wait for descriptors.
