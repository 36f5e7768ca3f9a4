//! Calls on a descriptor.
