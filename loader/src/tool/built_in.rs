//! `insmod` and `rmmod` of modules that are part of vload, and what writes their reports where nobody removes them.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::ffi::{CStr, c_char};
use core::ops::Range;

use linux_raw_sys::general::{O_CLOEXEC, O_CREAT, O_RDWR, O_WRONLY};
use runtime::digits::decimal;
use runtime::layer::count::{self, Records};
use runtime::layer::spec::Spec;
use runtime::layer::{modules, refresh};
use runtime::log::{self, Line};
use runtime::module::control;
use runtime::session::{self, Record, ViewId};
use runtime::sys::{self, Errno};
use runtime::view::OWN;

use super::verbs::FAILED;
use crate::client;
use crate::command::Unfit;
use crate::find;
use crate::message::{Shown, fail};
use crate::natively;
use crate::output;
use crate::vectors::Vectors;

/// What the session is asked for where a person has typed `text`. A file for the layer's report is made now, when a person
/// can still be told that it cannot be done, and named so that its name means the same from anywhere; what it holds stays until
/// there is a report. The second says whether there is one.
pub fn request(text: &[u8]) -> Result<(CString, bool), String> {
    let (raw, spec) = modules::find(text).map_err(|why| format!("{}", Unfit(text, why)))?;
    let Some(path) = spec.value(count::FILE.as_bytes()) else {
        return Ok((CString::new(text).unwrap_or_default(), false));
    };
    let made =
        open(&path).map_err(|error| format!("{}: {}: {}", raw.name, Shown(&path), error.text()))?;
    let path = CString::new(path).unwrap_or_default();
    let path = find::real_path(made, &path);
    sys::close(made);
    let mut text = Vec::from(raw.name);
    text.push(b':');
    text.extend_from_slice(count::FILE.as_bytes());
    text.push(b'=');
    text.extend(Spec::escaped(&path));
    Ok((CString::new(text).unwrap_or_default(), true))
}

/// Opens a file for a report; it is made if it is missing, and keeps what it holds.
fn open(path: &[u8]) -> sys::Result<i32> {
    let path = CString::new(path).map_err(|_| Errno::INVAL)?;
    sys::openat(sys::CWD, &path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
}

/// Writes the report that `rmmod` was given, to where it says, or else to standard error: there is no other copy.
pub fn write(report: usize) {
    // SAFETY: the session has mapped it, two strings one behind the other, for this program alone.
    let (path, text) = unsafe {
        let path = CStr::from_ptr(report as *const c_char);
        let behind = report + path.count_bytes() + 1;
        (path.to_bytes(), CStr::from_ptr(behind as *const c_char).to_bytes())
    };
    if let Err(error) = write_to(path, text) {
        let (path, instead) = match path {
            b"" => (&b"standard error"[..], Ok(())),
            path => (path, sys::write_all(2, text)),
        };
        let lost = if instead.is_ok() { "" } else { "; the table is lost" };
        fail(FAILED, format_args!("rmmod: {}: {}{lost}", Shown(path), error.text()));
    }
}

/// Writes to a file, anew, or to standard error where there is none.
pub fn write_to(path: &[u8], text: &[u8]) -> sys::Result<()> {
    match path {
        b"" => sys::write_all(2, text),
        path => output::try_create(path).and_then(|file| sys::write_all(file, text)),
    }
}

/// The descriptor of the session that who waits for its end has.
const SESSION: i32 = 3;
/// The one by which it says that it does.
const READY: i32 = 4;

/// Starts a process outside of the session that has the layers of this view write their reports when nobody is in it any more,
/// and waits until it is there. It holds nothing of this process's: no terminal, no descriptor, no folder.
pub fn report_at_end(vectors: &Vectors, own: &CStr) {
    if let Err(error) = start_reporter(vectors, own) {
        let mut line = Line::new();
        line.text(
            "vload: insmod: only rmmod will write the table, and the session's end will not: ",
        );
        line.text(error.text()).text("\n");
        log::emergency(line.bytes());
    }
}

fn start_reporter(vectors: &Vectors, own: &CStr) -> sys::Result<()> {
    let session = moved_up(control::ask(control::STAY, [0; 3])? as i32)?;
    let [read, write] = sys::pipe()?;
    let write = moved_up(write)?;
    if sys::fork()? == 0 {
        let Err(error) = become_reporter(session, write, vectors, own);
        let _told = sys::write_all(write, &error.0.to_ne_bytes());
        sys::exit(FAILED)
    }
    sys::close(session);
    sys::close(write);
    let mut said = [0; size_of::<i32>()];
    loop {
        return match sys::read(read, &mut said) {
            Err(Errno::INTR) => continue,
            Err(error) => Err(error),
            Ok(length) if length < said.len() => Err(Errno::SRCH),
            Ok(_) => match i32::from_ne_bytes(said) {
                0 => Ok(()),
                error => Err(Errno(error)),
            },
        };
    }
}

/// Begins anew outside of the session. What is sent to the terminal's processes is not for this one from its first step on;
/// standard error it has until it is [`ready`].
fn become_reporter(
    session: i32,
    write: i32,
    vectors: &Vectors,
    own: &CStr,
) -> sys::Result<Infallible> {
    sys::begin_session()?;
    let view = control::ask(control::INFO, [control::VERSION, 0, 0])?;
    take_null(0..2)?;
    sys::duplicate_onto(session, SESSION)?;
    sys::duplicate_onto(write, READY)?;
    control::ask(control::LEAVE, [0; 3])?;
    let path = CString::new(client::own_path(vectors)).map_err(|_| Errno::INVAL)?;
    let view = CString::new(format!("{view}")).map_err(|_| Errno::INVAL)?;
    let argv = [c"vload-tool", own, c"--report", &view].map(|word| word.as_ptr() as usize);
    natively::execute(&path, &argv, vectors)
}

/// The descriptor with a number that is none of those that have a meaning, and that no exec keeps.
pub fn moved_up(fd: i32) -> sys::Result<i32> {
    let moved = sys::duplicate(fd, READY + 1, true);
    sys::close(fd);
    moved
}

/// Has nothing behind these numbers.
fn take_null(mut numbers: Range<i32>) -> sys::Result<()> {
    let null = moved_up(sys::openat(sys::CWD, c"/dev/null", O_RDWR | O_CLOEXEC, 0)?)?;
    numbers.try_for_each(|fd| sys::duplicate_onto(null, fd))
}

/// Tells who has started this that its end may come, whether all is well or not.
fn ready(result: sys::Result<()>) {
    let said = result.err().map_or(0, |error| error.0);
    let _told = sys::write_all(READY, &said.to_ne_bytes());
    sys::close(READY);
}

/// Waits until nobody is in the view any more, and writes what its layers have to say. Whether that can be done nobody hears.
pub fn wait_for_end(view: &[u8]) -> ! {
    let done = decimal(view).map(ViewId).ok_or(Errno::INVAL).and_then(write_at_end);
    sys::exit(i32::from(done.is_err()))
}

fn write_at_end(view: ViewId) -> sys::Result<()> {
    let begun = begin_waiting(view);
    ready(begun.map(drop));
    if !begun? {
        return Ok(());
    }
    session::outlive(SESSION, view)?;
    write_tables(SESSION, view, |file, table| match file {
        b"" => Ok(()),
        file => write_to(file, table),
    })
}

/// Writes a text to a file, which may be none.
type Write = fn(&[u8], &[u8]) -> sys::Result<()>;

/// Gives what each `count` of a view has to say, and the file that it is for, which may be none, to `write`. The view's
/// session has been joined by the descriptor.
pub fn write_tables(session: i32, view: ViewId, write: Write) -> sys::Result<()> {
    let mut result = Ok(());
    session::effective(view, &mut |record| {
        if record.view == view
            && record.kind == refresh::BUILT_IN
            && record.name() == count::COUNT.name.as_bytes()
        {
            let written =
                table(session, record).and_then(|(file, table)| write(&file, table.as_bytes()));
            result = result.and(written);
        }
    });
    result
}

/// Whether there is nobody else who waits.
fn begin_waiting(view: ViewId) -> sys::Result<bool> {
    sys::close_from(READY + 1);
    sys::chdir(c"/")?;
    session::join(SESSION)?;
    OWN.session.set(SESSION);
    let is_first = session::attend(SESSION, view)?;
    take_null(2..3)?;
    Ok(is_first)
}

/// What a `count` has to say, and the file that it is for.
fn table(session: i32, record: &Record) -> sys::Result<(Vec<u8>, String)> {
    let arguments = session::bytes(record.arguments)?;
    let file = Spec::of(record.name(), &arguments)
        .ok()
        .and_then(|spec| spec.value(count::FILE.as_bytes()));
    let area = record.shared.offset + session::LOCKS as u64;
    let start = sys::map_shared(session, area, size_of::<Records>(), false)?;
    // SAFETY: mapped just now, as long; every bit pattern is one of records.
    let records = unsafe { &*(start as *const Records) };
    let mut table = String::new();
    count::write(records, &mut table);
    Ok((file.unwrap_or_default(), table))
}
