//! How long a call waits, when it waits more than once.

use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use crate::{kernel, vload};

/// A time limit in one of its forms.
pub struct Limit {
    form: Form,
    /// As the call has it; the kernel counts it down.
    words: [usize; 2],
    /// No time at all, in any form.
    none: [usize; 4],
    wide: [i64; 2],
    /// Where the program has it.
    from: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Milliseconds, until then in those of the clock; none for ever.
    Milliseconds(Option<i64>),
    /// A structure of two words, or none.
    Words,
    /// A structure of two 64-bit numbers, or none.
    Wide,
    /// None.
    Never,
}

/// Milliseconds of a clock that only goes forward.
fn now() -> i64 {
    #[cfg(target_pointer_width = "64")]
    const CLOCK_GETTIME: u32 = nr::__NR_clock_gettime;
    #[cfg(target_pointer_width = "32")]
    const CLOCK_GETTIME: u32 = nr::__NR_clock_gettime64;
    let mut time = [0i64; 2];
    let arguments = [nr::CLOCK_MONOTONIC as usize, time.as_mut_ptr() as usize];
    // SAFETY: two numbers of 64 bits.
    let _ = unsafe { kernel::call(CLOCK_GETTIME, arguments) };
    time[0].saturating_mul(1000).saturating_add(time[1] / 1_000_000)
}

impl Limit {
    const fn new(form: Form, from: usize) -> Self {
        Self { form, words: [0; 2], none: [0; 4], wide: [0; 2], from }
    }

    /// Milliseconds; negative ones are for ever.
    pub fn milliseconds(count: i32) -> Self {
        // The part of one that the clock does not show has gone already.
        let begun = i64::from(count != 0);
        let end =
            u32::try_from(count).ok().map(|count| now().saturating_add(begun + i64::from(count)));
        Self::new(Form::Milliseconds(end), 0)
    }

    /// A structure of two words of the program's.
    pub fn words(from: usize) -> Result<Self> {
        if from == 0 {
            return Ok(Self::new(Form::Never, 0));
        }
        Ok(Self { words: vload::get(from)?, ..Self::new(Form::Words, from) })
    }

    /// A structure of two numbers of 64 bits of the program's.
    pub fn wide(from: usize) -> Result<Self> {
        if from == 0 {
            return Ok(Self::new(Form::Never, 0));
        }
        Ok(Self { wide: vload::get(from)?, ..Self::new(Form::Wide, from) })
    }

    /// That of `poll`, or `ppoll`.
    pub fn of_poll(call: &Call) -> Result<Self> {
        let is = |name: &str| abi::native_number(name) == Some(call.number);
        match call.arguments[2] {
            timeout if is("poll") => Ok(Self::milliseconds(timeout as i32)),
            from if is("ppoll_time64") => Self::wide(from),
            from => Self::words(from),
        }
    }

    /// Has a call wait as long as is left, or not at all.
    pub fn apply(&mut self, call: &mut Call, argument: usize, not_at_all: bool) {
        let none = self.none.as_ptr() as usize;
        call.arguments[argument] = match self.form {
            Form::Milliseconds(_) if not_at_all => 0,
            Form::Milliseconds(None) => -1i32 as usize,
            Form::Milliseconds(Some(end)) => (end - now()).clamp(0, i32::MAX.into()) as usize,
            _ if not_at_all => none,
            Form::Words => self.words.as_mut_ptr() as usize,
            Form::Wide => self.wide.as_mut_ptr() as usize,
            Form::Never => 0,
        };
    }

    /// The same as a structure of two numbers of 64 bits.
    pub fn apply_wide(&mut self, call: &mut Call, argument: usize) {
        if let Form::Milliseconds(Some(end)) = self.form {
            let left = (end - now()).max(0);
            self.wide = [left / 1000, left % 1000 * 1_000_000];
        }
        call.arguments[argument] = match self.form {
            Form::Milliseconds(None) | Form::Never => 0,
            _ => self.wide.as_mut_ptr() as usize,
        };
    }

    /// A wait has ended with an error: what is left is told where a signal has ended it.
    pub fn ended(&self, error: Errno) {
        if error == Errno::INTR {
            self.give_back();
        }
    }

    /// Tells the program what is left, as the kernel does: where it cannot be told nobody minds
    /// (`poll_select_finish`, fs/select.c).
    pub fn give_back(&self) {
        let _ = match self.form {
            Form::Words => vload::put(self.from, &self.words),
            Form::Wide => vload::put(self.from, &self.wide),
            _ => Err(Errno::FAULT),
        };
    }
}
