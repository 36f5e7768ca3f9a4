//! `vload new NAME --lang rust|c`: a folder with a module, what builds it, and its test.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use linux_raw_sys::general::{O_CREAT, O_EXCL, O_WRONLY, X_OK};
use runtime::sys::{self, Errno};

use super::template::{self, Words};
use super::{CRATE, HEADER, for_shell, name};
use crate::client::folder_of;
use crate::message::{Shown, fail};
use crate::tool::verbs::{FAILED, usage};
use crate::vectors::Vectors;

/// What a module is written in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// C, built by make.
    C,
    /// Rust, built by cargo.
    Rust,
}

/// What is asked.
struct Ask<'a> {
    name: &'a str,
    language: Language,
}

impl<'a> Ask<'a> {
    /// Reads the words.
    fn read(words: &[&'a [u8]]) -> Self {
        let (mut name, mut language) = (None, None);
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let given = match word.strip_prefix(b"--lang=") {
                None if word == b"--lang" => Some(words.next().unwrap_or_default()),
                given => given,
            };
            match given {
                Some(b"c") => language = Some(Language::C),
                Some(b"rust") => language = Some(Language::Rust),
                Some(other) => usage(format_args!(
                    "new: a module is written in 'rust' or in 'c', not in '{}'",
                    Shown(other)
                )),
                None if word.starts_with(b"-") => {
                    usage(format_args!("unknown option '{}'", Shown(word)))
                }
                None if name.replace(word).is_some() => {
                    usage(format_args!("new: one name, and '{}' is another", Shown(word)))
                }
                None => {}
            }
        }
        let Some(name) = name else { usage(format_args!("new: the module needs a name")) };
        let Some(language) = language else {
            usage(format_args!("new: say what it is written in: --lang rust, or --lang c"))
        };
        if let Some(why) = name::refusal(name, language) {
            fail(FAILED, format_args!("new: '{}': {why}", Shown(name)));
        }
        let name = core::str::from_utf8(name).unwrap_or_default();
        Self { name, language }
    }
}

/// Writes a file that was not there.
fn write(path: &[u8], content: &[u8]) -> Result<(), Errno> {
    let path = CString::new(path).map_err(|_| Errno::INVAL)?;
    let file = sys::openat(sys::CWD, &path, O_WRONLY | O_CREAT | O_EXCL, 0o666)?;
    let written = sys::write_all(file, content);
    sys::close(file);
    written
}

fn make_folder(path: &[u8]) -> Result<(), Errno> {
    CString::new(path).map_err(|_| Errno::INVAL).and_then(|path| sys::mkdir(&path, 0o777))
}

/// Writes the module, and says what comes next.
pub fn new(vectors: &Vectors, own: &CStr, words: &[&[u8]]) -> ! {
    let Ask { name, language } = Ask::read(words);
    let kit = if language == Language::C { &HEADER } else { &CRATE };
    let found = kit.find(own).and_then(|path| {
        String::from_utf8(path).map_err(|_| String::from("vload's own path is no text"))
    });
    let library = match found {
        Ok(library) => library,
        Err(why) => fail(FAILED, format_args!("new: {why}")),
    };
    let words = Words { name, library: &library };
    let refuse = |path: &[u8], error: Errno| -> ! {
        let why = match error {
            Errno::EXIST => "it is there already, and stays as it is",
            error => error.text(),
        };
        fail(FAILED, format_args!("new: {}: {why}", Shown(path)))
    };
    if let Err(error) = make_folder(name.as_bytes()) {
        refuse(name.as_bytes(), error);
    }
    for template in template::of(language) {
        let path = format!("{name}/{}", words.put(template.path));
        // No template is deeper than one folder.
        if let Some((folder, _)) = path.rsplit_once('/').filter(|(folder, _)| *folder != name)
            && let Err(error) = make_folder(folder.as_bytes())
            && error != Errno::EXIST
        {
            refuse(folder.as_bytes(), error);
        }
        if let Err(error) = write(path.as_bytes(), &words.content(template)) {
            refuse(path.as_bytes(), error);
        }
    }
    let mut text = format!("{name}: a module, and its test. Next:\n\n    cd {name}\n");
    let in_path = |program: &str| is_in_path(vectors, program.as_bytes());
    if !in_path("vload") {
        let program = [folder_of(own.to_bytes()), b"/vload"].concat();
        text += &format!("    export VLOAD={}    # or put it in PATH\n", for_shell(&program));
    }
    let (check, tools) = match language {
        Language::C => ("make check", &["make", "cc"][..]),
        Language::Rust => ("cargo test", &["cargo"][..]),
    };
    text += &format!("    {check}\n");
    let missing: Vec<&str> = tools.iter().copied().filter(|program| !in_path(program)).collect();
    if !missing.is_empty() {
        let from = match language {
            Language::C => "the packages of your system that have a C compiler and make",
            Language::Rust => "rustup.rs, or your system's package of it",
        };
        text += &format!("\nNot found in PATH: {}. Install {from}.\n", missing.join(" and "));
    }
    sys::exit(i32::from(sys::write_all(1, text.as_bytes()).is_err()))
}

/// Whether a program is on `PATH`.
fn is_in_path(vectors: &Vectors, program: &[u8]) -> bool {
    let mut folders = vectors.env(b"PATH").unwrap_or_default().split(|&byte| byte == b':');
    folders.any(|folder| {
        let path = CString::new([folder, b"/", program].concat());
        path.is_ok_and(|path| sys::access(sys::CWD, &path, X_OK as usize, 0).is_ok())
    })
}
