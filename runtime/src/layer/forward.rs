//! `-m forward`: takes every call and hands it on as it is. What runs with it runs as without; it
//! shows that nothing is lost on the way through a layer.

use super::raw::{Raw, Wants, no_event, nothing};

/// The module.
pub static FORWARD: Raw = Raw {
    name: "forward",
    description: "takes every call and hands it on unchanged",
    keys: &[],
    wants: Wants::Every,
    only_looks: false,
    init: nothing,
    attach: nothing,
    call: |call, next| next.call(call),
    event: no_event,
    is_service: false,
    image: None,
};
