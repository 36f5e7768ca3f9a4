//! `insmod` and `rmmod` of modules that are part of vload, and what writes their reports where nobody removes them.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char};

use linux_raw_sys::general::O_RDWR;
use runtime::layer::count::{self, Records};
use runtime::layer::spec::Spec;
use runtime::layer::{modules, refresh};
use runtime::log::{self, Line};
use runtime::module::control;
use runtime::session::{self, Record, ViewId};
use runtime::sys;
use runtime::view::OWN;

use super::verbs::FAILED;
use crate::client;
use crate::command::Unfit;
use crate::find;
use crate::handover;
use crate::message::{Shown, fail};
use crate::output;
use crate::vectors::Vectors;

/// What the session is asked for where a person has typed `text`. A file for the layer's report is made now, when a person
/// can still be told that it cannot be done, and named so that its name means the same from anywhere. The second says whether
/// there is one.
pub fn request(text: &[u8]) -> Result<(CString, bool), String> {
    let (raw, spec) = modules::find(text).map_err(|why| format!("{}", Unfit(text, why)))?;
    let Some(path) = spec.value(count::FILE.as_bytes()) else {
        return Ok((CString::new(text).unwrap_or_default(), false));
    };
    let made = output::try_create(&path)
        .map_err(|error| format!("{}: {}: {}", raw.name, Shown(&path), error.text()))?;
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

/// Writes the report that `rmmod` was given, to where it says.
pub fn write(report: usize) {
    // SAFETY: the session has mapped it, two strings one behind the other, for this program alone.
    let (path, text) = unsafe {
        let path = CStr::from_ptr(report as *const c_char);
        let behind = report + path.count_bytes() + 1;
        (path.to_bytes(), CStr::from_ptr(behind as *const c_char).to_bytes())
    };
    if let Err(error) = write_to(path, text) {
        let path = if path.is_empty() { &b"standard error"[..] } else { path };
        fail(FAILED, format_args!("rmmod: {}: {}", Shown(path), error.text()));
    }
}

fn write_to(path: &[u8], text: &[u8]) -> sys::Result<()> {
    match path {
        b"" => sys::write_all(2, text),
        path => output::try_create(path).and_then(|file| sys::write_all(file, text)),
    }
}

/// The descriptor of the session that who waits for its end has.
const SESSION: i32 = 3;

/// Starts a process outside of the session that has the layers of this view write their reports when nobody is in it any more.
/// It holds nothing of this process's: no terminal, no descriptor, no folder.
pub fn report_at_end(vectors: &Vectors, own: &CStr) {
    let session = match control::ask(control::STAY, [0; 3]) {
        Ok(session) => session as i32,
        Err(error) => return tell_that_none_waits(error),
    };
    match sys::fork() {
        Ok(0) => {}
        Ok(_) => return sys::close(session),
        Err(error) => return tell_that_none_waits(error),
    }
    let view = control::ask(control::INFO, [control::VERSION, 0, 0]).unwrap_or_default();
    let ready = sys::duplicate(session, SESSION + 1, true).and_then(|session| {
        let null = sys::openat(sys::CWD, c"/dev/null", O_RDWR, 0)?;
        let stands = |fd: &i32| *fd != null;
        (0..SESSION).filter(stands).try_for_each(|fd| sys::duplicate_onto(null, fd))?;
        sys::duplicate_onto(session, SESSION)?;
        control::ask(control::LEAVE, [0; 3])
    });
    let path = client::own_path(vectors);
    if ready.is_ok()
        && let (Ok(path), Ok(view)) = (CString::new(path), CString::new(format!("{view}")))
    {
        let argv = [c"vload-tool", own, c"--report", &view].map(|word| word.as_ptr() as usize);
        handover::execute(&path, &argv, vectors);
    }
    sys::exit(FAILED)
}

fn tell_that_none_waits(error: sys::Errno) {
    let mut line = Line::new();
    line.text("vload: insmod: only rmmod will write the table, and the session's end will not: ");
    line.text(error.text()).text("\n");
    log::emergency(line.bytes());
}

/// Waits until nobody is in the view any more, and writes what its layers have to say. Whether that can be done nobody hears.
pub fn wait_for_end(view: &[u8]) -> ! {
    let view = core::str::from_utf8(view).ok().and_then(|view| view.parse().ok()).map(ViewId);
    let done = view.ok_or(sys::Errno::INVAL).and_then(write_at_end);
    sys::exit(i32::from(done.is_err()))
}

fn write_at_end(view: ViewId) -> sys::Result<()> {
    sys::close_from(SESSION + 1);
    sys::begin_session()?;
    sys::chdir(c"/")?;
    session::join(SESSION)?;
    OWN.session.set(SESSION);
    if !session::outlive(SESSION, view)? {
        return Ok(());
    }
    let mut result = Ok(());
    session::effective(view, &mut |record| {
        if record.view == view
            && record.kind == refresh::BUILT_IN
            && record.name() == count::COUNT.name.as_bytes()
        {
            result = result.and(write_table(record));
        }
    });
    result
}

/// Writes the table of a layer that is in no process any more.
fn write_table(record: &Record) -> sys::Result<()> {
    let arguments = session::bytes(record.arguments)?;
    let file = Spec::of(record.name(), &arguments)
        .ok()
        .and_then(|spec| spec.value(count::FILE.as_bytes()));
    let Some(file) = file else { return Ok(()) };
    let area = record.shared.offset + session::LOCKS as u64;
    let start = sys::map_shared(SESSION, area, size_of::<Records>(), false)?;
    // SAFETY: mapped just now, as long; every bit pattern is one of records.
    let records = unsafe { &*(start as *const Records) };
    let mut table = String::new();
    count::write(records, &mut table);
    write_to(&file, table.as_bytes())
}
