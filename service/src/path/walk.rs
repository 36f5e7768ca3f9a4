//! The walk itself.

use super::{
    Below, Final, Found, How, LONGEST, Last, MOST_LINKS, NAME, Place, Rest, Start, Stop, Text,
};
use vload_module::Errno;

/// An error of the cross-device kind, of `RESOLVE_NO_XDEV` and `RESOLVE_BENEATH`.
const XDEV: Errno = Errno::XDEV;

struct Walk<'a, B: Below> {
    below: &'a B,
    how: How,
    start: Start<'a>,
    /// What cannot be left: the process's root, or the base with `RESOLVE_IN_ROOT`.
    root: &'a [u8],
    done: &'a mut Text,
    owner: Option<(u32, u64)>,
    /// Who owns the place where the walk began, once that is known.
    device: Option<Option<(u32, u64)>>,
    touched: bool,
    nameless: Option<i32>,
    links: u32,
}

/// What the next step is.
enum Step {
    /// The next name.
    On,
    /// The next name, which is a link's.
    Linked,
    /// The kernel takes all that is left.
    Handed,
}

/// Walks along `path`, of which nothing is left then; `done` is where it leads.
///
/// An error on a way that the kernel sees as we do is the kernel's to find: [`Stop::Kernel`].
#[inline(never)]
pub fn resolve<B: Below>(
    below: &B,
    start: Start<'_>,
    path: &mut Rest,
    how: How,
    done: &mut Text,
) -> Result<Place, Stop> {
    let root = if how.in_root { start.base } else { start.root };
    // The kernel's idea of what is beneath a virtual base is another one.
    let touched = start.is_virtual && (how.beneath || how.in_root);
    let mut walk = Walk {
        below,
        how,
        start,
        root,
        done,
        owner: None,
        device: None,
        touched,
        nameless: None,
        links: 0,
    };
    let walked = walk.run(path);
    let touched = walk.touched;
    match walked {
        Err(Stop::Error(_)) if !touched => Err(Stop::Kernel),
        other => other,
    }
}

impl<B: Below> Walk<'_, B> {
    fn run(&mut self, rest: &mut Rest) -> Result<Place, Stop> {
        let first = *rest.bytes().first().ok_or(Errno::NOENT)?;
        if first == b'/' {
            self.start_over()?;
        } else {
            self.done.set(self.start.base)?;
            self.touched |= self.start.is_virtual;
            self.arrive()?;
        }
        let (mut last, mut slash) = (Last::Root, false);
        let mut buffer = [0; NAME];
        while let Some((length, follows)) = rest.next(&mut buffer)? {
            slash = follows;
            let end = rest.is_over();
            match &buffer[..length] {
                b"." => {
                    last = Last::Dot;
                    self.below.search(self.done, self.owner)?;
                }
                b".." => {
                    last = Last::DotDot;
                    self.below.search(self.done, self.owner)?;
                    self.up()?;
                }
                name => {
                    last = Last::Name;
                    self.enter(name)?;
                    let leave = match self.how.end {
                        Final::Follow => false,
                        Final::Leave => end && !slash,
                        Final::Name => end,
                    };
                    match if leave { Step::On } else { self.look(rest, end)? } {
                        Step::On => {}
                        // The slash behind the name is what the rest begins with, behind the link's text.
                        Step::Linked => (last, slash) = (Last::Root, false),
                        Step::Handed => {
                            slash = false;
                            break;
                        }
                    }
                }
            }
        }
        let (owner, touched, nameless) = (self.owner, self.touched, self.nameless);
        Ok(Place { owner, touched, slash, last, nameless })
    }

    /// Appends a name. The kernel finds out by itself whether a real directory can be searched when it is asked for what
    /// is in it.
    fn enter(&mut self, name: &[u8]) -> Result<(), Stop> {
        let from = self.owner;
        if from.is_some() {
            self.below.search(self.done, from)?;
        }
        self.done.push(name)?;
        self.arrive()?;
        if from.is_none() && self.owner.is_some() {
            self.done.pop();
            self.below.search(self.done, from)?;
            self.done.push(name)?;
        }
        Ok(())
    }

    /// Looks at the name that was just appended. A link's text is what `rest` begins with then.
    #[inline(never)]
    fn look(&mut self, rest: &mut Rest, end: bool) -> Result<Step, Stop> {
        let mut text = [0; LONGEST];
        let found = match self.below.look(self.done, self.owner, &mut text) {
            Ok(Found::Other) => return Ok(Step::On),
            Err(Errno::NOENT) if end => return Ok(Step::On),
            other => other?,
        };
        if self.how.no_links || self.links >= MOST_LINKS {
            return Err(Stop::Error(Errno::LOOP));
        }
        self.links += 1;
        match found {
            Found::Link(length) => {
                let link = &text[..length];
                let first = *link.first().ok_or(Errno::NOENT)?;
                rest.before(link)?;
                if first == b'/' {
                    self.start_over()?;
                } else {
                    self.done.pop();
                    self.arrive()?;
                }
                Ok(Step::Linked)
            }
            Found::Place(length) => {
                self.magic()?;
                self.touched = true;
                self.done.set(&text[..length])?;
                self.arrive()?;
                Ok(Step::On)
            }
            Found::Nameless(fd, is_directory) => {
                self.magic()?;
                self.touched = true;
                if !end {
                    let error = if is_directory { Errno::NOENT } else { Errno::NOTDIR };
                    return Err(Stop::Error(error));
                }
                self.nameless = Some(fd);
                Ok(Step::Handed)
            }
            Found::RealPlace(length) if !end => {
                self.magic()?;
                self.done.set(&text[..length])?;
                self.arrive()?;
                Ok(Step::On)
            }
            Found::RealPlace(_) | Found::Opaque => {
                self.magic()?;
                if !self.touched {
                    return Err(Stop::Kernel);
                }
                let left = rest.bytes();
                if !end {
                    self.done
                        .push(&left[left.iter().position(|&byte| byte != b'/').unwrap_or(0)..])?;
                }
                Ok(Step::Handed)
            }
            Found::Other => Ok(Step::On),
        }
    }

    fn magic(&self) -> Result<(), Stop> {
        if self.how.no_magic {
            return Err(Stop::Error(Errno::LOOP));
        }
        // It jumps (`nd_jump_link`).
        if self.how.beneath || self.how.in_root || self.how.one_device {
            return Err(Stop::Error(XDEV));
        }
        Ok(())
    }

    fn start_over(&mut self) -> Result<(), Stop> {
        if self.how.beneath {
            return Err(Stop::Error(XDEV));
        }
        self.done.set(self.root)?;
        self.touched |=
            if self.how.in_root { self.start.is_virtual } else { self.start.root_is_virtual };
        self.arrive()
    }

    fn up(&mut self) -> Result<(), Stop> {
        let at_root = self.done.bytes() == if self.root.is_empty() { b"/" } else { self.root };
        if self.how.beneath && self.done.bytes() == self.start.base {
            return Err(Stop::Error(XDEV));
        }
        if at_root {
            return Ok(());
        }
        self.done.pop();
        self.arrive()
    }

    /// Notes who owns the place that has been come to.
    fn arrive(&mut self) -> Result<(), Stop> {
        self.owner = self.below.owner(self.done);
        self.touched |= self.owner.is_some();
        let device = *self.device.get_or_insert(self.owner);
        if self.how.one_device && device != self.owner {
            return Err(Stop::Error(XDEV));
        }
        Ok(())
    }
}

impl From<Errno> for Stop {
    fn from(error: Errno) -> Self {
        Stop::Error(error)
    }
}
