//! From the operations of a service module to the file system in the layer's area.

use crate::fs::attributes::Attributes;
use crate::fs::{Caller, Fs, Ground, Options, Place, Slot, Time, Word};
use core::cell::Cell;
use core::ffi::{CStr, c_int};
use vload_module::linux::general::{
    CLOCK_REALTIME_COARSE, MNT_DETACH, MS_RDONLY, O_APPEND, O_NOATIME, O_PATH, S_IFDIR, S_IFMT,
    S_IFREG, SEEK_DATA, SEEK_HOLE, UTIME_NOW, UTIME_OMIT,
};
use vload_module::service::{
    self, FILE_DIRECTORY, FILE_IN_AREA, File, Listed, Mount, Node, Opened, Piece, Service, Stat,
    StatFs,
};
use vload_module::{Errno, Layer, Locked, Result};

/// Bytes of the layer's area; what is not used takes no memory.
const AREA: usize = if size_of::<usize>() == 8 { 256 << 20 } else { 32 << 20 };
/// `TMPFS_MAGIC` (linux/magic.h): what programs know as a file system in memory.
const MAGIC: u64 = 0x0102_1994;
/// `ST_RELATIME` (statfs(2)): how times of access are kept.
const ST_RELATIME: u64 = 0x1000;
/// What a layer can be loaded with besides `path`, as `mount` takes it in its options.
const KEYS: [&CStr; 5] = [c"size", c"nr_inodes", c"mode", c"uid", c"gid"];

type Region = [Word; AREA / 8];

#[cfg(target_pointer_width = "64")]
mod numbers {
    use vload_module::linux::general as nr;
    pub const CLOCK_GETTIME: u32 = nr::__NR_clock_gettime;
    pub const SETFSUID: u32 = nr::__NR_setfsuid;
    pub const SETFSGID: u32 = nr::__NR_setfsgid;
}
#[cfg(target_pointer_width = "32")]
mod numbers {
    use vload_module::linux::general as nr;
    pub const CLOCK_GETTIME: u32 = nr::__NR_clock_gettime64;
    pub const SETFSUID: u32 = nr::__NR_setfsuid32;
    pub const SETFSGID: u32 = nr::__NR_setfsgid32;
}

/// The layer's lock, and what is journalled under it.
struct Shared<'a> {
    layer: Layer<'a>,
    held: Cell<Option<Locked<'a>>>,
}

impl Ground for Shared<'_> {
    fn lock(&self) -> Result<()> {
        self.held.set(Some(self.layer.lock(0)?));
        Ok(())
    }

    fn change(&self, at: &Word, value: u64) {
        let held = self.held.take();
        if let Some(locked) = &held {
            locked.change(&at.0, value);
        }
        self.held.set(held);
    }

    fn unlock(&self) {
        drop(self.held.take());
    }
}

/// Does something with the file system of a layer.
fn with<R>(layer: Layer<'_>, act: impl FnOnce(&Fs<'_>) -> Result<R>) -> Result<R> {
    let words = layer.area::<Region>().ok_or(Errno::NOMEM)?;
    let ground = Shared { layer, held: Cell::new(None) };
    act(&Fs::new(&ground, words))
}

fn now(layer: Layer<'_>) -> Result<Time> {
    let mut time = [0i64; 2];
    let arguments = [CLOCK_REALTIME_COARSE as usize, time.as_mut_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: the call writes two words of 64 bits.
    unsafe { layer.system(numbers::CLOCK_GETTIME, arguments)? };
    Ok(Time { seconds: time[0], nanoseconds: time[1] as u32 })
}

fn caller(layer: Layer<'_>) -> Result<Caller> {
    // SAFETY: a number that is no user's changes nothing (setfsuid(2)).
    let identity = |number| unsafe { layer.system(number, [usize::MAX; 6]) };
    let (uid, gid) = (identity(numbers::SETFSUID)? as u32, identity(numbers::SETFSGID)? as u32);
    Ok(Caller { uid, gid, is_root: uid == 0, now: now(layer)? })
}

/// Where the inode of an open file is in its private word, above its number.
const NUMBER_BITS: u32 = 16;

fn inode(file: &File<'_>) -> Slot {
    file.private() >> NUMBER_BITS
}

fn number(file: &File<'_>) -> u64 {
    file.private() & ((1 << NUMBER_BITS) - 1)
}

/// Where a name is.
fn name<'a>(node: &Node<'a>) -> Place<'a> {
    match node.path() {
        Some(path) => Place::Path { root: node.private(), path },
        None => thing(node),
    }
}

/// What a call is about: the open file, if it had one, whatever has become of its name.
fn thing<'a>(node: &Node<'a>) -> Place<'a> {
    match (node.file(), node.path()) {
        // A descriptor to look at (`O_PATH`) is no open file.
        (Some(file), _) if file.flags() as u32 & O_PATH == 0 => Place::Inode(inode(file)),
        (_, path) => Place::Path { root: node.private(), path: path.unwrap_or_default() },
    }
}

fn change(node: &Node<'_>, act: impl FnOnce(&Fs<'_>, &Caller) -> Result<()>) -> Result<()> {
    let caller = caller(node.layer())?;
    with(node.layer(), |fs| act(fs, &caller))
}

fn offset(value: i64) -> Result<u64> {
    value.try_into().map_err(|_| Errno::INVAL)
}

/// When a reading leaves its mark.
fn mark(file: &File<'_>) -> Result<Option<Time>> {
    let is_marked = file.flags() as u32 & O_NOATIME == 0;
    is_marked.then(|| now(file.layer())).transpose()
}

/// Whether a file can have an attribute of that name, by the rules of a tmpfs.
fn check_attribute(fs: &Fs<'_>, place: Place<'_>, name: &[u8], refusal: Errno) -> Result<()> {
    if !name.starts_with(b"user.") {
        let is_known = name.starts_with(b"trusted.") || name.starts_with(b"security.");
        return if is_known { Ok(()) } else { Err(Errno::OPNOTSUPP) };
    }
    match fs.stat(place)?.mode & S_IFMT {
        S_IFREG | S_IFDIR => Ok(()),
        _ => Err(refusal),
    }
}

struct Memfs;

impl Service for Memfs {
    fn init(&self, layer: Layer<'_>) -> Result<()> {
        with(layer, |fs| fs.format())?;
        let mut room = [0; 4096];
        let Some(length) = layer.argument(c"path", &mut room[..4095]).map(<[u8]>::len) else {
            return Ok(());
        };
        room[length] = 0;
        let path = CStr::from_bytes_until_nul(&room).map_err(|_| Errno::INVAL)?;
        let caller = caller(layer)?;
        let mut options = Options::new(&caller);
        let mut value = [0; 32];
        for key in KEYS {
            if let Some(value) = layer.argument(key, &mut value) {
                options.set(key.to_bytes(), value)?;
            }
        }
        let root = with(layer, |fs| fs.plant(&options, &caller))?;
        layer.claim(path, 0, root).map(drop)
    }

    fn stat(&self, node: &Node<'_>) -> Result<Stat> {
        with(node.layer(), |fs| fs.stat(thing(node))).map(stat)
    }

    fn open_as(&self, node: &Node<'_>, flags: c_int, mode: u32, number: u64) -> Result<Opened> {
        let (layer, caller, flags) = (node.layer(), caller(node.layer())?, flags as u32);
        let open = with(layer, |fs| fs.open(thing(node), flags, mode, number, &caller))?;
        let is = if open.is_directory { FILE_DIRECTORY } else { FILE_IN_AREA };
        Ok(Opened::Virtual { private: open.slot << NUMBER_BITS | number, is })
    }

    fn close(&self, file: &File<'_>) -> Result<()> {
        with(file.layer(), |fs| fs.close(number(file)))
    }

    fn read(&self, file: &File<'_>, to: &mut [u8], from: i64) -> Result<usize> {
        let (from, mark) = (offset(from)?, mark(file)?);
        with(file.layer(), |fs| fs.read(inode(file), to, from, mark))
    }

    fn write(&self, file: &File<'_>, from: &[u8], to: i64) -> Result<usize> {
        let caller = caller(file.layer())?;
        let is_appending = file.flags() as u32 & O_APPEND != 0;
        let to = if is_appending { None } else { Some(offset(to)?) };
        with(file.layer(), |fs| fs.write(inode(file), from, to, &caller)).map(|(done, _)| done)
    }

    fn lseek(&self, file: &File<'_>, from: i64, whence: c_int) -> Result<i64> {
        // The end of the file is what `stat` says.
        if whence != SEEK_DATA as c_int && whence != SEEK_HOLE as c_int {
            return Err(Errno::NOSYS);
        }
        // A negative offset lies behind no end (lseek(2)).
        let from = u64::try_from(from).map_err(|_| Errno::NXIO)?;
        with(file.layer(), |fs| fs.seek(inode(file), from, whence as u32)).map(|to| to as i64)
    }

    fn fsync(&self, _: &File<'_>, _: bool) -> Result<()> {
        Ok(())
    }

    fn allocate(&self, file: &File<'_>, mode: c_int, from: i64, length: i64) -> Result<()> {
        let (caller, from, length) = (caller(file.layer())?, offset(from)?, offset(length)?);
        with(file.layer(), |fs| fs.allocate(inode(file), mode as u32, from, length, &caller))
    }

    fn map(&self, file: &File<'_>, from: i64, length: u64) -> Result<Piece> {
        let from = offset(from)?;
        let piece = with(file.layer(), |fs| fs.map(inode(file), from, length))?;
        Ok(Piece { start: piece.block * 4096, length: piece.blocks * 4096 })
    }

    fn list(&self, file: &File<'_>, cookie: &mut u64, entry: &mut Listed<'_>) -> Result<bool> {
        let mark = if *cookie == 0 { mark(file)? } else { None };
        let mut name = [0; 256];
        let listed = with(file.layer(), |fs| fs.list(inode(file), *cookie, &mut name, mark))?;
        let Some(listed) = listed else { return Ok(false) };
        *cookie = listed.next;
        entry.set(listed.number, listed.kind, &name[..listed.length])?;
        Ok(true)
    }

    fn readlink(&self, node: &Node<'_>, to: &mut [u8]) -> Result<usize> {
        with(node.layer(), |fs| fs.read_link(thing(node), to))
    }

    fn utimens(&self, node: &Node<'_>, times: &[service::Time; 2]) -> Result<()> {
        change(node, |fs, caller| {
            let times = [times[0], times[1]].map(|time| match time.nanoseconds {
                UTIME_OMIT => None,
                UTIME_NOW => Some(caller.now),
                nanoseconds => Some(Time { seconds: time.seconds, nanoseconds }),
            });
            fs.set_times(thing(node), times, caller)
        })
    }

    fn symlink(&self, node: &Node<'_>, target: &CStr) -> Result<()> {
        change(node, |fs, caller| fs.make_link(name(node), target.to_bytes(), caller))
    }

    fn link(&self, from: &Node<'_>, to: &Node<'_>) -> Result<()> {
        change(from, |fs, caller| fs.link(thing(from), name(to), caller))
    }

    fn unlink(&self, node: &Node<'_>) -> Result<()> {
        change(node, |fs, caller| fs.unlink(name(node), caller))
    }

    fn mkdir(&self, node: &Node<'_>, mode: u32) -> Result<()> {
        change(node, |fs, caller| fs.make_directory(name(node), mode, caller))
    }

    fn rmdir(&self, node: &Node<'_>) -> Result<()> {
        change(node, |fs, caller| fs.remove_directory(name(node), caller))
    }

    fn mknod(&self, node: &Node<'_>, mode: u32, device: u64) -> Result<()> {
        change(node, |fs, caller| fs.make_node(name(node), mode, device, caller))
    }

    fn chmod(&self, node: &Node<'_>, mode: u32) -> Result<()> {
        change(node, |fs, caller| fs.chmod(thing(node), mode, caller))
    }

    fn chown(&self, node: &Node<'_>, uid: u32, gid: u32) -> Result<()> {
        change(node, |fs, caller| fs.chown(thing(node), uid, gid, caller))
    }

    fn rename(&self, from: &Node<'_>, to: &Node<'_>, flags: u32) -> Result<()> {
        change(from, |fs, caller| fs.rename(name(from), name(to), flags, caller))
    }

    fn truncate(&self, node: &Node<'_>, size: i64) -> Result<()> {
        let size = offset(size)?;
        change(node, |fs, caller| fs.truncate(thing(node), size, caller))
    }

    fn statfs(&self, node: &Node<'_>) -> Result<StatFs> {
        let room = with(node.layer(), |fs| fs.room(thing(node)))?;
        Ok(StatFs {
            kind: MAGIC,
            block_size: 4096,
            blocks: room.blocks,
            free: room.free,
            available: room.free,
            files: room.files,
            files_free: room.files_free,
            flags: ST_RELATIME | if room.is_read_only { u64::from(MS_RDONLY) } else { 0 },
            ..StatFs::default()
        })
    }

    fn getxattr(&self, node: &Node<'_>, name: &CStr, to: &mut [u8]) -> Result<usize> {
        with(node.layer(), |fs| {
            check_attribute(fs, thing(node), name.to_bytes(), Errno::NODATA)?;
            fs.get_attribute(thing(node), name.to_bytes(), to)
        })
    }

    fn setxattr(&self, node: &Node<'_>, name: &CStr, value: &[u8], flags: c_int) -> Result<()> {
        change(node, |fs, caller| {
            check_attribute(fs, thing(node), name.to_bytes(), Errno::PERM)?;
            fs.set_attribute(thing(node), name.to_bytes(), value, flags as u32, caller)
        })
    }

    fn listxattr(&self, node: &Node<'_>, to: &mut [u8]) -> Result<usize> {
        with(node.layer(), |fs| fs.list_attributes(thing(node), to))
    }

    fn removexattr(&self, node: &Node<'_>, name: &CStr) -> Result<()> {
        change(node, |fs, caller| {
            check_attribute(fs, thing(node), name.to_bytes(), Errno::PERM)?;
            fs.remove_attribute(thing(node), name.to_bytes(), caller)
        })
    }

    fn mount(&self, mount: &Mount<'_>) -> Result<()> {
        let layer = mount.layer();
        let caller = caller(layer)?;
        let mut options = Options::new(&caller).parse(mount.data().unwrap_or(c"").to_bytes())?;
        options.is_read_only = mount.flags() & u64::from(MS_RDONLY) != 0;
        with(layer, |fs| {
            let root = fs.plant(&options, &caller)?;
            let claimed = layer.claim(mount.target(), 0, root).map(drop);
            if claimed.is_err() {
                fs.fell(root)?;
            }
            claimed
        })
    }

    fn umount(&self, node: &Node<'_>, flags: c_int) -> Result<()> {
        let root = node.private();
        with(node.layer(), |fs| {
            if flags as u32 & MNT_DETACH == 0 && fs.is_open(root)? {
                return Err(Errno::BUSY);
            }
            fs.fell(root)
        })
    }
}

#[expect(clippy::field_reassign_with_default, reason = "a field of it is not public")]
fn stat(known: Attributes) -> Stat {
    let time = |time: Time| service::Time::new(time.seconds, time.nanoseconds);
    let mut stat = Stat::default();
    stat.inode = known.number;
    stat.mode = known.mode;
    stat.links = known.links;
    (stat.uid, stat.gid) = (known.uid, known.gid);
    stat.special = known.special;
    (stat.size, stat.blocks) = (known.size, known.blocks);
    stat.accessed = time(known.accessed);
    stat.modified = time(known.modified);
    stat.changed = time(known.changed);
    stat.born = time(known.born);
    stat
}

vload_module::service_module!(
    Memfs,
    Memfs,
    "memfs",
    "a file tree in the session's memory",
    keys: "path,size,nr_inodes,mode,uid,gid",
    types: "memfs",
    area: AREA,
);
