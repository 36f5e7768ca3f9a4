//! Whether a name may be made or taken away: what the directory that it is in says (`may_create`, `may_delete`,
//! fs/namei.c).

use vload_module::abi::service::Stat;
use vload_module::{Errno, Result};

use super::asked::Spot;
use crate::claim::target::is_directory;
use crate::path::permission::{Credentials, EXECUTE, WRITE};
use crate::path::{Last, Text};

impl Spot {
    /// Whether the place is the claim's own name: where something is mounted.
    pub fn is_mounted_on(&self, path: &Text) -> bool {
        path.bytes().len() <= self.target.claim.length.max(1)
    }

    /// The directory that the place is in, if it is the same claim's, and its path.
    pub fn parent(&self, path: &Text) -> Result<Option<(Text, Stat)>> {
        if self.is_mounted_on(path) {
            return Ok(None);
        }
        let mut above = Text::root();
        above.set(path.bytes())?;
        above.pop();
        let known = self.target.stat(&above)?;
        if !is_directory(known.mode) {
            return Err(Errno::NOTDIR);
        }
        Ok(Some((above, known)))
    }

    /// Whether the directory is there that the place is in.
    pub fn has_directory(&self, path: &Text) -> Result<()> {
        self.parent(path).map(drop)
    }

    /// Whether a name may be made at the place; `slash` whether a slash may follow it.
    pub fn may_make(&self, path: &Text, slash: bool) -> Result<()> {
        if self.place.last != Last::Name {
            return Err(Errno::EXIST);
        }
        match self.target.stat(path) {
            Err(Errno::NOENT) => {}
            Ok(_) => return Err(Errno::EXIST),
            Err(error) => return Err(error),
        }
        if self.place.slash && !slash {
            return Err(Errno::NOENT);
        }
        self.may_add(path)
    }

    /// Whether the directory of the place may get a name. The name itself is the module's to look at: another process
    /// may have made it by now.
    pub fn may_add(&self, path: &Text) -> Result<()> {
        match self.parent(path)? {
            Some((above, known)) => self.target.permit(&above, &known, WRITE | EXECUTE),
            None => Ok(()),
        }
    }

    /// What is known of a name that may be taken away.
    pub fn may_take(&self, path: &Text) -> Result<Stat> {
        let known = self.target.stat(path)?;
        let Some((above, directory)) = self.parent(path)? else { return Err(Errno::BUSY) };
        self.target.permit(&above, &directory, WRITE | EXECUTE)?;
        if Credentials::effective().may_take(&directory, &known) {
            Ok(known)
        } else {
            Err(Errno::PERM)
        }
    }
}
