//! The descriptions that are under way, so that types which hold each other are found and not followed without end.

use crate::shape_def::ShapeDef;
use std::any::TypeId;
use std::cell::RefCell;

#[derive(Default)]
struct Open {
    /// Types whose description has begun, outermost first.
    types: Vec<(TypeId, &'static str)>,
    /// Who holds itself. From there on nothing is described until the outermost type is done: types that hold each other many times
    /// over have more ways through them than anybody can follow.
    endless: Option<String>,
}

thread_local! {
    static OPEN: RefCell<Open> = RefCell::default();
}

/// Ends a description, also when it panics.
struct Ended;

impl Drop for Ended {
    fn drop(&mut self) {
        OPEN.with_borrow_mut(|open| {
            open.types.pop();
            if open.types.is_empty() {
                open.endless = None;
            }
        });
    }
}

/// Begins a description; what to say instead if there is no end to it.
fn begin(of: TypeId, name: &'static str) -> Option<String> {
    OPEN.with_borrow_mut(|open| {
        if open.endless.is_none()
            && let Some(at) = open.types.iter().position(|(other, _)| *other == of)
        {
            let through: Vec<_> = open.types.iter().skip(at + 1).map(|(_, name)| format!("`{name}`")).collect();
            let through = if through.is_empty() { String::new() } else { format!(" through {}", through.join(", ")) };
            open.endless = Some(format!("`{name}` holds itself{through}"));
        }
        if open.endless.is_none() {
            open.types.push((of, name));
        }
        open.endless.clone()
    })
}

impl ShapeDef {
    /// Describes a type of a name. Generated code calls it.
    #[doc(hidden)]
    pub fn of_type<T: 'static>(name: &'static str, describe: impl FnOnce() -> Self) -> Self {
        if let Some(endless) = begin(TypeId::of::<T>(), name) {
            return Self::Endless(endless);
        }
        let _ended = Ended;
        describe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Leaf;
    struct Branch;

    fn leaf() -> ShapeDef {
        ShapeDef::of_type::<Leaf>("Leaf", || ShapeDef::Tuple(vec![ShapeDef::U8, branch(), branch()]))
    }

    fn branch() -> ShapeDef {
        ShapeDef::of_type::<Branch>("Branch", || ShapeDef::Tuple(vec![leaf(), leaf()]))
    }

    #[test]
    fn who_holds_itself_is_named() {
        let fault = |shape: ShapeDef| shape.fault().unwrap();
        assert!(fault(leaf()).starts_with("`Leaf` holds itself through `Branch`: "));
        assert!(fault(branch()).starts_with("`Branch` holds itself through `Leaf`: "), "nothing is left of the first");
        assert!(ShapeDef::from_bytes(&leaf().to_bytes()).is_err());
        let alone = || ShapeDef::of_type::<Leaf>("Leaf", || ShapeDef::of_type::<Leaf>("Leaf", || ShapeDef::U8));
        assert!(fault(alone()).starts_with("`Leaf` holds itself: "));
        let twice = || ShapeDef::of_type::<Leaf>("Leaf", || ShapeDef::U8);
        let both = ShapeDef::of_type::<Branch>("Branch", || ShapeDef::Tuple(vec![twice(), twice()]));
        assert_eq!(both.fault(), None, "the same type beside itself");
    }

    #[test]
    fn a_description_that_panics_is_over() {
        let fails = || ShapeDef::of_type::<Leaf>("Leaf", || panic!("no shape"));
        assert!(std::panic::catch_unwind(fails).is_err());
        assert_eq!(ShapeDef::of_type::<Leaf>("Leaf", || ShapeDef::U8).fault(), None);
    }
}
