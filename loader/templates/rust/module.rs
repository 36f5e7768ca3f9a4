//! `@NAME@`: `/@NAME@`, a file that greets.
//!
//! ```sh
//! $ cargo test
//! $ cargo build --release
//! $ vload -m target/release/lib@IDENT@.so cat /@NAME@
//! $ vload -m target/release/lib@IDENT@.so:text='Good morning' cat /@NAME@
//! ```
//!
//! What is not said here fails as it does on a file system without it: nobody can write, remove or rename `/@NAME@`.
#![no_std]

use core::ffi::c_int;
use vload_module::linux::general::S_IFREG;
use vload_module::service::{CLAIM_EXACT, File, Node, Opened, Service, Stat};
use vload_module::{Layer, Result};

/// What the file has: the argument `text`, or a greeting; and a line's end.
fn content<'a>(layer: Layer<'_>, room: &'a mut [u8; 256]) -> &'a [u8] {
    let given = layer.argument(c"text", &mut room[..255]).map(<[u8]>::len);
    let length = given.unwrap_or_else(|| {
        let greeting = b"Hello from @NAME@!";
        room[..greeting.len()].copy_from_slice(greeting);
        greeting.len()
    });
    room[length] = b'\n';
    &room[..=length]
}

struct Greeting;

impl Service for Greeting {
    /// Once, when the module is loaded: what it is for.
    fn init(&self, layer: Layer<'_>) -> Result<()> {
        layer.claim(c"/@NAME@", CLAIM_EXACT, 0).map(drop)
    }

    fn stat(&self, node: &Node<'_>) -> Result<Stat> {
        let size = content(node.layer(), &mut [0; 256]).len() as u64;
        // Everybody may read it.
        Ok(Stat { inode: 1, mode: S_IFREG | 0o444, links: 1, size, ..Stat::default() })
    }

    /// Any program may open the file; there is nothing to remember of who has it open.
    fn open(&self, _: &Node<'_>, _flags: c_int, _mode: u32) -> Result<Opened> {
        Ok(Opened::Virtual { private: 0, is: 0 })
    }

    /// `read`, `pread64`, `readv`, `preadv2` …: all of them are this one.
    fn read(&self, file: &File<'_>, to: &mut [u8], offset: i64) -> Result<usize> {
        let mut room = [0; 256];
        let content = content(file.layer(), &mut room);
        let start = usize::try_from(offset).unwrap_or(content.len()).min(content.len());
        let rest = &content[start..];
        let length = rest.len().min(to.len());
        to[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

vload_module::service_module!(Greeting, Greeting, "@NAME@", "/@NAME@, a file that greets", keys: "text");
