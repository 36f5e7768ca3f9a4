//! `libvload.so`: the resident as a shared object without libc, for a process that runs already.
//!
//! ```text
//! LD_PRELOAD=libvload.so VLOAD_OPTIONS='-m count:file=/tmp/counts' ./app      from a constructor
//! dlopen("libvload.so", RTLD_NOW); vload_adopt("--log /tmp/log")               in mid-run
//! ```
#![no_std]
#![deny(missing_docs)]

extern crate alloc;
// Named by nothing but compiled code.
extern crate builtins as _;

mod environment;
mod own;
mod words;

use core::ffi::{CStr, c_char, c_int, c_long};
use core::panic::PanicInfo;

use runtime::adopt;
use runtime::layer::count::{self, Recorded};
use runtime::layer::layers;
use runtime::log::{Line, emergency};
use runtime::sys::Errno;

#[global_allocator]
static HEAP: runtime::memory::Heap = runtime::memory::Heap;

/// The variable whose value is the options of a process that adopts itself when it loads us.
const VARIABLE: &[u8] = b"VLOAD_OPTIONS";

/// Makes the calling process one of vload's, whatever its threads do at the moment.
///
/// `options` are those of the command line that describe what vload does (`--log`, `--shapes`,
/// `--skip`, `--no-cache`, `--watch`, `-m`), separated by spaces; a null pointer is none. Gives 0, or a negative errno:
/// `-EALREADY` when the process is adopted or was started by `vload`, `-EINVAL` for options that make no sense, `-EAGAIN` when a thread
/// could not be stopped; others are those of `/proc`.
///
/// # Safety
/// `options` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vload_adopt(options: *const c_char) -> c_int {
    let words = if options.is_null() {
        &b""[..]
    } else {
        // SAFETY: the caller's promise.
        unsafe { CStr::from_ptr(options) }.to_bytes()
    };
    match enter(words) {
        Ok(()) => 0,
        Err(error) => -error.0,
    }
}

fn enter(words: &[u8]) -> Result<(), Errno> {
    if adopt::is_resident() {
        return Err(Errno::ALREADY);
    }
    let environment = environment::read()?;
    words::take(words, &environment)?;
    let means = adopt::Means {
        exe: own::executable(),
        vdso: environment::auxiliary(environment::AT_SYSINFO_EHDR),
        hwcap2: environment::auxiliary(environment::AT_HWCAP2).unwrap_or(0),
    };
    adopt::adopt(&means)
}

/// How many calls the thread `tid` has made since the process was adopted, as its `-m count` has
/// counted them; of all threads for 0. `-ENOENT` without that layer, `-ESRCH` for a thread that has
/// made none.
///
/// It makes no call itself, so that two answers differ by what the thread did between them.
#[unsafe(no_mangle)]
pub extern "C" fn vload_calls(tid: c_int) -> c_long {
    let counting = layers().find(|layer| core::ptr::eq(layer.raw(), &count::COUNT));
    let Some(records) = counting.and_then(|layer| count::records(layer).ok()) else {
        return -c_long::from(Errno::NOENT.0);
    };
    let of_thread = |recorded: &Recorded| tid == 0 || recorded.tid == tid as u32;
    let counted = records.all().map(|(_, recorded)| recorded).filter(of_thread);
    let calls = counted.map(|recorded| recorded.calls as c_long).reduce(|sum, calls| sum + calls);
    calls.unwrap_or(-c_long::from(Errno::SRCH.0))
}

/// Called by `ld.so` when it has loaded us (`DT_INIT`).
#[unsafe(no_mangle)]
extern "C" fn vload_loaded() {
    let Ok(environment) = environment::read() else { return };
    let Some(words) = environment::value(&environment, VARIABLE) else { return };
    if let Err(error) = enter(words)
        && error != Errno::ALREADY
    {
        let mut line = Line::new();
        line.text("libvload.so: the process is not adopted: ").text(error.text()).text("\n");
        emergency(line.bytes());
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    runtime::log::panicked(info)
}

/// Named by the prebuilt `core`, which was built to unwind. Nothing unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As [`rust_eh_personality`].
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    runtime::sys::exit(125)
}

// What is named for assembly and the compiler is no business of other objects, whose own of the same
// names these must not replace.
core::arch::global_asm!(
    ".hidden rust_eh_personality, _Unwind_Resume, vload_loaded",
    ".hidden vload_resident_call, vload_resident_deliver, vload_child_start, vload_adopt_thread",
);
