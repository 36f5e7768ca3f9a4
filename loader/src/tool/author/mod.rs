//! For those who write modules: where the header and the crate are, how a compiler is called, and a module to begin with.

mod name;
mod new;
mod template;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use linux_raw_sys::general::{O_PATH, O_RDONLY};
use runtime::arch::MODULE_FLAGS;
use runtime::sys;

use super::verbs::{FAILED, usage};
use crate::client::folder_of;
use crate::find::real_path;
use crate::message::{Shown, fail};

pub use new::new;

/// What every C compiler is told, whatever the processor.
const FLAGS: &str = include_str!("../../../../module/cflags");

/// Something that authors need, and where it is: below the prefix that vload is installed in; beside a vload that
/// `cargo xtask build` has made, in the folder `module`, which leads into the checkout; or in the checkout that a `target/release` is in.
struct Kit {
    /// The file by which it is known.
    file: &'static str,
    /// Folders, as seen from the program's.
    places: [&'static str; 3],
}

/// The header of modules in C.
const HEADER: Kit = Kit {
    file: "vload/module.h",
    places: ["../include", "module/include", "../../module/include"],
};

/// The crate of modules in Rust.
const CRATE: Kit =
    Kit { file: "Cargo.toml", places: ["../share/vload/module", "module", "../../module"] };

impl Kit {
    /// The folder that it is in, or a message that says where it is not.
    fn find(&self, own: &CStr) -> Result<Vec<u8>, String> {
        let folder = folder_of(own.to_bytes());
        for place in self.places {
            let path = [folder, b"/", place.as_bytes()].concat();
            let file = [&path[..], b"/", self.file.as_bytes(), b"\0"].concat();
            let Ok(file) = CStr::from_bytes_with_nul(&file) else { continue };
            if sys::stat(sys::CWD, file).is_ok_and(|stat| stat.is_file()) {
                return Ok(as_it_is(path));
            }
        }
        Err(format!(
            "there is no '{}' in {3}/{}, nor in {3}/{}; 'cargo xtask install' puts it there, or 'cargo xtask build'",
            self.file,
            self.places[0],
            self.places[1],
            Shown(folder)
        ))
    }
}

/// A folder's path without links, so that what is written down holds when they change.
fn as_it_is(mut path: Vec<u8>) -> Vec<u8> {
    path.push(0);
    let Ok(given) = CStr::from_bytes_until_nul(&path) else { return path };
    match sys::openat(sys::CWD, given, O_RDONLY | O_PATH, 0) {
        Ok(fd) => {
            let real = real_path(fd, given);
            sys::close(fd);
            real
        }
        Err(_) => real_path(-1, given),
    }
}

/// A word for a shell: as it is where that means itself, else in quotes. What is no text is as in any message.
fn for_shell(word: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%".contains(byte);
    let shown = format!("{}", Shown(word));
    match word.iter().all(plain) {
        true => shown,
        // Within such quotes only the quote itself ends them (sh(1), "Single Quotes").
        false => format!("'{}'", shown.replace('\'', "'\\''")),
    }
}

/// `vload cflags`: what a C or C++ compiler is told to make a module of a file.
pub fn flags(own: &CStr, words: &[&[u8]]) -> ! {
    if let [word, ..] = words {
        usage(format_args!("cflags takes no '{}'", Shown(word)));
    }
    let folder = match HEADER.find(own) {
        Ok(folder) => folder,
        Err(why) => fail(FAILED, format_args!("cflags: {why}")),
    };
    let mut line = for_shell(&[b"-I", &folder[..]].concat()).into_bytes();
    for word in FLAGS.split_whitespace().chain(MODULE_FLAGS.iter().copied()) {
        line.push(b' ');
        line.extend_from_slice(word.as_bytes());
    }
    line.push(b'\n');
    sys::exit(i32::from(sys::write_all(1, &line).is_err()))
}
