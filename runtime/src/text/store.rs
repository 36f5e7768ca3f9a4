//! Where images are kept: in the session's memory, in the cache on disk, or by this process alone.

use alloc::vec::Vec;

use super::image::Missing;
use crate::session::{self, Stored, cache};
use crate::sys;
use crate::view::OWN;

/// Places of the session's index that texts leave to modules.
const SPARE: usize = 128;

/// A patched image.
pub struct Image {
    /// Where it can be mapped from.
    pub source: Source,
    /// Its length.
    pub length: usize,
}

/// Where an image lies.
pub enum Source {
    /// In the session's file.
    Session {
        /// Its descriptor.
        fd: i32,
        /// The image's place in it.
        offset: u64,
    },
    /// In a file of its own or of the cache on disk, open for as long as this value.
    Cached(CachedFile),
    /// In memory of this process.
    Memory(Vec<u8>),
}

/// A descriptor that is closed with its owner.
pub struct CachedFile(pub i32);

impl Drop for CachedFile {
    fn drop(&mut self) {
        sys::close(self.0);
    }
}

impl Source {
    /// The file and the image's place in it, if it is in one.
    pub fn file(&self) -> Option<(i32, u64)> {
        match self {
            Self::Session { fd, offset } => Some((*fd, *offset)),
            Self::Cached(file) => Some((file.0, 0)),
            Self::Memory(_) => None,
        }
    }
}

/// What is known of a key.
pub enum Found {
    /// An image.
    Image(Image),
    /// That there is none.
    Missing(Missing),
    /// Nothing yet.
    Unknown,
}

/// The place of an image that there is not, because the text cannot be proven; 0 where nothing is to
/// be patched. Images lie on pages.
const UNPROVEN: u64 = 1;

/// Looks in the session, then on disk. A file of the cache that is damaged is found out when it is
/// opened (`place`).
pub fn find(key: &[u64; 6]) -> Found {
    if let Some(stored) = session::find(key) {
        return match stored.length {
            0 if stored.offset == UNPROVEN => Found::Missing(Missing::Unproven),
            0 => Found::Missing(Missing::Nothing),
            _ => Found::Image(in_session(stored)),
        };
    }
    match cache::open(key) {
        Some((fd, length)) => {
            Found::Image(Image { source: Source::Cached(CachedFile(fd)), length })
        }
        None => Found::Unknown,
    }
}

fn in_session(stored: Stored) -> Image {
    let source = Source::Session { fd: OWN.session.get(), offset: stored.offset };
    Image { source, length: stored.length }
}

/// Where `bytes`, which are the same in every process of the session, can be mapped from.
pub fn shared(key: &[u64; 6], bytes: &[u8]) -> Source {
    let stored = session::find(key).or_else(|| session::put_known(key, bytes, SPARE).ok());
    stored.map_or(Source::Memory(Vec::new()), |stored| in_session(stored).source)
}

/// Keeps what was made for a key, for others too if `lasting`.
pub fn keep(
    key: &[u64; 6],
    bytes: Result<Vec<u8>, Missing>,
    lasting: bool,
) -> Result<Image, Missing> {
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(missing) => {
            if lasting {
                let offset = if missing == Missing::Unproven { UNPROVEN } else { 0 };
                session::keep(key, Stored { offset, length: 0 });
            }
            return Err(missing);
        }
    };
    if lasting {
        cache::keep(key, &bytes);
        if let Ok(stored) = session::put_known(key, &bytes, SPARE) {
            return Ok(in_session(stored));
        }
    }
    // In a file of its own, gone with its last mapping: the session's would never give it back.
    let length = bytes.len();
    let source = match session::text_file(&bytes) {
        Ok(fd) => Source::Cached(CachedFile(fd)),
        Err(_) => Source::Memory(bytes),
    };
    Ok(Image { source, length })
}
