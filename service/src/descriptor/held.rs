//! An open file of this process, and what its module does with it.

use core::ffi::{c_int, c_long};
use core::sync::atomic::Ordering;

use linux_raw_sys::general as nr;
use vload_module::abi::service::{
    FILE_DIRECTORY, FILE_STREAM, File, Node, ServiceOperations, Stat,
};
use vload_module::{Errno, Result};

use super::Temporary;
use super::open::Named;
use super::path::Name;
use super::placeholder;
use super::record::{OPEN, Record, Records};
use super::unasked;
use crate::claim::target::complete;
use crate::layers::{self, Service};
use crate::mapped;
use crate::path::text::decimal;
use crate::path::{Text, moves, permission};

/// An open file behind a descriptor of this process.
#[derive(Clone, Copy)]
pub struct Held {
    records: &'static Records,
    /// The number of its record.
    pub number: u32,
    /// How often that had been used.
    generation: u32,
    service: Service,
}

/// The open file behind a descriptor; none when it is a real one's. `EIO` when its layer is not there for this process.
pub fn find(fd: i32) -> Option<Result<Held>> {
    let (number, generation) = placeholder::identify(fd)?;
    let records = super::records()?;
    let record = records.get(number)?;
    let is_open = record.state.load(Ordering::Acquire) == OPEN
        && record.generation.load(Ordering::Relaxed) == generation;
    is_open.then(|| {
        let service = layers::find(record.layer.load(Ordering::Relaxed)).ok_or(Errno::IO)?;
        Ok(Held { records, number, generation, service })
    })
}

/// The result of an operation: `error` where the module does not have it.
fn answered(result: c_long, error: Errno) -> Result<i64> {
    match Errno::check(result) {
        Err(Errno::NOSYS) => Err(error),
        other => other,
    }
}

/// What operations on a place are asked of: an open file, or a place that a path has led to.
pub trait Subject {
    /// `EBADF` when it was opened for its name alone.
    fn usable(&self) -> Result<()>;

    /// What is known of it.
    fn stat(&self) -> Result<Stat>;

    /// Whether the process may do all of `wanted` with it, of which this is known.
    fn permit(&self, known: &Stat, wanted: u32) -> Result<()>;

    /// Calls an operation that gives 0; `error` where the module does not have it.
    fn ask_node(
        &self,
        error: Errno,
        what: impl FnOnce(&ServiceOperations, &Node) -> Option<c_int>,
    ) -> Result<i64> {
        self.ask_node_long(error, |operations, node| what(operations, node).map(c_long::from))
    }

    /// Calls an operation that gives a length; `error` where the module does not have it.
    fn ask_node_long(
        &self,
        error: Errno,
        what: impl FnOnce(&ServiceOperations, &Node) -> Option<c_long>,
    ) -> Result<i64>;
}

impl Subject for Held {
    fn usable(&self) -> Result<()> {
        Held::usable(self)
    }

    fn stat(&self) -> Result<Stat> {
        Held::stat(self)
    }

    fn permit(&self, known: &Stat, wanted: u32) -> Result<()> {
        if permission::is_anybodys(known, wanted) {
            return Ok(());
        }
        let answered = self.ask_node(Errno::NOSYS, |operations, node| {
            // SAFETY: the node is valid for the call.
            Some(unsafe { (operations.access?)(node, wanted as c_int) })
        });
        match answered {
            Err(Errno::NOSYS) => permission::check(known, wanted),
            other => other.map(drop),
        }
    }

    fn ask_node_long(
        &self,
        error: Errno,
        what: impl FnOnce(&ServiceOperations, &Node) -> Option<c_long>,
    ) -> Result<i64> {
        Held::ask_node_long(self, error, what)
    }
}

impl Held {
    /// The open file that is record `number` for the `generation`th time, if it still is.
    pub fn of(number: u32, generation: u32) -> Option<Self> {
        let records = super::records()?;
        let record = records.get(number)?;
        let is_open = record.state.load(Ordering::Acquire) == OPEN
            && record.generation.load(Ordering::Relaxed) == generation
            && placeholder::is_held(number) == Ok(true);
        let service = layers::find(record.layer.load(Ordering::Relaxed))?;
        is_open.then_some(Self { records, number, generation, service })
    }

    /// The same of one that the process has mapped, if it still has: the file is open as long.
    pub fn mapped(number: u32, generation: u32) -> Option<Self> {
        let records = super::records()?;
        let record = records.get(number)?;
        let is_open = record.state.load(Ordering::Acquire) == OPEN
            && record.generation.load(Ordering::Relaxed) == generation
            && mapped::is_mapped(number);
        let service = layers::find(record.layer.load(Ordering::Relaxed))?;
        is_open.then_some(Self { records, number, generation, service })
    }

    /// How often its record had been used.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether somebody has the file open to write, or has mapped what was opened so.
    pub fn is_written(&self) -> bool {
        let known =
            |record: &Record| record.identity.each_ref().map(|word| word.load(Ordering::Relaxed));
        let identity = known(self.record());
        let layer = self.record().layer.load(Ordering::Relaxed);
        identity != [0; 2]
            && self.records.in_use().any(|number| {
                self.records.get(number).is_some_and(|record| {
                    let flags = record.flags.load(Ordering::Relaxed) as u32;
                    record.state.load(Ordering::Acquire) == OPEN
                        && record.layer.load(Ordering::Relaxed) == layer
                        && known(record) == identity
                        && flags & nr::O_ACCMODE != nr::O_RDONLY
                        && flags & nr::O_PATH == 0
                        && (placeholder::is_held(number) == Ok(true) || mapped::is_mapped(number))
                })
            })
    }

    /// What its descriptors say ([`placeholder::identify`]).
    pub fn identity(&self) -> (u32, u32) {
        (self.number, self.generation)
    }

    /// What is known of it in the session.
    pub fn record(&self) -> &'static Record {
        self.records.get(self.number).unwrap_or_else(|| unreachable!("found by `get`"))
    }

    /// Its layer here.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The number of the claim that it was opened in.
    pub fn claim(&self) -> u32 {
        self.record().claim.load(Ordering::Relaxed)
    }

    /// What its module does.
    pub fn operations(&self) -> &'static ServiceOperations {
        self.service.operations
    }

    /// Where the next read or write begins.
    pub fn position(&self) -> i64 {
        self.record().position.load(Ordering::Acquire)
    }

    /// Lets it begin there.
    pub fn set_position(&self, to: i64) {
        self.record().position.store(to, Ordering::Release);
    }

    /// The flags of `open(2)` as they are now.
    pub fn flags(&self) -> u32 {
        self.record().flags.load(Ordering::Relaxed) as u32
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.record().is.load(Ordering::Relaxed) & FILE_DIRECTORY != 0
    }

    /// Whether it has no positions.
    pub fn is_stream(&self) -> bool {
        self.record().is.load(Ordering::Relaxed) & FILE_STREAM != 0
    }

    /// `EBADF` when it was opened for its name alone (`O_PATH`).
    pub fn usable(&self) -> Result<()> {
        if self.flags() & nr::O_PATH != 0 { Err(Errno::BADF) } else { Ok(()) }
    }

    /// `EBADF` unless it is open for reading.
    pub fn readable(&self) -> Result<()> {
        self.usable()?;
        if self.flags() & nr::O_ACCMODE == nr::O_WRONLY { Err(Errno::BADF) } else { Ok(()) }
    }

    /// `EBADF` unless it is open for writing.
    pub fn writable(&self) -> Result<()> {
        self.usable()?;
        if self.flags() & nr::O_ACCMODE == nr::O_RDONLY { Err(Errno::BADF) } else { Ok(()) }
    }

    /// Calls an operation on the file; `error` where the module does not have it.
    pub fn ask(
        &self,
        error: Errno,
        what: impl FnOnce(&ServiceOperations, *mut File) -> Option<c_long>,
    ) -> Result<i64> {
        let mut file = self.file();
        let private = file.private;
        let operations = self.service.operations;
        let file_at = &raw mut file;
        let without = -c_long::from(Errno::NOSYS.0);
        let result = self.service.ask(|| what(operations, file_at).unwrap_or(without));
        if file.private != private {
            self.record().private.store(file.private, Ordering::Relaxed);
        }
        answered(result, error)
    }

    /// It as its module is told of it.
    fn file(&self) -> File {
        let record = self.record();
        File {
            layer: self.service.layer,
            claim: record.claim.load(Ordering::Relaxed),
            is: record.is.load(Ordering::Relaxed),
            private: record.private.load(Ordering::Relaxed),
            flags: record.flags.load(Ordering::Relaxed),
            real: -1,
        }
    }

    /// Calls an operation on the file as a place; `error` where the module does not have it.
    pub fn ask_node(
        &self,
        error: Errno,
        what: impl FnOnce(&ServiceOperations, &Node) -> Option<c_int>,
    ) -> Result<i64> {
        self.ask_node_long(error, |operations, node| what(operations, node).map(c_long::from))
    }

    /// The same for an operation that gives a length.
    #[inline(never)]
    pub fn ask_node_long(
        &self,
        error: Errno,
        what: impl FnOnce(&ServiceOperations, &Node) -> Option<c_long>,
    ) -> Result<i64> {
        let mut path = Text::root();
        let name = self.path(&mut path);
        let for_name = self.flags() & nr::O_PATH != 0;
        if for_name && name.gone {
            return Err(Errno::NOENT);
        }
        self.ask(error, |operations, file| {
            let file = if for_name { core::ptr::null_mut() } else { file };
            what(operations, &self.node(&path, name, file))
        })
    }

    /// It as a place, which is valid as long as the path and the file.
    fn node(&self, path: &Text, name: Name, file: *mut File) -> Node {
        let record = self.record();
        let whole = path.c_str();
        let behind = whole.to_bytes_with_nul().get(name.behind..).unwrap_or(b"\0");
        Node {
            layer: self.service.layer,
            claim: record.claim.load(Ordering::Relaxed),
            length: if name.gone { 0 } else { behind.len() as u32 - 1 },
            private: record.word.load(Ordering::Relaxed),
            path: if name.gone { core::ptr::null() } else { behind.as_ptr().cast() },
            whole: if name.gone { core::ptr::null() } else { whole.as_ptr() },
            file,
        }
    }

    /// The whole canonical path that it has now, or had last.
    pub fn path(&self, to: &mut Text) -> Name {
        self.record().path.read(&self.records.paths, to)
    }

    /// Opens it once more, as `flags` say: the descriptor. Whether it may be used has been found out before.
    #[inline(never)]
    pub fn reopen(&self, flags: u32) -> Result<i32> {
        let mut path = Text::root();
        let name = self.path(&mut path);
        let mut file = self.file();
        let node = self.node(&path, name, &raw mut file);
        super::open(&self.service, &node, Named { whole: path.bytes(), name }, flags, 0)
    }

    /// Opens it to be read for the time of a call, though only its name was opened.
    #[inline(never)]
    pub fn open_for_now(&self) -> Result<Temporary> {
        let mut path = Text::root();
        let name = self.path(&mut path);
        if name.gone {
            return Err(Errno::NOENT);
        }
        let node = self.node(&path, name, core::ptr::null_mut());
        let flags = nr::O_RDONLY | nr::O_CLOEXEC;
        super::open_for_now(&self.service, &node, Named { whole: path.bytes(), name }, flags, 0)
    }

    /// It was made without a name: what it shows in its stead is its number, in the directory that it was made in.
    #[inline(never)]
    pub fn has_no_name(&self) -> Result<()> {
        moves::still(|_| self.name_by_number())
    }

    #[inline(never)]
    fn name_by_number(&self) -> Result<()> {
        let mut path = Text::root();
        let record = self.record();
        let seen = record.path.seen();
        let Some(name) = record.path.read_seen(&self.records.paths, seen, &mut path) else {
            return Ok(());
        };
        let mut room = [b'#'; 11];
        let mut digits = [0; 10];
        let digits = decimal(self.stat()?.inode as u32, &mut digits);
        room[1..=digits.len()].copy_from_slice(digits);
        path.push(&room[..=digits.len()])?;
        let names = |other: u32, place: u32| self.records.names(other, place);
        let name = Name { gone: true, ..name };
        let named = (path.bytes(), name);
        record.path.change(&self.records.paths, (self.number, seen), named, names);
        Ok(())
    }

    /// What is known of the file.
    pub fn stat(&self) -> Result<Stat> {
        let mut known = Stat::default();
        self.ask_node(Errno::IO, |operations, node| {
            Some(unasked::stat(operations, node, &mut known))
        })?;
        complete(&mut known, self.claim());
        Ok(known)
    }
}
