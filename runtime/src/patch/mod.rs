//! Finding system-call sites, proving them, choosing a shape, building the patched image.
