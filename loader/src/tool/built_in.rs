//! `insmod` and `rmmod` of modules that are part of vload.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char};

use runtime::layer::spec::Spec;
use runtime::layer::{count, modules};
use runtime::sys;

use super::verbs::FAILED;
use crate::command::Unfit;
use crate::find;
use crate::message::{Shown, fail};
use crate::output;

/// What the session is asked for where a person has typed `text`. A file for the layer's report is made now, when a person
/// can still be told that it cannot be done, and named so that its name means the same from anywhere.
pub fn request(text: &[u8]) -> Result<CString, String> {
    let (raw, spec) = modules::find(text).map_err(|why| format!("{}", Unfit(text, why)))?;
    let Some(path) = spec.value(count::FILE.as_bytes()) else {
        return Ok(CString::new(text).unwrap_or_default());
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
    Ok(CString::new(text).unwrap_or_default())
}

/// Writes the report that `rmmod` was given, to where it says.
pub fn write(report: usize) {
    // SAFETY: the session has mapped it, two strings one behind the other, for this program alone.
    let (path, text) = unsafe {
        let path = CStr::from_ptr(report as *const c_char);
        let behind = report + path.count_bytes() + 1;
        (path.to_bytes(), CStr::from_ptr(behind as *const c_char).to_bytes())
    };
    let written = match path {
        b"" => sys::write_all(2, text),
        path => output::try_create(path).and_then(|file| sys::write_all(file, text)),
    };
    if let Err(error) = written {
        let path = if path.is_empty() { &b"standard error"[..] } else { path };
        fail(FAILED, format_args!("rmmod: {}: {}", Shown(path), error.text()));
    }
}
