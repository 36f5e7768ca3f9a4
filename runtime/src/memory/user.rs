//! The target's memory, reached so that a bad pointer is `EFAULT` and not a fault.

use core::mem::{MaybeUninit, size_of};

use crate::arch;
use crate::sys::{self, Errno, Result};

/// A pointer the target gave us.
///
/// Holding one proves nothing about the address. Each access first asks the kernel whether the
/// pages are there: `rt_sigprocmask(2)` with an impossible `how` copies eight bytes in before it
/// looks at it, and without a new set it copies eight bytes out. That works in every sandbox and
/// with every signal blocked. What it cannot know is that another thread of the target unmaps the
/// page between the question and the access: that program has a race, and gets the signal for it.
#[derive(Clone, Copy)]
pub struct User<T> {
    address: usize,
    _type: core::marker::PhantomData<*mut T>,
}

/// No `how` of rt_sigprocmask(2).
const NO_HOW: usize = !0;
const PROBE: usize = 8;
/// The least page size of any machine: probing that often is enough everywhere.
const PAGE: usize = 4096;

impl<T: Copy> User<T> {
    /// The pointer at `address`.
    pub fn new(address: usize) -> Self {
        Self { address, _type: core::marker::PhantomData }
    }

    /// The value there.
    pub fn read(self) -> Result<T> {
        readable(self.address, size_of::<T>())?;
        self.read_again()
    }

    /// Puts `value` there. `T` is at least eight bytes long, because the probe writes as many.
    pub fn write(self, value: T) -> Result<()> {
        const { assert!(size_of::<T>() >= PROBE) };
        writable(self.address, size_of::<T>())?;
        self.write_again(value)
    }
}

impl<T: Copy> User<T> {
    /// The value there, which the kernel has read, or written, in the call that is being answered.
    pub fn read_again(self) -> Result<T> {
        let mut value = MaybeUninit::<T>::uninit();
        copy(value.as_mut_ptr().cast::<u8>(), self.address as *const u8, size_of::<T>())?;
        // SAFETY: `T: Copy` types used here are plain integers or structures of them, for which every
        // byte pattern is a value.
        Ok(unsafe { value.assume_init() })
    }

    /// Puts `value` there, where the kernel has written in the call that is being answered.
    pub fn write_again(self, value: T) -> Result<()> {
        copy(self.address as *mut u8, (&raw const value).cast::<u8>(), size_of::<T>())
    }
}

/// Copies from or to the target's memory. Where the kernel could be asked the range is there; where a
/// filter of the target's forbids to ask, a fault tells ([`arch::copy`]).
fn copy(to: *mut u8, from: *const u8, len: usize) -> Result<()> {
    // SAFETY: one side is ours, the other belongs to the call that the target made.
    if unsafe { arch::copy(to, from, len) } { Ok(()) } else { Err(Errno::FAULT) }
}

fn probe(mut address: usize, len: usize, one: impl Fn(usize) -> Result<()>) -> Result<()> {
    let last =
        address.checked_add(len).and_then(|end| end.checked_sub(PROBE)).ok_or(Errno::FAULT)?;
    while address < last {
        one(address)?;
        address = (address & !(PAGE - 1)).checked_add(PAGE).ok_or(Errno::FAULT)?;
    }
    one(last)
}

/// Whether `len` bytes can be read. The eight bytes that are probed lie inside the range, or, for a
/// shorter one, end with it: they are on its page or on the one before, and are only read.
pub fn readable(address: usize, len: usize) -> Result<()> {
    if len < PROBE {
        return probe(address & !(PROBE - 1), PROBE.max((address & (PROBE - 1)) + len), ask_read);
    }
    probe(address, len, ask_read)
}

fn ask_read(address: usize) -> Result<()> {
    // A null set is none to the kernel, which would not look at it.
    let address = address.max(1);
    // SAFETY: nothing is written and the mask stays as it is: the kernel refuses `NO_HOW`.
    match unsafe { sys::signal_mask(NO_HOW, address, 0) } {
        Err(Errno::FAULT) => Err(Errno::FAULT),
        _ => Ok(()),
    }
}

/// Whether `len` bytes (at least eight) can be written; some of them are changed.
fn writable(address: usize, len: usize) -> Result<()> {
    if address == 0 {
        return Err(Errno::FAULT);
    }
    probe(address, len, |at| {
        // SAFETY: eight bytes inside the range that the caller is about to overwrite.
        match unsafe { sys::signal_mask(0, 0, at) } {
            Err(Errno::FAULT) => Err(Errno::FAULT),
            _ => Ok(()),
        }
    })
}

/// Whether the target's memory at `address` can be read, by who has every protection key, and holds `bytes`.
pub fn equals(address: usize, bytes: &[u8]) -> bool {
    if !arch::has_keys() || !sys::can_set_signal_mask() {
        return holds(address, bytes);
    }
    // Of a signal that came meanwhile the target would see that it had every key.
    let mask = sys::set_signal_mask(sys::ALL_SIGNALS);
    let equal = arch::with_every_key(|| holds(address, bytes));
    sys::set_signal_mask(mask);
    equal
}

fn holds(address: usize, bytes: &[u8]) -> bool {
    if bytes.is_empty() {
        return true;
    }
    if readable(address, bytes.len()).is_err() {
        return false;
    }
    // SAFETY: the range was readable.
    let there = unsafe { core::slice::from_raw_parts(address as *const u8, bytes.len()) };
    there == bytes
}

/// Copies `into.len()` words from the target's memory at `address`.
pub fn read_words(address: usize, into: &mut [usize]) -> Result<()> {
    let len = core::mem::size_of_val(into);
    if len == 0 {
        return Ok(());
    }
    readable(address, len)?;
    copy(into.as_mut_ptr().cast::<u8>(), address as *const u8, len)
}

/// Copies `into.len()` bytes from the target's memory at `address`.
pub fn copy_in(address: usize, into: &mut [u8]) -> Result<()> {
    if into.is_empty() {
        return Ok(());
    }
    readable(address, into.len())?;
    copy(into.as_mut_ptr(), address as *const u8, into.len())
}

/// Copies `bytes` to the target's memory at `address`.
pub fn copy_out(address: usize, bytes: &[u8]) -> Result<()> {
    if bytes.len() < PROBE {
        // getrandom(2) writes as few bytes as it is asked for, or those up to the end of a page.
        if sys::fill_random(address, bytes.len())? < bytes.len() {
            return Err(Errno::FAULT);
        }
    } else {
        writable(address, bytes.len())?;
    }
    copy(address as *mut u8, bytes.as_ptr(), bytes.len())
}

impl User<u8> {
    /// Bytes of the NUL-terminated string there, with its NUL; `E2BIG` when there are more than
    /// `most`.
    pub fn length(self, most: usize) -> Result<usize> {
        let mut length = 0;
        while length < most {
            let at = self.address.checked_add(length).ok_or(Errno::FAULT)?;
            let page_end = (at & !(PAGE - 1)).checked_add(PAGE).ok_or(Errno::FAULT)?;
            let chunk = (page_end - at).min(most - length);
            readable(at, 1)?;
            // SAFETY: the page that holds `at` was readable and `chunk` does not leave it.
            let bytes = unsafe { core::slice::from_raw_parts(at as *const u8, chunk) };
            match bytes.iter().position(|&byte| byte == 0) {
                Some(end) => return Ok(length + end + 1),
                None => length += chunk,
            }
        }
        Err(Errno::TOOBIG)
    }

    /// The NUL-terminated string there, up to `into.len()` bytes with its NUL (`ENAMETOOLONG` when
    /// it is longer).
    pub fn string(self, into: &mut [u8]) -> Result<&core::ffi::CStr> {
        let mut length = 0;
        while length < into.len() {
            let at = self.address.checked_add(length).ok_or(Errno::FAULT)?;
            let page_end = (at & !(PAGE - 1)).checked_add(PAGE).ok_or(Errno::FAULT)?;
            let chunk = (page_end - at).min(into.len() - length);
            readable(at, 1)?;
            // The page that holds `at` was readable, and `chunk` does not leave it.
            copy(into[length..length + chunk].as_mut_ptr(), at as *const u8, chunk)?;
            if let Some(end) = into[length..length + chunk].iter().position(|&byte| byte == 0) {
                return core::ffi::CStr::from_bytes_with_nul(&into[..=length + end])
                    .map_err(|_| Errno::FAULT);
            }
            length += chunk;
        }
        Err(Errno::NAMETOOLONG)
    }
}
