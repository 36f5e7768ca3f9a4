//! From the C functions of a service module's operations to the methods of the trait.

use super::{File, Listed, Mount, Node, Opened, Service, abi};
use crate::abi::service::ServiceOperations;
use crate::abi::{self as c, MAGIC, Module, SERVICE, VERSION};
use crate::raw::Next;
use crate::{Errno, Layer, Result};
use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::slice::{from_raw_parts, from_raw_parts_mut};

/// Where an image has its module.
#[doc(hidden)]
pub trait Value {
    /// Its type.
    type Service: Service + 'static;
    /// The one value.
    fn value() -> &'static Self::Service;
}

trait Number {
    fn number(self) -> i64;
}

macro_rules! numbers {
    ($($kind:ty),*) => {
        $(impl Number for $kind {
            fn number(self) -> i64 {
                self as i64
            }
        })*
    };
}

numbers!(bool, u16, usize, i64);

impl Number for () {
    fn number(self) -> i64 {
        0
    }
}

fn result(of: Result<impl Number>) -> i64 {
    match of {
        Ok(value) => value.number(),
        Err(Errno(number)) => i64::from(-number),
    }
}

/// The framework's node as the trait has it.
///
/// # Safety
/// `raw` is the framework's, for this call.
unsafe fn node<'a>(raw: *const abi::Node) -> &'a Node<'a> {
    // SAFETY: the caller's promise; the type is transparent.
    unsafe { &*raw.cast() }
}

/// The framework's file as the trait has it.
///
/// # Safety
/// `raw` is the framework's, for this call.
unsafe fn file<'a>(raw: *mut abi::File) -> &'a File<'a> {
    // SAFETY: the caller's promise; the type is transparent.
    unsafe { &*raw.cast() }
}

/// Bytes to fill. None where there are none to write, whatever the pointer.
///
/// # Safety
/// There are `length` bytes at `at`.
unsafe fn room<'a, T>(at: *mut T, length: usize) -> &'a mut [u8] {
    // SAFETY: the caller's promise.
    if length == 0 { &mut [] } else { unsafe { from_raw_parts_mut(at.cast(), length) } }
}

/// Bytes to read.
///
/// # Safety
/// There are `length` bytes at `at`.
unsafe fn bytes<'a>(at: *const c_void, length: usize) -> &'a [u8] {
    // SAFETY: the caller's promise.
    if length == 0 { &[] } else { unsafe { from_raw_parts(at.cast(), length) } }
}

/// A string.
///
/// # Safety
/// It ends with a zero and lasts as long as the call.
unsafe fn text<'a>(at: *const c_char) -> &'a CStr {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(at) }
}

/// Writes a value where the framework wants it.
///
/// # Safety
/// `to` may be written.
unsafe fn store<T>(to: *mut T, value: Result<T>) -> c_int {
    // SAFETY: the caller's promise.
    let stored = value.map(|value| unsafe { to.write(value) });
    result(stored) as c_int
}

macro_rules! exported {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $result:ty { $($call:tt)* })*) => {
        $(unsafe extern "C" fn $name<V: Value>($($argument: $kind),*) -> $result {
            // SAFETY: the framework calls with nodes, files, strings and buffers that are valid for the call.
            let of = unsafe { exported!(@call V $name $($call)*) };
            result(of) as $result
        })*
    };
    (@call $v:ident $name:ident $($argument:expr),*) => {
        $v::value().$name($($argument),*)
    };
}

exported! {
    confirm(n: *const abi::Node) -> c_int { node(n) }
    read(f: *mut abi::File, to: *mut c_void, length: usize, offset: i64) -> c_long { file(f), room(to, length), offset }
    write(f: *mut abi::File, from: *const c_void, length: usize, offset: i64) -> c_long { file(f), bytes(from, length), offset }
    close(f: *mut abi::File) -> c_int { file(f) }
    lseek(f: *mut abi::File, offset: i64, whence: c_int) -> i64 { file(f), offset, whence }
    ioctl(f: *mut abi::File, request: u32, argument: usize) -> c_long { file(f), request, argument }
    poll(f: *mut abi::File) -> c_int { file(f) }
    fsync(f: *mut abi::File, data_only: c_int) -> c_int { file(f), data_only != 0 }
    allocate(f: *mut abi::File, mode: c_int, offset: i64, length: i64) -> c_int { file(f), mode, offset, length }
    list(f: *mut abi::File, cookie: *mut u64, entry: *mut abi::Entry) -> c_int { file(f), &mut *cookie, &mut Listed(&mut *entry) }
    access(n: *const abi::Node, mode: c_int) -> c_int { node(n), mode }
    readlink(n: *const abi::Node, to: *mut c_char, length: usize) -> c_long { node(n), room(to, length) }
    utimens(n: *const abi::Node, times: *const [abi::Time; 2]) -> c_int { node(n), &*times }
    symlink(n: *const abi::Node, target: *const c_char) -> c_int { node(n), text(target) }
    link(from: *const abi::Node, to: *const abi::Node) -> c_int { node(from), node(to) }
    unlink(n: *const abi::Node) -> c_int { node(n) }
    mkdir(n: *const abi::Node, mode: u32) -> c_int { node(n), mode }
    rmdir(n: *const abi::Node) -> c_int { node(n) }
    mknod(n: *const abi::Node, mode: u32, device: u64) -> c_int { node(n), mode, device }
    chmod(n: *const abi::Node, mode: u32) -> c_int { node(n), mode }
    chown(n: *const abi::Node, uid: u32, gid: u32) -> c_int { node(n), uid, gid }
    rename(from: *const abi::Node, to: *const abi::Node, flags: u32) -> c_int { node(from), node(to), flags }
    truncate(n: *const abi::Node, size: i64) -> c_int { node(n), size }
    getxattr(n: *const abi::Node, name: *const c_char, to: *mut c_void, length: usize) -> c_long { node(n), text(name), room(to, length) }
    setxattr(n: *const abi::Node, name: *const c_char, from: *const c_void, length: usize, flags: c_int) -> c_int { node(n), text(name), bytes(from, length), flags }
    listxattr(n: *const abi::Node, to: *mut c_char, length: usize) -> c_long { node(n), room(to, length) }
    removexattr(n: *const abi::Node, name: *const c_char) -> c_int { node(n), text(name) }
    mount(m: *const abi::Mount) -> c_int { &*m.cast::<Mount<'_>>() }
    umount(n: *const abi::Node, flags: c_int) -> c_int { node(n), flags }
}

unsafe extern "C" fn open<V: Value>(
    n: *const abi::Node,
    flags: c_int,
    mode: u32,
    to: *mut abi::File,
) -> c_int {
    // SAFETY: the framework's node and file.
    let (opened, to) = unsafe {
        let number = (*to).private;
        (V::value().open_as(node(n), flags, mode, number), &mut *to)
    };
    match opened {
        Ok(Opened::Virtual { private, is }) => {
            (to.private, to.is) = (private, is);
            0
        }
        Ok(Opened::Real(descriptor)) => {
            to.real = descriptor;
            abi::OPENED_REAL
        }
        Err(Errno(number)) => -number,
    }
}

unsafe extern "C" fn stat<V: Value>(n: *const abi::Node, to: *mut abi::Stat) -> c_int {
    // SAFETY: the framework's node and room.
    unsafe { store(to, V::value().stat(node(n))) }
}

unsafe extern "C" fn statfs<V: Value>(n: *const abi::Node, to: *mut abi::StatFs) -> c_int {
    // SAFETY: the framework's node and room.
    unsafe { store(to, V::value().statfs(node(n))) }
}

unsafe extern "C" fn map<V: Value>(
    f: *mut abi::File,
    offset: i64,
    length: u64,
    to: *mut abi::Piece,
) -> c_int {
    // SAFETY: the framework's file and room.
    unsafe { store(to, V::value().map(file(f), offset, length)) }
}

unsafe extern "C" fn init<V: Value>(layer: *mut c::Layer) -> c_int {
    // SAFETY: vload's, for this call.
    result(V::value().init(unsafe { Layer::new(layer) })) as c_int
}

unsafe extern "C" fn attach<V: Value>(layer: *mut c::Layer) -> c_int {
    // SAFETY: vload's, for this call.
    result(V::value().attach(unsafe { Layer::new(layer) })) as c_int
}

unsafe extern "C" fn fini<V: Value>(layer: *mut c::Layer) -> c_int {
    // SAFETY: vload's, for this call.
    result(V::value().fini(unsafe { Layer::new(layer) })) as c_int
}

unsafe extern "C" fn call<V: Value>(layer: *mut c::Layer, call: *mut c::Call) -> c_long {
    // SAFETY: the framework's layer and call, which is this function's until it returns.
    let (layer, call) = unsafe { (Layer::new(layer), &mut *call) };
    V::value().call(layer, call, Next::of(layer))
}

/// The operations of an image.
pub const fn operations<V: Value>(
    types: *const c_char,
    numbers: Option<&'static [usize]>,
) -> ServiceOperations {
    let (numbers, count) = match numbers {
        Some(numbers) => (numbers.as_ptr(), numbers.len()),
        None => (core::ptr::null(), 0),
    };
    ServiceOperations {
        confirm: Some(confirm::<V>),
        open: Some(open::<V>),
        close: Some(close::<V>),
        read: if V::Service::READS { Some(read::<V>) } else { None },
        write: if V::Service::WRITES { Some(write::<V>) } else { None },
        lseek: Some(lseek::<V>),
        ioctl: Some(ioctl::<V>),
        poll: Some(poll::<V>),
        fsync: Some(fsync::<V>),
        allocate: Some(allocate::<V>),
        list: Some(list::<V>),
        stat: Some(stat::<V>),
        access: Some(access::<V>),
        readlink: Some(readlink::<V>),
        utimens: Some(utimens::<V>),
        symlink: Some(symlink::<V>),
        link: Some(link::<V>),
        unlink: Some(unlink::<V>),
        mkdir: Some(mkdir::<V>),
        rmdir: Some(rmdir::<V>),
        mknod: Some(mknod::<V>),
        chmod: Some(chmod::<V>),
        chown: Some(chown::<V>),
        rename: Some(rename::<V>),
        truncate: Some(truncate::<V>),
        statfs: Some(statfs::<V>),
        getxattr: Some(getxattr::<V>),
        setxattr: Some(setxattr::<V>),
        listxattr: Some(listxattr::<V>),
        removexattr: Some(removexattr::<V>),
        mount: Some(mount::<V>),
        umount: Some(umount::<V>),
        call: Some(call::<V>),
        numbers,
        count,
        types,
        map: Some(map::<V>),
    }
}

/// What an image says of itself.
pub const fn module<V: Value>(
    name: *const c_char,
    description: *const c_char,
    keys: *const c_char,
    area: u64,
    operations: &'static ServiceOperations,
) -> Module {
    Module {
        magic: MAGIC,
        version: VERSION,
        kind: SERVICE,
        name,
        description,
        keys,
        flags: 0,
        area,
        init: Some(init::<V>),
        attach: Some(attach::<V>),
        fini: Some(fini::<V>),
        event: None,
        operations: (&raw const *operations).cast(),
    }
}
