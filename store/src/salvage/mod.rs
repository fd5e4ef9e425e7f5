//! What is left of a damaged file: pages that no sound page names any more, and log records that lie in the ring from before.
//!
//! Pages say of themselves what they are: kind, tree, place, generation. So where an inner page is damaged, the leaves below it are found by
//! looking at every block. Which of them is the current one for a key: one in a block that is neither free nor somebody else's, and among
//! several the newest. A page does not hold its own checksum; it is verified by any inner page in the file, also one of an older
//! checkpoint, whose entry for it matches.
//!
//! Nothing here writes to that file; [`Hidden`] is the new one. Memory: the fences of the pages that were found, so that it grows with what is damaged.

mod cover;
mod hidden;
mod strays;

pub(crate) use cover::Gaps;
pub(crate) use hidden::Hidden;
pub(crate) use strays::{StrayLeaf, find_strays};
