//! Which layer owns which place.
