//! `vload mount` and `vload umount`: mount(2) and umount2(2) as a session sees them, without what mount(8) wants to know
//! about the machine, and without its rights.

use alloc::ffi::CString;
use alloc::vec::Vec;

use linux_raw_sys::general as nr;
use runtime::sys::{self, Errno};

use super::verbs::{FAILED, usage};
use crate::message::{Shown, fail};

/// What an option of mount(8) does to the flags of mount(2): sets the first, clears the second.
const OPTIONS: &[(&str, u32, u32)] = &[
    ("defaults", 0, 0),
    ("ro", nr::MS_RDONLY, 0),
    ("rw", 0, nr::MS_RDONLY),
    ("suid", 0, nr::MS_NOSUID),
    ("nosuid", nr::MS_NOSUID, 0),
    ("dev", 0, nr::MS_NODEV),
    ("nodev", nr::MS_NODEV, 0),
    ("exec", 0, nr::MS_NOEXEC),
    ("noexec", nr::MS_NOEXEC, 0),
    ("async", 0, nr::MS_SYNCHRONOUS),
    ("sync", nr::MS_SYNCHRONOUS, 0),
    ("dirsync", nr::MS_DIRSYNC, 0),
    ("remount", nr::MS_REMOUNT, 0),
    ("bind", nr::MS_BIND, 0),
    ("rbind", nr::MS_BIND | nr::MS_REC, 0),
    ("atime", 0, nr::MS_NOATIME),
    ("noatime", nr::MS_NOATIME, 0),
    ("diratime", 0, nr::MS_NODIRATIME),
    ("nodiratime", nr::MS_NODIRATIME, 0),
    ("relatime", nr::MS_RELATIME, 0),
    ("strictatime", nr::MS_STRICTATIME, nr::MS_RELATIME),
    ("lazytime", nr::MS_LAZYTIME, 0),
    ("nolazytime", 0, nr::MS_LAZYTIME),
    ("silent", nr::MS_SILENT, 0),
    ("loud", 0, nr::MS_SILENT),
];

/// The flags that a list of options stands for, and what is the file system's, with commas between.
fn split(options: &[u8]) -> (u32, Vec<u8>) {
    let (mut flags, mut data) = (0, Vec::new());
    for option in options.split(|&byte| byte == b',').filter(|option| !option.is_empty()) {
        match OPTIONS.iter().find(|(name, ..)| name.as_bytes() == option) {
            Some((_, set, clear)) => flags = flags & !clear | set,
            None => {
                if !data.is_empty() {
                    data.push(b',');
                }
                data.extend_from_slice(option);
            }
        }
    }
    (flags, data)
}

/// A word of the command line, which ends with a zero there.
fn text(word: &[u8]) -> CString {
    CString::new(word).unwrap_or_default()
}

/// The value of an option: behind its letter, or the next word.
fn value<'a>(word: &'a [u8], words: &mut impl Iterator<Item = &'a [u8]>) -> &'a [u8] {
    let behind = word.get(2..).filter(|value| !value.is_empty());
    behind.or_else(|| words.next()).unwrap_or_else(|| {
        usage(format_args!("mount: option '{}' needs a value", Shown(word)));
    })
}

/// `vload mount -t TYPE [-o OPTIONS] SOURCE TARGET`.
pub fn mount(words: &[&[u8]]) {
    let (mut kind, mut options, mut places) = (None, Vec::new(), Vec::new());
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            b"--" => places.extend(words.by_ref()),
            [b'-', b't', ..] => kind = Some(value(word, &mut words)),
            [b'-', b'o', ..] => {
                options.push(b',');
                options.extend_from_slice(value(word, &mut words));
            }
            [b'-', _, ..] => usage(format_args!("unknown option '{}'", Shown(word))),
            _ => places.push(word),
        }
    }
    let &[source, target] = &places[..] else {
        usage(format_args!("mount: what is mounted, and where: vload mount -t TYPE SOURCE TARGET"))
    };
    let (flags, data) = split(&options);
    if kind.is_none() && flags & (nr::MS_BIND | nr::MS_REMOUNT) == 0 {
        usage(format_args!("mount: say what type of file system it is: -t TYPE"));
    }
    let (named, data) = (kind.map(text), text(&data));
    let data = (!data.is_empty()).then_some(&*data);
    let mounted = sys::mount(&text(source), &text(target), named.as_deref(), flags, data);
    let shown = Shown(target);
    match (mounted, kind) {
        (Ok(()), _) => {}
        (Err(Errno::NODEV), Some(kind)) => fail(
            FAILED,
            format_args!(
                "mount: {shown}: neither a module nor the kernel has file systems of type '{}'; \
                 'vload insmod NAME' loads a module",
                Shown(kind)
            ),
        ),
        (Err(Errno::INVAL), _) => fail(
            FAILED,
            format_args!("mount: {shown}: the file system does not take these options (EINVAL)"),
        ),
        (Err(error), _) => refuse("mount", target, error),
    }
}

/// `vload umount TARGET...`.
pub fn umount(words: &[&[u8]]) {
    let words = match words {
        [b"--", words @ ..] => words,
        [word @ [b'-', _, ..], ..] => usage(format_args!("unknown option '{}'", Shown(word))),
        words => words,
    };
    if words.is_empty() {
        usage(format_args!("umount: say where the file system is that goes"));
    }
    for &word in words {
        match sys::umount(&text(word), 0) {
            Ok(()) => {}
            Err(Errno::INVAL) => fail(
                FAILED,
                format_args!("umount: {}: nothing is mounted there (EINVAL)", Shown(word)),
            ),
            Err(Errno::BUSY) => fail(
                FAILED,
                format_args!("umount: {}: somebody has a file of it open (EBUSY)", Shown(word)),
            ),
            Err(error) => refuse("umount", word, error),
        }
    }
}

fn refuse(verb: &str, target: &[u8], error: Errno) -> ! {
    let name = error.name().unwrap_or("?");
    fail(FAILED, format_args!("{verb}: {}: {} ({name})", Shown(target), error.text()))
}
