//! The verbs, and a nested `vload -m`: most are asked of the session that this program is in.

use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use runtime::layer::spec::Spec;
use runtime::layer::{count, modules};
use runtime::module::control::{self, Listed};
use runtime::sys::{self, Errno};
use vload_module::abi::SERVICE;

use super::{author, built_in, list, mount, nested, prepare};
use crate::message::{Shown, USAGE, fail};
use crate::natively;
use crate::vectors::{Vectors, string};

/// The exit status where something did not happen.
pub const FAILED: i32 = 1;

/// Does what is asked, and ends.
pub fn run(vectors: &Vectors, own: &CStr, words: &[&'static [u8]]) -> ! {
    let Some((&verb, words)) = words.split_first() else { usage(format_args!("no verb")) };
    match verb {
        b"new" => author::new(vectors, own, words),
        b"cflags" => author::flags(own, words),
        b"mount" | b"umount" => {
            need_session(verb);
            if verb == b"mount" {
                mount::mount(words)
            } else {
                mount::umount(words)
            }
            sys::exit(0)
        }
        _ => {}
    }
    let mut words = words;
    let mut json = false;
    while let Some((&word, rest)) = words.split_first() {
        match word {
            b"--json" if verb == b"lsmod" => json = true,
            b"--" => {
                words = rest;
                break;
            }
            _ if word.len() > 1 && word.starts_with(b"-") => {
                usage(format_args!("unknown option '{}'", Shown(word)))
            }
            _ => break,
        }
        words = rest;
    }
    match (verb, words) {
        (b"lsmod", [word, ..]) => usage(format_args!("lsmod takes no '{}'", Shown(word))),
        (b"insmod" | b"rmmod", []) => usage(format_args!("{}: no module is named", Shown(verb))),
        _ => {}
    }
    need_session(verb);
    match verb {
        b"lsmod" => list::list(json),
        b"insmod" => {
            let mut text = words[0].to_vec();
            for (index, word) in words[1..].iter().enumerate() {
                text.push(if index == 0 { b':' } else { b',' });
                text.extend_from_slice(word);
            }
            match insert(vectors, own, &text) {
                Ok(true) => built_in::report_at_end(vectors, own),
                Ok(false) => {}
                Err(why) => fail(FAILED, format_args!("insmod: {why}")),
            }
        }
        _ => words.iter().for_each(|name| remove(name)),
    }
    sys::exit(0)
}

/// Ends where there is no session.
fn need_session(verb: &[u8]) {
    if control::ask(control::INFO, [control::VERSION, 0, 0]).is_err() {
        fail(
            USAGE,
            format_args!(
                "{}: not inside a session; 'vload sh' begins one, and 'vload -m NAME sh' one with a module",
                Shown(verb)
            ),
        );
    }
}

/// Says what is wrong with the words, and ends.
pub fn usage(why: core::fmt::Arguments<'_>) -> ! {
    fail(USAGE, format_args!("{why}\nTry 'vload --help'."))
}

fn remove(name: &[u8]) {
    let asked = CString::new(name)
        .map_err(|_| Errno::NOENT)
        .and_then(|name| control::ask(control::RMMOD, [name.as_ptr() as usize, 0, 0]));
    let why = match asked {
        Ok(0) => return,
        Ok(report) => return built_in::write(report),
        Err(Errno::NOENT) if is_listed(name, None) => {
            "the session began with it, and has it until its end"
        }
        Err(Errno::NOENT) => "no such module is loaded",
        Err(Errno::BUSY) => "it is in use",
        Err(Errno::PERM) => "it was loaded outside of this view, and can be removed only there",
        Err(error) => error.text(),
    };
    fail(FAILED, format_args!("rmmod: {}: {why}", Shown(name)));
}

/// Whether there is a layer of that name; with arguments, one that has them and is in this very view.
fn is_listed(name: &[u8], arguments: Option<&[u8]>) -> bool {
    let view = control::ask(control::INFO, [control::VERSION, 0, 0]);
    let is_it = |layer: &Listed| {
        list::text(&layer.name).as_bytes() == name
            && arguments.is_none_or(|text| {
                list::text(&layer.arguments).as_bytes() == text && view == Ok(layer.view as usize)
            })
    };
    list::layers().is_ok_and(|layers| layers.iter().any(is_it))
}

/// Asks the session to load what was made of a module's file, or, of no bytes, one that is part of vload.
fn ask(bytes: &[u8], arguments: &CStr) -> sys::Result<usize> {
    let (start, length) = (bytes.as_ptr() as usize, bytes.len());
    control::ask(control::INSMOD, [start, length, arguments.as_ptr() as usize])
}

/// Makes a layer of what `text` names, with the framework before it where it needs that; gives whether it has a file for a
/// report at its end.
fn insert(vectors: &Vectors, own: &CStr, text: &[u8]) -> Result<bool, String> {
    let spec =
        Spec::parse(text).map_err(|malformed| alloc::format!("{}: {malformed}", Shown(text)))?;
    let mut has_file = false;
    let (name, answer) = if modules::named(spec.name).is_some() {
        let (asked, reports) = built_in::request(text)?;
        has_file = reports;
        // Of what the session began with it knows nothing more than this process.
        let answer = match is_listed(spec.name, Some(spec.text())) {
            true => Err(Errno::EXIST),
            false => ask(&[], &asked),
        };
        (CString::new(spec.name).unwrap_or_default(), answer)
    } else {
        let made = prepare::make(vectors, own, spec)?;
        let arguments = CString::new(spec.text()).unwrap_or_default();
        let mut answer = ask(&made.bytes, &arguments);
        if made.kind == SERVICE && answer == Err(Errno::NOPKG) {
            // Another process may have been faster, or have another one: that shows in the second answer.
            let _ = ask(&prepare::make_framework(vectors, own)?.bytes, c"");
            answer = ask(&made.bytes, &arguments);
        }
        (made.path, answer)
    };
    let why = match answer {
        Ok(_) => return Ok(has_file),
        Err(Errno::EXIST) => "it is loaded already with these arguments",
        Err(Errno::NOSPC) => "the session has no room for it",
        Err(Errno::NOEXEC) => "this session is of another version of vload",
        Err(Errno::NOPKG) => "the session has another version of the module 'service'",
        Err(error) => error.text(),
    };
    Err(alloc::format!("{}: {why}", Shown(name.to_bytes())))
}

/// Loads what `-m` names in a view of its own, and becomes the program whose path, and behind it its vector, are the
/// arguments from `first` on.
pub fn nest(vectors: &Vectors, own: &CStr, texts: &[&[u8]], first: usize) -> ! {
    let counts = |text: &&[u8]| {
        Spec::parse(text).is_ok_and(|spec| spec.name == count::COUNT.name.as_bytes())
    };
    let parent = texts.iter().any(counts).then(nested::with_parent);
    if let Err(error) = control::ask(control::VIEW, [0; 3]) {
        fail(USAGE, format_args!("the session has no room for a view: {}", error.text()));
    }
    for text in texts {
        if let Err(why) = insert(vectors, own, text) {
            fail(USAGE, format_args!("-m: {why}"));
        }
    }
    if let Some(Err(error)) = parent.map(nested::Parent::tell) {
        fail(USAGE, format_args!("-m: count: nobody can print the table: {}", error.text()));
    }
    let argv: Vec<usize> = vectors.argv.get(first..).unwrap_or(&[]).into();
    let Some((&path, argv)) = argv.split_first() else { usage(format_args!("no program to run")) };
    natively::execute(string(path), argv, vectors)
}
