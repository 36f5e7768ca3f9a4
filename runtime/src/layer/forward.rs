//! `-m forward`: takes every call and hands it on as it is. What runs with it runs as without; it
//! shows that nothing is lost on the way through a layer.

use super::raw::Raw;

/// The module.
pub static FORWARD: Raw = Raw {
    name: "forward",
    description: "takes every call and hands it on unchanged",
    only_looks: false,
    ..Raw::PLAIN
};
