//! What the options say, for this process.

use core::sync::atomic::Ordering;

use super::OPTIONS;
use crate::layer;
use crate::log::{self, Level};
use crate::patch::ShapeSet;
use crate::text;
use crate::view::OWN;
use crate::watch;

/// Puts the options in force that are not layers.
pub fn configure() {
    let level = OPTIONS.values("log-level").next().and_then(Level::named);
    if OWN.log.get() >= 0 {
        log::set_level(level.unwrap_or(Level::Info));
    }
    let shapes = OPTIONS.values("shapes").last();
    if let Some(set) = shapes.and_then(|set| core::str::from_utf8(set).ok())
        && let Ok(set) = ShapeSet::parse(set)
    {
        text::set_shapes(set);
    }
    if OPTIONS.has("test-bounce") {
        text::UNTOUCHED.store(true, Ordering::Relaxed);
    }
    if let Some(policy) = OPTIONS.values("watch").last().and_then(watch::Policy::named) {
        watch::set_policy(policy);
    }
    if OPTIONS.has("test-private-pages") {
        text::PRIVATE_PAGES.store(true, Ordering::Relaxed);
    }
    layer::want_base();
    if OPTIONS.has("vdso") {
        layer::own_functions(|_| true);
    }
}
