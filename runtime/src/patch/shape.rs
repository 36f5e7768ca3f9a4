//! The ways of redirecting a site.

/// One way of redirecting a site without changing what the code does. Which of them a processor
/// has, its `arch::patch` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Shape {
    /// The long jump replaces the load of the call number right before the site, and the site
    /// jumps back to it.
    Mov = 0,
    /// The site jumps to padding within reach, which holds the long jump.
    Pad = 1,
    /// The long jump replaces the site and instructions before it.
    Before = 2,
    /// The long jump replaces the site and instructions behind it.
    After = 3,
    /// A long jump whose last bytes are those of the following instruction. It leads to an island,
    /// which holds the jump to the stub.
    Pun = 4,
    /// A trap, which the resident's signal handler turns into the call.
    Trap = 5,
    /// The site itself holds the long jump: where it is as long as the site.
    Direct = 6,
    /// The site is a function that stands for a call; its first instructions move into the stub.
    /// Not a matter of choice, so no set has it.
    Function = 7,
}

/// Every shape with the name that `--shapes` takes.
const NAMES: [(Shape, &str); 7] = [
    (Shape::Direct, "direct"),
    (Shape::Mov, "mov"),
    (Shape::Pad, "pad"),
    (Shape::Before, "before"),
    (Shape::After, "after"),
    (Shape::Pun, "pun"),
    (Shape::Trap, "trap"),
];

impl Shape {
    /// The shape of that number.
    #[must_use]
    pub fn from_raw(raw: u8) -> Option<Self> {
        let all = NAMES.iter().map(|entry| entry.0).chain([Self::Function]);
        all.into_iter().find(|shape| *shape as u8 == raw)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|entry| entry.0 == self).map_or("function", |entry| entry.1)
    }
}

/// The shapes that may be used, in the order in which they are tried. What fits none of them gets
/// [`Shape::Trap`], unless there must be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeSet {
    order: [u8; NAMES.len()],
    no_traps: bool,
}

/// No shape at this place of the order.
const NONE: u8 = 0xff;
/// Behind the order, where there must be no traps.
const NO_TRAPS: u8 = 0xfe;

impl Default for ShapeSet {
    /// All of them; those that leave the site and what follows it executable come first.
    fn default() -> Self {
        let mut set = Self::EMPTY;
        for (place, entry) in set.order.iter_mut().zip(NAMES) {
            *place = entry.0 as u8;
        }
        set
    }
}

impl ShapeSet {
    /// No shape but the trap.
    pub const EMPTY: Self = Self { order: [NONE; NAMES.len()], no_traps: false };

    /// Reads a list of names separated by commas. The error is the name that is none.
    pub fn parse(list: &str) -> Result<Self, &str> {
        let mut set = Self::EMPTY;
        for (index, name) in list.split(',').enumerate() {
            let known = NAMES.iter().find(|entry| entry.1 == name).ok_or(name)?.0 as u8;
            if set.order.contains(&known) {
                return Err(name);
            }
            *set.order.get_mut(index).ok_or(name)? = known;
        }
        Ok(set)
    }

    /// The same without one of them.
    #[must_use]
    pub fn without(mut self, shape: Shape) -> Self {
        self.order.iter_mut().filter(|raw| **raw == shape as u8).for_each(|raw| *raw = NONE);
        self
    }

    /// The same without traps, also where nothing else fits.
    #[must_use]
    pub fn without_traps(self) -> Self {
        Self { no_traps: true, ..self.without(Shape::Trap) }
    }

    /// Whether what fits no other shape may trap.
    #[must_use]
    pub fn allows_traps(&self) -> bool {
        !self.no_traps
    }

    /// The shapes in their order.
    pub fn iter(&self) -> impl Iterator<Item = Shape> + '_ {
        self.order.iter().filter_map(|&raw| Shape::from_raw(raw))
    }

    /// The set as it is stored.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        let mut bytes = [NONE; 8];
        bytes[..NAMES.len()].copy_from_slice(&self.order);
        if self.no_traps {
            bytes[NAMES.len()] = NO_TRAPS;
        }
        bytes
    }

    /// The set that [`Self::to_bytes`] stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        let mut set = Self::EMPTY;
        set.order.copy_from_slice(&bytes[..NAMES.len()]);
        let known = |&raw: &u8| raw == NONE || NAMES.iter().any(|entry| entry.0 as u8 == raw);
        set.no_traps = bytes[NAMES.len()] == NO_TRAPS;
        (matches!(bytes[NAMES.len()], NONE | NO_TRAPS) && set.order.iter().all(known))
            .then_some(set)
    }
}

#[cfg(test)]
mod tests {
    use super::{Shape, ShapeSet};
    use std::vec::Vec;

    #[test]
    fn a_list_gives_the_order() {
        let set = ShapeSet::parse("pad,mov,trap").expect("names");
        assert_eq!(set.iter().collect::<Vec<_>>(), [Shape::Pad, Shape::Mov, Shape::Trap]);
        assert_eq!(ShapeSet::from_bytes(set.to_bytes()), Some(set));
    }

    #[test]
    fn one_shape_less_keeps_the_order() {
        let set = ShapeSet::parse("pun,mov,trap").expect("names").without(Shape::Pun);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Shape::Mov, Shape::Trap]);
        assert_eq!(ShapeSet::from_bytes(set.to_bytes()), Some(set));
        let set = set.without_traps();
        assert!(!set.allows_traps() && set.iter().eq([Shape::Mov]));
        assert_eq!(ShapeSet::from_bytes(set.to_bytes()), Some(set));
    }

    #[test]
    fn traps_can_be_ruled_out() {
        let set = ShapeSet::parse("mov,trap").expect("names").without_traps();
        assert!(!set.allows_traps() && set.iter().eq([Shape::Mov]));
        assert_eq!(ShapeSet::from_bytes(set.to_bytes()), Some(set));
    }

    #[test]
    fn what_is_no_list_names_the_fault() {
        assert_eq!(ShapeSet::parse("mov,jump"), Err("jump"));
        assert_eq!(ShapeSet::parse("mov,mov"), Err("mov"));
        assert_eq!(ShapeSet::parse(""), Err(""));
        assert_eq!(ShapeSet::from_bytes([9; 8]), None);
    }

    #[test]
    fn traps_can_be_left_out() {
        let set = ShapeSet::parse("mov,trap").expect("names").without_traps();
        assert!(!set.allows_traps() && set.iter().eq([Shape::Mov]));
        assert_eq!(ShapeSet::from_bytes(set.to_bytes()), Some(set));
    }
}
