//! The links of `/proc` that are no names but jump (`proc_pid_get_link`, fs/proc/base.c).

use crate::vload;

/// What a link jumps to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// The process's working directory.
    Cwd,
    /// The process's root.
    Root,
    /// The process's program.
    Program,
    /// An open file of the process's.
    Descriptor(i32),
    /// Something else, or another process's.
    Other,
}

fn number(name: &[u8]) -> Option<u32> {
    core::str::from_utf8(name).ok().filter(|name| !name.starts_with('+'))?.parse().ok()
}

/// What a canonical path in `/proc` jumps to, if it can be a link that does.
pub fn link(path: &[u8]) -> Option<Link> {
    link_of(path, vload::process)
}

fn link_of(path: &[u8], own: impl Fn() -> u32) -> Option<Link> {
    let mut names = path.strip_prefix(b"/proc/")?.split(|&byte| byte == b'/');
    let process = number(names.next()?)?;
    let mut name = names.next()?;
    let mut task = process;
    if name == b"task" {
        task = number(names.next()?)?;
        name = names.next()?;
    }
    let below = names.next();
    if names.next().is_some() {
        return None;
    }
    let link = match (name, below) {
        (b"cwd", None) => Link::Cwd,
        (b"root", None) => Link::Root,
        (b"exe", None) => Link::Program,
        (b"fd", Some(fd)) => Link::Descriptor(i32::try_from(number(fd)?).ok()?),
        (b"ns" | b"map_files", Some(_)) => Link::Other,
        _ => return None,
    };
    let own = own();
    // Threads share what their process has, as far as they are known by it.
    Some(if process == own || task == own { link } else { Link::Other })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_that_jump() {
        for (path, found) in [
            ("/proc/7/cwd", Some(Link::Cwd)),
            ("/proc/7/root", Some(Link::Root)),
            ("/proc/7/fd/12", Some(Link::Descriptor(12))),
            ("/proc/7/task/9/fd/12", Some(Link::Descriptor(12))),
            ("/proc/8/cwd", Some(Link::Other)),
            ("/proc/7/exe", Some(Link::Program)),
            ("/proc/8/exe", Some(Link::Other)),
            ("/proc/7/ns/mnt", Some(Link::Other)),
            ("/proc/7/fd", None),
            ("/proc/7/fd/x", None),
            ("/proc/7/fd/+1", None),
            ("/proc/7/cwd/x", None),
            ("/proc/self", None),
            ("/proc", None),
            ("/home/7/cwd", None),
        ] {
            assert_eq!(link_of(path.as_bytes(), || 7), found, "{path}");
        }
    }
}
