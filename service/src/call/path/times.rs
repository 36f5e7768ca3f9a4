//! The calls that set times.

use abi::{Arg, Struct};
use linux_raw_sys::general as nr;
use vload_module::abi::service::Time;
use vload_module::{Errno, Result};

use super::asked::Asked;
use crate::call::change;
use crate::descriptor::Subject;
use crate::vload;

/// Nanoseconds that mean now, and that mean no change (utimensat(2)).
const NOW: u32 = nr::UTIME_NOW;
const OMIT: u32 = nr::UTIME_OMIT;

/// Both times to now.
const BOTH_NOW: [Time; 2] = [Time::new(0, NOW); 2];

/// A number of seconds, or part of one, of the native size.
type Word = isize;

/// The times that a call gives, in whichever form.
pub fn given(asked: &Asked<'_>) -> Result<[Time; 2]> {
    let form =
        asked.described.args().iter().zip(asked.call.arguments).find_map(
            |(arg, value)| match arg {
                Arg::In(form) => Some((*form, value)),
                _ => None,
            },
        );
    let (form, from) = form.ok_or(Errno::INVAL)?;
    if from == 0 {
        return Ok(BOTH_NOW);
    }
    let micro = |[seconds, part]: [Word; 2]| match u32::try_from(part) {
        Ok(part @ 0..1_000_000) => Ok(Time::new(seconds as i64, part * 1000)),
        _ => Err(Errno::INVAL),
    };
    let nano = |[seconds, part]: [i64; 2]| match u32::try_from(part) {
        Ok(part @ (0..1_000_000_000 | NOW | OMIT)) => Ok(Time::new(seconds, part)),
        _ => Err(Errno::INVAL),
    };
    let wide = |[seconds, part]: [Word; 2]| [seconds as i64, part as i64];
    match form {
        Struct::Utimbuf => {
            let [accessed, modified] = vload::get::<[Word; 2]>(from)?;
            Ok([Time::new(accessed as i64, 0), Time::new(modified as i64, 0)])
        }
        Struct::TimevalPair => {
            let [accessed, modified] = vload::get::<[[Word; 2]; 2]>(from)?;
            Ok([micro(accessed)?, micro(modified)?])
        }
        Struct::TimespecPair => {
            let [accessed, modified] = vload::get::<[[Word; 2]; 2]>(from)?;
            Ok([nano(wide(accessed))?, nano(wide(modified))?])
        }
        _ => {
            let [accessed, modified] = vload::get::<[[i64; 2]; 2]>(from)?;
            Ok([nano(accessed)?, nano(modified)?])
        }
    }
}

/// Whether a call leaves both times as they are, which it does without a look at its path (utimensat(2)).
pub fn is_nothing(asked: &Asked<'_>) -> bool {
    asked.described.name().starts_with("utimensat")
        && given(asked).is_ok_and(|times| times.iter().all(|time| time.nanoseconds == OMIT))
}

/// `utime`, `utimes`, `futimesat`, `utimensat`.
pub fn utimens(asked: &Asked<'_>, subject: &impl Subject) -> Result<usize> {
    let times = given(asked).or_else(|error| {
        // Which of the new form's can be is looked at when the file has been found (`vfs_utimes`, fs/utimes.c).
        let is_new = asked.described.name().starts_with("utimensat");
        if is_new && error == Errno::INVAL { subject.stat().and(Err(error)) } else { Err(error) }
    })?;
    change::utimens(subject, &times)
}
