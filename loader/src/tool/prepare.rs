//! What the resident needs is made of a module's file.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;

use runtime::arch;
use runtime::layer::modules;
use runtime::layer::spec::Spec;
use runtime::module::{Offered, Refusal, judge};
use runtime::session;
use runtime::sys;
use vload_module::abi;

use super::library;
use crate::message::{Shown, USAGE, fail};
use crate::natively;
use crate::vectors::Vectors;

/// The framework that service modules rest on, by the name of its module.
pub const FRAMEWORK: &[u8] = b"service";

/// What was made of a module's file.
pub struct Made {
    /// The module's file.
    pub path: CString,
    /// What the resident takes.
    pub bytes: Vec<u8>,
    /// [`abi::RAW`], [`abi::SERVICE`], for which the framework comes first, or [`abi::FRAMEWORK`].
    pub kind: u32,
}

/// Makes it of the module that `spec` names. The error says what is wrong, beginning with the name.
pub fn make(vectors: &Vectors, own: &CStr, spec: Spec<'_>) -> Result<Made, String> {
    let made = of_any(vectors, own, spec)?;
    if made.kind == abi::FRAMEWORK {
        return Err(format!(
            "{}: it is no module, but what services rest on, and is there with the first of them",
            Shown(made.path.to_bytes())
        ));
    }
    Ok(made)
}

/// Makes it of the framework.
pub fn make_framework(vectors: &Vectors, own: &CStr) -> Result<Made, String> {
    let spec = Spec::parse(FRAMEWORK).map_err(|malformed| format!("{malformed}"))?;
    of_any(vectors, own, spec)
}

fn of_any(vectors: &Vectors, own: &CStr, spec: Spec<'_>) -> Result<Made, String> {
    let name = spec.plain_name();
    let path = library::find(vectors, own, &name).ok_or_else(|| {
        let built_in = modules::BUILT_IN.iter().map(|raw| raw.name);
        let built_in: Vec<&str> =
            built_in.filter(|name| !name.starts_with(modules::HIDDEN)).collect();
        format!(
            "{0}: there is no module '{0}', nor '{0}.so' where modules are; built in are: {1}",
            Shown(&name),
            built_in.join(", ")
        )
    })?;
    let said = |why: &dyn core::fmt::Display| format!("{}: {why}", Shown(path.to_bytes()));
    let file = library::read(&path).map_err(|error| said(&error.text()))?;
    let framework = framework(vectors, own, &name);
    let exported = framework.as_ref().and_then(|found| Some(&found.as_ref().ok()?.0[..]));
    let plan =
        judge(&file, &Offered(exported)).map_err(|refusal| match (&refusal, &framework) {
            // What is missing may be in what could not be had.
            (Refusal::Symbol(_), Some(Err(why))) => why.clone(),
            _ => said(&refusal),
        })?;
    if !arch::can_keep(plan.prepared.vectors) {
        return Err(said(
            &"it uses vector registers that cannot be kept for the program on this machine; compile it without AVX and x87",
        ));
    }
    let known = |key: &[u8]| plan.keys.split(|&byte| byte == b',').any(|known| known == key);
    if let Some(key) = spec.keys().find(|key| !known(key)) {
        return Err(match plan.keys {
            b"" => said(&format!("it has no argument '{}'; it takes none", Shown(key))),
            keys => said(&format!("it has no argument '{}'; it has: {}", Shown(key), Shown(keys))),
        });
    }
    let kind = plan.prepared.kind as u32;
    let service = kind == abi::SERVICE;
    let linked = match framework.filter(|_| service).transpose()? {
        Some((_, key)) => key,
        None => 0,
    };
    if service && linked == 0 {
        return Err(said(&"it needs the module 'service', which is not where modules are"));
    }
    let mut bytes = vec![0; plan.length()];
    plan.write(&mut bytes, linked);
    Ok(Made { path, bytes, kind })
}

/// The framework's file and what is known it by, for a module that may rest on it; or why it cannot be had. None where there
/// is none.
fn framework(vectors: &Vectors, own: &CStr, name: &[u8]) -> Option<Result<(Vec<u8>, u64), String>> {
    if name == FRAMEWORK {
        return None;
    }
    let path = library::find(vectors, own, FRAMEWORK)?;
    let said = |why: &dyn core::fmt::Display| format!("{}: {why}", Shown(path.to_bytes()));
    let known = |file: Vec<u8>| {
        let plan = judge(&file, &Offered(None)).map_err(|refusal| said(&refusal))?;
        let mut bytes = vec![0; plan.length()];
        let key = plan.write(&mut bytes, 0);
        drop(plan);
        Ok((file, key))
    };
    Some(library::read(&path).map_err(|error| said(&error.text())).and_then(known))
}

/// Before each of what was prepared is a page.
const PAGE: usize = 4096;

/// Prepares what `-m` names for the session that begins, and becomes vload again, with the arguments from `first`
/// on.
pub fn begin(vectors: &Vectors, own: &CStr, texts: &[&[u8]], first: usize) -> ! {
    let mut made: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut add = |place: usize, one: Result<Made, String>| match one {
        Ok(one) => {
            made.push((place as u64, one.bytes));
            one.kind == abi::SERVICE
        }
        Err(why) => fail(USAGE, format_args!("-m: {why}")),
    };
    let mut service = false;
    for (index, text) in texts.iter().enumerate() {
        if let Ok(spec) = Spec::parse(text)
            && modules::named(spec.name).is_none()
        {
            service |= add(index + 1, make(vectors, own, spec));
        }
    }
    if service {
        add(0, make_framework(vectors, own));
    }
    made.sort_by_key(|&(place, _)| place);
    let mut file = Vec::new();
    for (place, bytes) in made {
        let mut head = [0; PAGE];
        head[..8].copy_from_slice(&(bytes.len() as u64).to_ne_bytes());
        head[8..16].copy_from_slice(&place.to_ne_bytes());
        file.extend_from_slice(&head);
        file.extend_from_slice(&bytes);
        file.resize(file.len().next_multiple_of(PAGE), 0);
    }
    let fd = session::text_file(&file).and_then(|fd| {
        sys::set_close_on_exec(fd, false)?;
        Ok(fd)
    });
    let fd = match fd {
        Ok(fd) => fd,
        Err(error) => {
            fail(USAGE, format_args!("-m: no file for what is prepared: {}", error.text()))
        }
    };
    let number = CString::new(format!("{fd}")).unwrap_or_default();
    let mut argv = vec![c"vload".as_ptr() as usize, c"--prepared".as_ptr() as usize];
    argv.push(number.as_ptr() as usize);
    argv.extend_from_slice(vectors.argv.get(first..).unwrap_or(&[]));
    natively::execute(own, &argv, vectors)
}
