//! A small module, whose files lie in the test's memory, and a file of the kernel's to compare with.

use std::boxed::Box;
use std::collections::HashMap;
use std::ffi::CString;
use std::string::String;
use std::sync::{Barrier, Mutex, MutexGuard, OnceLock};
use std::vec::Vec;

use core::ffi::{c_int, c_long, c_void};

use vload_module::abi::service::{Entry, FILE_DIRECTORY, File, Node, ServiceOperations, Stat};
use vload_module::abi::{Call, NATIVE};

use crate::descriptor::{self, Records, temporary};
use crate::layers::{self, Service};

/// What the module knows.
#[derive(Default)]
struct Store {
    files: HashMap<String, Vec<u8>>,
    names: Vec<String>,
    /// Files that are open, and how often any was closed.
    opened: usize,
    pub closed: usize,
}

static STORE: Mutex<Option<Store>> = Mutex::new(None);

fn store<R>(work: impl FnOnce(&mut Store) -> R) -> R {
    let mut store = STORE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    work(store.get_or_insert_default())
}

fn name(node: *const Node) -> String {
    // SAFETY: the framework's.
    let path = unsafe { core::ffi::CStr::from_ptr((*node).path) };
    path.to_str().unwrap().into()
}

/// The number that a file has.
fn number(store: &mut Store, name: &str) -> u64 {
    match store.names.iter().position(|known| known == name) {
        Some(at) => at as u64 + 1,
        None => {
            store.names.push(name.into());
            store.names.len() as u64
        }
    }
}

fn of(store: &mut Store, private: u64) -> &mut Vec<u8> {
    let name = store.names[private as usize - 1].clone();
    store.files.entry(name).or_default()
}

unsafe extern "C" fn open(node: *const Node, flags: c_int, _: u32, file: *mut File) -> c_int {
    let name = name(node);
    store(|store| {
        if name.is_empty() {
            // SAFETY: the framework's.
            unsafe { (*file).is = FILE_DIRECTORY };
        } else if !store.files.contains_key(&name) {
            if flags & libc::O_CREAT == 0 {
                return -libc::ENOENT;
            }
            store.files.insert(name.clone(), Vec::new());
        } else if flags & libc::O_TRUNC != 0 {
            store.files.insert(name.clone(), Vec::new());
        }
        store.opened += 1;
        // SAFETY: the framework's.
        unsafe { (*file).private = number(store, &name) };
        0
    })
}

unsafe extern "C" fn close(_: *mut File) -> c_int {
    store(|store| {
        store.opened -= 1;
        store.closed += 1;
    });
    0
}

/// Where a read of `/slow` says that it has begun, and waits.
pub static SLOW: (Barrier, Barrier) = (Barrier::new(2), Barrier::new(2));

unsafe extern "C" fn read(file: *mut File, to: *mut c_void, room: usize, at: i64) -> c_long {
    // SAFETY: the framework's.
    let private = unsafe { (*file).private };
    if store(|store| store.names[private as usize - 1] == "/slow") {
        SLOW.0.wait();
        SLOW.1.wait();
    }
    store(|store| {
        // SAFETY: the framework's.
        let bytes = of(store, unsafe { (*file).private });
        let left = bytes.get(at as usize..).unwrap_or_default();
        let count = left.len().min(room);
        // SAFETY: the framework's buffer.
        unsafe { core::ptr::copy_nonoverlapping(left.as_ptr(), to.cast(), count) };
        count as c_long
    })
}

unsafe extern "C" fn write(file: *mut File, from: *const c_void, count: usize, at: i64) -> c_long {
    store(|store| {
        // SAFETY: the framework's.
        let (private, flags) = unsafe { ((*file).private, (*file).flags) };
        let bytes = of(store, private);
        let at = if flags & libc::O_APPEND != 0 { bytes.len() } else { at as usize };
        bytes.resize(bytes.len().max(at + count), 0);
        // SAFETY: the framework's buffer.
        let from = unsafe { core::slice::from_raw_parts(from.cast::<u8>(), count) };
        bytes[at..at + count].copy_from_slice(from);
        count as c_long
    })
}

unsafe extern "C" fn stat(node: *const Node, to: *mut Stat) -> c_int {
    let name = name(node);
    store(|store| {
        let size = store.files.get(&name).map_or(0, Vec::len) as u64;
        let mode = if name.is_empty() { libc::S_IFDIR | 0o755 } else { libc::S_IFREG | 0o600 };
        let inode = number(store, &name);
        // SAFETY: the framework's.
        unsafe { *to = Stat { inode, mode, links: 1, size, ..Stat::default() } };
    });
    0
}

unsafe extern "C" fn truncate(node: *const Node, size: i64) -> c_int {
    let name = name(node);
    store(|store| store.files.entry(name).or_default().resize(size as usize, 0));
    0
}

unsafe extern "C" fn list(_: *mut File, cookie: *mut u64, entry: *mut Entry) -> c_int {
    store(|store| {
        // SAFETY: the framework's.
        let (cookie, entry) = unsafe { (&mut *cookie, &mut *entry) };
        let mut names: Vec<&String> = store.files.keys().collect();
        names.sort();
        let Some(name) = names.get(*cookie as usize) else { return 0 };
        entry.inode = *cookie + 10;
        entry.kind = libc::DT_REG;
        entry.name[..name.len()].copy_from_slice(&[&name.as_bytes()[1..], b"\0"].concat());
        *cookie += 1;
        1
    })
}

fn operations() -> &'static ServiceOperations {
    static MADE: OnceLock<usize> = OnceLock::new();
    let at = *MADE.get_or_init(|| {
        // SAFETY: all zero bytes are operations that are not there.
        let none: ServiceOperations = unsafe { core::mem::zeroed() };
        let all = ServiceOperations {
            open: Some(open),
            close: Some(close),
            read: Some(read),
            write: Some(write),
            stat: Some(stat),
            truncate: Some(truncate),
            list: Some(list),
            ..none
        };
        core::ptr::from_ref(Box::leak(Box::new(all))).addr()
    });
    // SAFETY: made above, and never freed.
    unsafe { &*(at as *const ServiceOperations) }
}

/// The one session of the tests.
pub struct World {
    service: Service,
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

impl World {
    /// The session, with no file, for one test at a time.
    pub fn new() -> Self {
        static BEGUN: OnceLock<()> = OnceLock::new();
        let alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let service = Service {
            identity: 3,
            layer: core::ptr::null_mut(),
            operations: operations(),
            epoch: 1,
        };
        BEGUN.get_or_init(|| {
            // Shared, as a session is by the processes that a test starts.
            // SAFETY: new memory, all zero, of which a table may be made.
            let records = unsafe {
                let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
                let size = size_of::<Records>();
                let at = libc::mmap(core::ptr::null_mut(), size, 3, flags, -1, 0);
                assert_ne!(at, libc::MAP_FAILED);
                &*at.cast::<Records>()
            };
            descriptor::attach(records);
            assert!(layers::add(service));
        });
        *STORE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Store::default());
        Self { service, _alone: alone }
    }

    /// Opens a file of the module's: its descriptor, or an error number.
    pub fn open(&self, name: &str, flags: c_int) -> Result<c_int, c_int> {
        let whole = CString::new([b"/claimed", name.as_bytes()].concat()).unwrap();
        let node = Node {
            layer: core::ptr::null_mut(),
            claim: 1,
            length: name.len() as u32,
            private: 0,
            // SAFETY: the claimed path is so long.
            path: unsafe { whole.as_ptr().add(8) },
            whole: whole.as_ptr(),
            file: core::ptr::null_mut(),
        };
        let name = descriptor::Name { behind: 8, gone: false };
        let named = descriptor::Named { whole: whole.to_bytes(), name };
        descriptor::open(&self.service, &node, named, flags as u32, 0o600).map_err(|error| error.0)
    }

    /// How many files the module has open, and has closed.
    pub fn counts(&self) -> (usize, usize) {
        store(|store| (store.opened, store.closed))
    }

    /// What a file holds.
    pub fn content(&self, name: &str) -> Vec<u8> {
        store(|store| store.files.get(name).cloned().unwrap_or_default())
    }
}

/// As many files have been opened by processes that are gone: the module's counts are this process's.
pub fn expect(more: usize) {
    store(|store| store.opened += more);
}

/// Starts a process as a program in the session would: 0 in the child.
pub fn fork() -> libc::pid_t {
    let alone = temporary::alone();
    // SAFETY: the child makes calls and ends.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        temporary::forked(alone.as_ref().map(|alone| alone.table));
    }
    drop(alone);
    pid
}

/// How many records are free, and how many places of long paths.
pub fn tables() -> (usize, usize) {
    descriptor::room()
}

/// Makes a call as a program in the session would.
pub fn call(name: &str, arguments: &[usize]) -> c_long {
    let number = abi::by_name(abi::Table::NATIVE, name).unwrap().0 as usize;
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    let mut call = Call::new(number, all, NATIVE);
    super::super::call(&mut call, true).unwrap_or_else(|| crate::vload::next(&mut call))
}

/// A pair of files that shall behave alike: a virtual one and one of the kernel's.
pub struct Pair {
    /// The one of the module's.
    pub module: c_int,
    /// The one of the kernel's.
    pub kernel: c_int,
}

impl Pair {
    /// Both, new and empty.
    pub fn new(world: &World, flags: c_int) -> Self {
        let module = world.open("/pair", flags | libc::O_CREAT | libc::O_TRUNC).unwrap();
        let name = std::format!("/dev/shm/vload-pair-{}", std::process::id());
        let name = CString::new(name).unwrap();
        // SAFETY: the name ends with a zero.
        let kernel = unsafe {
            let kernel = libc::open(name.as_ptr(), flags | libc::O_CREAT, 0o600);
            libc::unlink(name.as_ptr());
            kernel
        };
        assert!(kernel >= 0);
        Self { module, kernel }
    }

    /// The same call on both, which must give the same; `arguments` are those behind the descriptor.
    #[track_caller]
    pub fn alike(&self, name: &str, arguments: &[usize]) -> c_long {
        let on = |fd: c_int| call(name, &[&[fd as usize], arguments].concat());
        let (module, kernel) = (on(self.module), on(self.kernel));
        assert_eq!(module, kernel, "{name} {arguments:x?}: the module's, the kernel's");
        module
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // SAFETY: the test's own.
        unsafe { libc::close(self.kernel) };
        call("close", &[self.module as usize]);
    }
}
