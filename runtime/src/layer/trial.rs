//! The layer above all others in a run of `vload bisect`: it notes which sites are executed, and leads
//! those that the run does without layers around them.

use super::Call;
use super::list::{self, Next};
use super::origin::Origin;
use super::raw::Raw;
use super::system;
use crate::sys;
use crate::text;
use crate::trial;

static TRIAL: Raw =
    Raw { name: "trial", description: "notes which sites are executed", call, ..Raw::PLAIN };

/// Puts the layer in place.
pub fn record() {
    let pushed = list::crown(&TRIAL);
    debug_assert!(pushed.is_some(), "`modules::MOST` leaves room, and there is no trace");
    list::want(&TRIAL);
}

fn call(call: &mut Call<'_>, next: Next) -> isize {
    // SAFETY: no layer has changed the registers yet, and what they brought is as the entry left it.
    let origin = unsafe { Origin::of(call.regs) };
    let Some(trial) = trial::current() else { return next.call(call) };
    let Some((file, site)) = text::site_at(origin.address) else { return next.call(call) };
    let (noted, around) = trial.note(file, &site, call.number);
    let result = if around { system::call(call) } else { next.call(call) };
    if let Err(error) = sys::check(result) {
        noted.failed(error.0.unsigned_abs());
    }
    result
}
