//! The control call: what the program `vload` asks of the session that it is started in. Its number is no
//! call's of the kernel's, so that outside a session the answer is `ENOSYS`.

use core::ffi::CStr;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use vload_module::abi;

use super::framework;
use super::load;
use crate::layer::raw::Report;
use crate::layer::{Call, modules, refresh};
use crate::memory::{self, User};
use crate::process::OPTIONS;
use crate::session;
use crate::sys::{self, Errno, Result};

/// The number of the call.
pub const CONTROL: usize = 0x564c;

/// The version of all this.
pub const VERSION: usize = 3;

/// Whether there is a session, of this [`VERSION`]: the number of the caller's view.
pub const INFO: usize = 0;
/// Loads a module: what was made of its file and how many bytes that is, and the arguments as a string. Of no bytes: one
/// that is part of vload; the string is what `-m` would be given.
pub const INSMOD: usize = 1;
/// Removes the newest layer of a name. Gives 0, or where, in memory of the caller's from then on, what the layer leaves to a
/// person lies as two strings: the path of the file that it is for (empty: standard error), and the text.
pub const RMMOD: usize = 2;
/// Lists the layers of the caller's view, oldest first: room for as many [`Listed`], how many; gives how many there are.
pub const LSMOD: usize = 3;
/// Moves the caller to a new view that comes from its own.
pub const VIEW: usize = 4;
/// The next exec of this process leaves the session.
pub const LEAVE: usize = 5;

/// A descriptor for who waits for the end of the caller's view ([`session::stay`]).
pub const STAY: usize = 6;
/// What a `-m` says that the session began with: its place among them, room for the text, and how much, where the rest stays as it
/// is. Gives when the session began, in seconds since 1970.
pub const OPTION: usize = 7;

/// A layer, as [`LSMOD`] gives it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Listed {
    /// Its place in time.
    pub epoch: u64,
    /// When it was loaded, in seconds since 1970.
    pub since: u64,
    /// `abi::RAW` or `abi::SERVICE`; or `refresh::BUILT_IN`, which is raw.
    pub kind: u32,
    /// The view that it was loaded in.
    pub view: u32,
    /// What uses it.
    pub users: u32,
    /// How many places it has claimed, or calls; `u32::MAX`: all calls.
    pub claims: u32,
    /// What of the vector state is kept around its code, as bits of [`KEPT`](crate::arch::KEPT).
    pub keeps: u64,
    /// Its name, and zeros.
    pub name: [u8; 32],
    /// What it does, and zeros.
    pub description: [u8; 128],
    /// Its arguments, as behind the colon of `-m`, cut where they are longer, and zeros.
    pub arguments: [u8; 128],
}

/// Asks the vload under which this program runs. A program of the kernel's alone hears `ENOSYS`.
pub fn ask(operation: usize, [a, b, c]: [usize; 3]) -> Result<usize> {
    // SAFETY: what the operations are given is the caller's own memory, and the kernel knows no such call.
    sys::check(unsafe { crate::arch::syscall_unasked(CONTROL, [operation, a, b, c, 0, 0]) })
}

static LEAVES: AtomicBool = AtomicBool::new(false);

/// Whether the exec that is being made leaves the session. It is asked once.
pub fn leaves() -> bool {
    LEAVES.swap(false, Ordering::Relaxed)
}

/// Answers the call.
pub fn call(call: &mut Call<'_>) -> isize {
    if session::generation().is_none() && call.args[0] != LEAVE {
        // Each process is on its own.
        return sys::raw(Err(Errno::NOSPC));
    }
    sys::raw(match call.args[0] {
        INFO if call.args[1] == VERSION => Ok(session::view().0 as usize),
        INSMOD => insmod(call),
        RMMOD => rmmod(call),
        LSMOD => lsmod(call),
        VIEW => refresh::enter_new_view(call.block).map(|view| view.0 as usize),
        STAY => session::stay(call.descriptors().session.get()).map(|fd| fd as usize),
        OPTION => option(call),
        LEAVE => {
            LEAVES.store(true, Ordering::Relaxed);
            Ok(0)
        }
        _ => Err(Errno::INVAL),
    })
}

fn insmod(call: &mut Call<'_>) -> Result<usize> {
    let [_, file, length, arguments, ..] = call.args;
    /// What is made of a file is not longer.
    const LONGEST: usize = 128 << 20;
    if length > LONGEST {
        return Err(Errno::FBIG);
    }
    let mut text = [0; 4096];
    let arguments = User::<u8>::new(arguments).string(&mut text)?;
    let block = NonNull::from(&mut *call.block);
    if length == 0 {
        return load::load_built_in(arguments.to_bytes(), Some(block)).map(|_| 0);
    }
    // The caller's bytes could change while they are looked at.
    let copied = sys::map_anonymous(length)?;
    // SAFETY: mapped just now, as long.
    let bytes = unsafe { core::slice::from_raw_parts_mut(copied as *mut u8, length) };
    let result = memory::copy_in(file, bytes)
        .and_then(|()| load::load(bytes, arguments.to_bytes(), Some(block)));
    // SAFETY: nothing refers to it any more.
    unsafe { sys::munmap(copied, length) };
    result.map(|_| 0)
}

fn rmmod(call: &mut Call<'_>) -> Result<usize> {
    let mut text = [0; 64];
    let name: &CStr = User::<u8>::new(call.args[1]).string(&mut text)?;
    crate::signal::open_faults(call.block);
    let block = NonNull::from(&mut *call.block);
    let mut left = 0;
    refresh::remove(name.to_bytes(), Some(block), &mut |layer| {
        let mut report = Report::default();
        (layer.raw().fini)(layer, &mut report)?;
        left = leave_report(&report)?;
        Ok(())
    })?;
    Ok(left)
}

/// Puts a report into memory that is the target's from now on: where, or 0 where there is none.
fn leave_report(report: &Report) -> Result<usize> {
    if report.text.is_empty() {
        return Ok(0);
    }
    let (file, text) = (report.file.len(), report.text.len());
    let start = sys::map_anonymous(file + text + 2)?;
    // SAFETY: mapped just now, as long; the zeros behind each string are there.
    let bytes = unsafe { core::slice::from_raw_parts_mut(start as *mut u8, file + text + 2) };
    bytes[..file].copy_from_slice(&report.file);
    bytes[file + 1..][..text].copy_from_slice(report.text.as_bytes());
    Ok(start)
}

fn lsmod(call: &mut Call<'_>) -> Result<usize> {
    let [_, room, most, ..] = call.args;
    let (mut count, mut result) = (0, Ok(()));
    session::effective(session::view(), &mut |record| {
        if record.kind == abi::FRAMEWORK {
            return;
        }
        if count < most && result.is_ok() {
            let service = record.kind == abi::SERVICE;
            let mut listed = Listed {
                epoch: record.epoch,
                since: record.since,
                kind: record.kind,
                view: record.view.0,
                users: if service { framework::users(record.epoch) } else { 0 },
                claims: if service { framework::claims(record.epoch) } else { record.wants },
                keeps: record.flags >> 32,
                name: [0; 32],
                description: [0; 128],
                arguments: [0; 128],
            };
            put(&mut listed.name, record.name());
            put(&mut listed.description, record.description());
            if let Ok(arguments) = session::bytes(record.arguments)
                // Else they may be another's by now.
                && session::is_there(record.epoch as u32)
            {
                put(&mut listed.arguments, &arguments);
            }
            result = User::new(room + count * size_of::<Listed>()).write(listed);
        }
        count += 1;
    });
    result.map(|()| count)
}

/// Gives a text of the session's options.
fn option(call: &Call<'_>) -> Result<usize> {
    let [_, place, room, length, ..] = call.args;
    let text = OPTIONS.values(modules::OPTION).nth(place).ok_or(Errno::NOENT)?;
    memory::copy_out(room, &text[..text.len().min(length)])?;
    Ok(session::since() as usize)
}

/// Puts `text` before the zeros of a field, cut where it is longer.
pub fn put(to: &mut [u8], text: &[u8]) {
    let length = text.len().min(to.len() - 1);
    to[..length].copy_from_slice(&text[..length]);
}
