//! Names of sockets (unix(7)): the kernel finds a socket by the file that it makes when the socket is bound.
//!
//! Where the name leads to a real place, by a way that the kernel does not know or by a module that opens real files, the
//! kernel is told of that place. A file of a module's own is made by the module, and stands for a socket with an abstract name:
//! that of the file, which no other one ever has.

use core::ffi::c_long;

use abi::Service;
use linux_raw_sys::errno::{EADDRINUSE, ECONNREFUSED};
use linux_raw_sys::general as nr;
use linux_raw_sys::net::{AF_UNIX, SO_DOMAIN, SO_TYPE, SOCK_DGRAM, SOL_SOCKET};
use vload_module::abi::service::Stat;
use vload_module::{Errno, Result};

use super::Answer;
use super::asked::{Asked, From, Spot, Where};
use super::names::masked;
use crate::descriptor::{self, Temporary};
use crate::kernel;
use crate::path::permission::WRITE;
use crate::path::tree::{CWD, readlink};
use crate::path::{Final, How, Rest, Text};
use crate::vload;

/// What comes before the name: the family.
const HEAD: usize = 2;
/// `struct sockaddr_un`.
const ROOM: usize = HEAD + 108;
/// Messages that one call sends at most (`UIO_MAXIOV`).
const MOST: usize = 1024;

/// An address as the kernel is told it.
struct Address {
    bytes: [u8; ROOM],
    length: usize,
    /// What it begins at, if that is a descriptor.
    _directory: Option<Temporary>,
}

/// `struct msghdr` (sendmsg(2)).
#[repr(C)]
#[derive(Clone, Copy)]
struct Message {
    name: usize,
    name_length: u32,
    pieces: usize,
    count: usize,
    control: usize,
    control_length: usize,
    flags: u32,
}

/// `struct mmsghdr` (sendmmsg(2)).
#[repr(C)]
#[derive(Clone, Copy)]
struct Sent {
    message: Message,
    length: u32,
}

/// Calls that name a socket.
#[inline(never)]
pub fn named(asked: &mut Asked<'_>) -> Result<Answer> {
    let [_, first, second, ..] = asked.call.arguments;
    match asked.described.name() {
        "bind" => bind(asked),
        "connect" => reach(asked, [1, 2]),
        "sendto" => reach(asked, [4, 5]),
        "sendmsg" => send(asked, first).map(|sent| sent.map_or(Answer::System, Answer::Here)),
        _ => send_all(asked, first, (second as u32 as usize).min(MOST)),
    }
}

/// What is set of a socket.
fn option(fd: usize, which: u32) -> Option<u32> {
    let (mut value, mut length) = (0u32, size_of::<u32>() as u32);
    let to = [(&raw mut value) as usize, (&raw mut length) as usize];
    // SAFETY: the room is as long as it says.
    unsafe {
        kernel::call(nr::__NR_getsockopt, [fd, SOL_SOCKET as usize, which as usize, to[0], to[1]])
    }
    .ok()
    .map(|_| value)
}

/// The path that is a socket's name, if it is one and the socket takes such.
fn path_of(asked: &Asked<'_>, at: usize, length: usize) -> Option<Rest> {
    let fd = asked.call.arguments[0];
    let mut bytes = [0; ROOM];
    let given = bytes.get_mut(..length).filter(|_| length > HEAD)?;
    vload::get_bytes(given, at).ok()?;
    let [low, high, ref name @ ..] = *given else { return None };
    let name = name.split(|&byte| byte == 0).next()?;
    let is_one = u32::from(u16::from_ne_bytes([low, high])) == AF_UNIX
        && !name.is_empty()
        && option(fd, SO_DOMAIN) == Some(AF_UNIX)
        // What is sent by a connection has no use for a name: the kernel says so, or does without.
        && (asked.described.service() != Some(Service::Send)
            || option(fd, SO_TYPE) == Some(SOCK_DGRAM));
    let mut path = Rest::none();
    (is_one && path.set(name).is_ok()).then_some(path)
}

fn locate(asked: &Asked<'_>, end: Final, path: &mut Rest, to: &mut Text) -> Result<Where> {
    let (limit, directory) = (asked.limit, nr::AT_FDCWD);
    From { limit, directory, may_be_empty: false, how: How::to(end) }.locate(path, to)
}

/// `bind` (`unix_bind_bsd`, net/unix/af_unix.c).
#[inline(never)]
fn bind(asked: &mut Asked<'_>) -> Result<Answer> {
    let [_, at, length, ..] = asked.call.arguments;
    let Some(mut path) = path_of(asked, at, length as u32 as usize) else {
        return Ok(Answer::System);
    };
    let mut place = Text::root();
    let in_use = Errno(EADDRINUSE as i32);
    match locate(asked, Final::Name, &mut path, &mut place)? {
        Where::Kernel(_) => Ok(Answer::System),
        Where::Real => {
            let address = Address::real(&place)?;
            Ok(Answer::Here(pass(asked, &address, [1, 2]) as usize))
        }
        Where::Claimed(spot) => bind_in_claim(asked, &spot, &place).map_err(|error| match error {
            Errno::EXIST => in_use,
            error => spot.refusal(&place, error),
        }),
        Where::Open(_) => Err(in_use),
    }
}

fn bind_in_claim(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<Answer> {
    // What is made is no directory (`filename_create`, fs/namei.c).
    if spot.place.slash {
        return Err(spot.target.stat(path).map_or_else(|error| error, |_| Errno::EXIST));
    }
    match directory_of(spot, path)? {
        Some(directory) => {
            let address = Address::below(directory, path.name())?;
            Ok(Answer::Here(pass(asked, &address, [1, 2]) as usize))
        }
        None => bind_here(asked, spot, path),
    }
}

/// A file of the module's is to be the socket's name.
#[inline(never)]
fn bind_here(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<Answer> {
    spot.may_make(path, false)?;
    let mode = nr::S_IFSOCK | masked(0o777);
    spot.ask(path, Errno::PERM, |operations, node| {
        // SAFETY: the node is valid for the call.
        Some(c_long::from(unsafe { (operations.mknod?)(node, mode, 0) }))
    })?;
    let named = spot.target.stat(path).and_then(|known| Address::of_file(spot, &known));
    let result = match &named {
        Ok(address) => pass(asked, address, [1, 2]),
        Err(error) => -c_long::from(error.0),
    };
    if result < 0 {
        // Why there is no socket is what the program is told.
        let _ = spot.ask(path, Errno::PERM, |operations, node| {
            // SAFETY: the node is valid for the call.
            Some(c_long::from(unsafe { (operations.unlink?)(node) }))
        });
    }
    Ok(Answer::Here(result as usize))
}

/// A call for a socket that is bound to a name; `at` are the indexes of its address and of the length of that.
#[inline(never)]
fn reach(asked: &mut Asked<'_>, at: [usize; 2]) -> Result<Answer> {
    let given = at.map(|at| asked.call.arguments[at]);
    Ok(match find(asked, given[0], given[1] as u32 as usize)? {
        Some(address) => Answer::Here(pass(asked, &address, at) as usize),
        None => Answer::System,
    })
}

/// `sendmsg`: what it gives, if the name is not one that the kernel finds.
#[inline(never)]
fn send(asked: &mut Asked<'_>, at: usize) -> Result<Option<usize>> {
    let Ok(mut message) = vload::get::<Message>(at) else { return Ok(None) };
    if message.name == 0 {
        return Ok(None);
    }
    let found = find(asked, message.name, message.name_length as usize)?;
    let Some(address) = found else { return Ok(None) };
    (message.name, message.name_length) = (address.bytes.as_ptr() as usize, address.length as u32);
    asked.call.arguments[1] = (&raw const message) as usize;
    asked.let_go();
    Ok(Some(vload::next(asked.call) as usize))
}

/// `sendmmsg` (`__sys_sendmmsg`, net/socket.c): one message after the other, if any has a name that the kernel does not find.
#[inline(never)]
fn send_all(asked: &mut Asked<'_>, at: usize, count: usize) -> Result<Answer> {
    let places = || (0..count).map(|number| at + number * size_of::<Sent>());
    let is_named = |place: usize| {
        vload::get::<Message>(place).is_ok_and(|message| {
            let name = (message.name, message.name_length as usize);
            name.0 != 0 && !matches!(find(asked, name.0, name.1), Ok(None))
        })
    };
    if !places().any(is_named) {
        return Ok(Answer::System);
    }
    let flags = asked.call.arguments[3];
    asked.call.number = nr::__NR_sendmsg as _;
    let mut sent = 0;
    for place in places() {
        asked.call.arguments[1] = place;
        asked.call.arguments[2] = flags;
        let result = match send(asked, place) {
            Ok(Some(result)) => result as c_long,
            Ok(None) => vload::next(asked.call),
            Err(error) => -c_long::from(error.0),
        };
        // What has been sent counts before what has not.
        if result < 0 && sent == 0 {
            return Ok(Answer::Here(result as usize));
        }
        let told = || vload::put(place + size_of::<Message>(), &(result as u32));
        if result < 0 || told().is_err() {
            break;
        }
        sent += 1;
    }
    Ok(Answer::Here(sent))
}

/// The address of a socket that a file is the name of; none where the kernel finds it (`unix_find_bsd`).
#[inline(never)]
fn find(asked: &Asked<'_>, at: usize, length: usize) -> Result<Option<Address>> {
    let Some(mut path) = path_of(asked, at, length) else { return Ok(None) };
    let mut place = Text::root();
    let spot = match locate(asked, Final::Follow, &mut path, &mut place)? {
        Where::Kernel(_) => return Ok(None),
        Where::Real => return Address::real(&place).map(Some),
        Where::Claimed(spot) => spot,
        Where::Open(_) => return Err(Errno(ECONNREFUSED as i32)),
    };
    if spot.place.slash {
        spot.stat(&place)?;
    }
    if let Some(directory) = directory_of(&spot, &place)? {
        return Address::below(directory, place.name()).map(Some);
    }
    let known = spot.stat(&place)?;
    spot.target.permit(&place, &known, WRITE)?;
    if known.mode & nr::S_IFMT != nr::S_IFSOCK {
        return Err(Errno(ECONNREFUSED as i32));
    }
    Address::of_file(&spot, &known).map(Some)
}

/// The directory of a place, where its module opens real ones.
#[inline(never)]
fn directory_of(spot: &Spot, path: &Text) -> Result<Option<Temporary>> {
    if spot.is_mounted_on(path) {
        return Ok(None);
    }
    let mut above = Text::of(path.bytes())?;
    above.pop();
    let (node, named) = (spot.target.node(&above), spot.target.named(&above));
    let flags = nr::O_RDONLY | nr::O_DIRECTORY | nr::O_CLOEXEC;
    let opened = descriptor::open_for_now(&spot.target.service, &node, named, flags, 0)?;
    let Some(held) = descriptor::find(opened.fd()) else { return Ok(Some(opened)) };
    let number = held?.number;
    drop(opened);
    descriptor::left(number);
    Ok(None)
}

/// Makes the call with another address.
fn pass(asked: &mut Asked<'_>, address: &Address, [at, length]: [usize; 2]) -> c_long {
    asked.call.arguments[at] = address.bytes.as_ptr() as usize;
    asked.call.arguments[length] = address.length;
    // It may have to wait.
    asked.let_go();
    vload::next(asked.call)
}

impl Address {
    /// With that name behind the family: `ENAMETOOLONG`.
    fn new(parts: &[&[u8]], directory: Option<Temporary>) -> Result<Self> {
        let mut address = Self { bytes: [0; ROOM], length: HEAD, _directory: directory };
        address.bytes[..HEAD].copy_from_slice(&(AF_UNIX as u16).to_ne_bytes());
        for part in parts {
            let end = address.length + part.len();
            let room = address.bytes.get_mut(address.length..end).ok_or(Errno::NAMETOOLONG)?;
            room.copy_from_slice(part);
            address.length = end;
        }
        Ok(address)
    }

    /// Of a real place, as the kernel has it from its root.
    #[inline(never)]
    fn real(place: &Text) -> Result<Self> {
        if let Ok(address) = Self::new(&[place.bytes()], None) {
            return Ok(address);
        }
        let mut above = Text::of(place.bytes())?;
        above.pop();
        let (path, flags) = (above.c_str().as_ptr() as usize, nr::O_PATH | nr::O_CLOEXEC);
        let directory = Temporary::make(|| {
            // SAFETY: the path ends with a zero.
            unsafe { kernel::call(nr::__NR_openat, [CWD, path, flags as usize]) }
                .map(|fd| fd as i32)
        })?;
        Self::below(directory, place.name())
    }

    /// Of a name in a real directory: its path, or where that is too long one by way of the descriptor.
    #[inline(never)]
    fn below(directory: Temporary, name: &[u8]) -> Result<Self> {
        let mut path = Text::root();
        kernel::with_link(directory.fd(), |link| path.fill(|bytes| readlink((CWD, link), bytes)))?;
        path.push(name)?;
        if let Ok(address) = Self::new(&[path.bytes()], None) {
            return Ok(address);
        }
        let directory = directory.away();
        kernel::with_link(directory.fd(), |link| {
            Self::new(&[link.to_bytes(), b"/", name], Some(directory))
        })
    }

    /// That which a file of a module's stands for. `EPERM` where nothing tells that file from others.
    fn of_file(spot: &Spot, known: &Stat) -> Result<Self> {
        if known.inode == 0 {
            return Err(Errno::PERM);
        }
        let (device, session) = kernel::identity(kernel::placeholders()?)?;
        let born = known.born;
        let words = [device, session, spot.target.claim.epoch, known.inode, born.seconds as u64];
        let words = words.map(u64::to_ne_bytes);
        let moment = born.nanoseconds.to_ne_bytes();
        Self::new(&[b"\0vload", words.as_flattened(), &moment], None)
    }
}
