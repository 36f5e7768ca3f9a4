//! A `vload` that is started in a session of another one, and what modules that are files need. It asks the
//! session by the control call; what reads files and lists is in a program of its own, `vload-tool`, which
//! vload becomes for that.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ptr::NonNull;

use linux_raw_sys::general::X_OK;
use runtime::layer::spec::Spec;
use runtime::layer::{count, modules};
use runtime::module::{self, control};
use runtime::process::OPTIONS;
use runtime::session;
use runtime::sys::{self, Errno};
use runtime::view::OWN;

use crate::auxv::AT_EXECFN;
use crate::command::Run;
use crate::find;
use crate::handover;
use crate::message::{NOT_EXECUTABLE, Shown, USAGE, fail};
use crate::natively;
use crate::vectors::{Vectors, string};

/// How vload is started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// As any program is.
    Outside,
    /// In a session.
    Inside,
    /// Under a vload that has no session to speak of, or is of another version.
    Apart,
}

/// The entry of the auxiliary vector by which a vload knows that it is started under one: no filter of the
/// machine's need let a call pass that no kernel has.
pub const AT_VLOAD: u32 = 0x766c_6f64;

/// How vload is started.
pub fn place(vectors: &Vectors) -> Where {
    if vectors.aux(AT_VLOAD).is_none() {
        return Where::Outside;
    }
    match control::ask(control::INFO, [control::VERSION, 0, 0]) {
        Ok(_) => Where::Inside,
        Err(_) => Where::Apart,
    }
}

/// Whether the file is vload itself.
pub fn is_ourselves(file: i32) -> bool {
    let own = match OWN.exe.get() {
        exe @ 0.. => sys::fstat(exe),
        _ => sys::stat(sys::CWD, c"/proc/self/exe"),
    };
    let theirs = sys::fstat(file);
    own.is_ok_and(|own| theirs.is_ok_and(|theirs| (own.dev, own.ino) == (theirs.dev, theirs.ino)))
}

/// The path of the program `vload`.
pub fn own_path(vectors: &Vectors) -> Vec<u8> {
    let mut buffer = [0; 4096];
    match (sys::readlink(sys::CWD, c"/proc/self/exe", &mut buffer), vectors.aux(AT_EXECFN)) {
        (Ok(path), _) => path.into(),
        (Err(_), Some(name)) => find::real_path(-1, string(name)),
        _ => Vec::new(),
    }
}

/// The folder that a file is in.
pub fn folder_of(path: &[u8]) -> &[u8] {
    &path[..path.iter().rposition(|&byte| byte == b'/').unwrap_or(0)]
}

/// Begins anew outside of the session.
pub fn leave(vectors: &Vectors) -> ! {
    if control::ask(control::LEAVE, [0; 3]).is_ok()
        && let Ok(own) = CString::new(own_path(vectors))
    {
        natively::execute(&own, vectors.argv, vectors);
    }
    fail(NOT_EXECUTABLE, format_args!("the session of the outer vload cannot be left"))
}

/// Becomes `vload-tool`, with `words` and all arguments from `first` on.
pub fn become_tool(vectors: &Vectors, words: &[&[u8]], first: usize) -> ! {
    let own = own_path(vectors);
    let folder = folder_of(&own);
    let program = [&b"/vload-tool"[..], b"/../lib/vload/vload-tool"]
        .into_iter()
        .filter_map(|name| CString::new([folder, name].concat()).ok())
        .find(|path| sys::access(sys::CWD, path, X_OK as usize, 0).is_ok());
    let Some(program) = program else {
        fail(
            USAGE,
            format_args!(
                "this needs the program 'vload-tool', which is neither in {0} nor in {0}/../lib/vload",
                Shown(folder)
            ),
        )
    };
    let kept = |text: &[u8]| {
        let text: Vec<u8> = text.iter().copied().chain([0]).collect();
        text.leak().as_ptr() as usize
    };
    let mut argv = Vec::from([kept(b"vload-tool"), kept(&own)]);
    argv.extend(words.iter().map(|word| kept(word)));
    argv.extend_from_slice(vectors.argv.get(first..).unwrap_or(&[]));
    natively::execute(&program, &argv, vectors)
}

/// Whether a process can read what is in a view when nobody is in it any more.
fn can_outlive() -> bool {
    control::ask(control::STAY, [0; 3]).map(|fd| sys::close(fd as i32)).is_ok()
}

/// Goes on where modules that are files have been prepared, or in the session that vload is started in. What only a
/// session's beginning can take begins one, natively.
pub fn settle(vectors: &Vectors, run: &Run) {
    let mut words: Vec<&[u8]> = Vec::from([&b"--begin"[..]]);
    words.extend(OPTIONS.values(modules::OPTION));
    let raw = |text: &[u8]| Spec::parse(text).ok().and_then(|spec| modules::named(spec.name));
    let modules = || words[1..].iter().map(|text| raw(text));
    let are_files = modules().any(|raw| raw.is_none());
    // Its table is printed by a parent, which is not in the view.
    let counts = modules().flatten().any(|raw| core::ptr::eq(raw, &count::COUNT));
    match place(vectors) {
        Where::Outside => {
            if are_files && run.prepared.is_none() {
                words.push(b"--");
                become_tool(vectors, &words, 1);
            }
        }
        Where::Inside
            if (!counts || can_outlive())
                && run.is_plain()
                && OPTIONS.has_only(modules::OPTION) =>
        {
            let (path, _) = find::program(vectors, run.program);
            if words.len() == 1 {
                natively::execute(&path, &vectors.argv[run.first..], vectors);
            }
            words[0] = b"--nest";
            words.extend([&b"--"[..], path.to_bytes()]);
            become_tool(vectors, &words, run.first);
        }
        _ => leave(vectors),
    }
}

/// Puts layers of what `vload-tool` has prepared in the session that begins, each in its place. The file has for each of
/// them its length in 8 bytes, the place of its text among `-m`, 0 for the framework, and what was made of it.
pub fn load(run: &Run) {
    let Some(file) = run.prepared else { return };
    handover::prepare();
    let refuse = |text: &[u8], error: Errno| -> ! {
        let why = match error {
            Errno::NOEXEC => "it was not prepared for this version of vload",
            Errno::EXIST => "it is given twice with the same arguments",
            error => error.text(),
        };
        fail(USAGE, format_args!("-m: {}: {why}", Shown(text)))
    };
    let length = sys::fstat(file).map_or(0, |stat| stat.size as usize);
    let start = match sys::map_private(file, 0, length) {
        Ok(start) => start,
        Err(error) => refuse(b"vload-tool", error),
    };
    sys::close(file);
    // SAFETY: mapped just now, as long; it stays mapped until the program begins.
    let mut rest = unsafe { core::slice::from_raw_parts(start as *const u8, length) };
    while let Some((head, behind)) = rest.split_first_chunk::<PAGE>() {
        let word = |at: usize| {
            head[at..].first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes)) as usize
        };
        let (length, place) = (word(0), word(8));
        let text = match place.checked_sub(1) {
            Some(index) => OPTIONS.values(modules::OPTION).nth(index).unwrap_or_default(),
            None => b"service",
        };
        let Some(bytes) = behind.get(..length) else { refuse(text, Errno::NOEXEC) };
        let arguments = Spec::parse(text).map_or(&b""[..], Spec::text);
        let load = || module::load(bytes, arguments, NonNull::new(handover::first_block()));
        let loaded = if place == 0 { load() } else { session::at_place(place, load) };
        if let Err(error) = loaded {
            refuse(text, error);
        }
        rest = &behind[length.next_multiple_of(PAGE).min(behind.len())..];
    }
    // SAFETY: nothing refers to it any more.
    unsafe { sys::munmap(start, length) };
}

/// Before each of what was prepared is a page.
const PAGE: usize = 4096;
