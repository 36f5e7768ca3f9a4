//! Where memory has no protection keys, or where the resident does not know of them (i686).

/// Whether memory has protection keys.
pub fn has_keys() -> bool {
    false
}

/// Does something that no key forbids.
pub fn with_every_key<T>(act: impl FnOnce() -> T) -> T {
    act()
}
