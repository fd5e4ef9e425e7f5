//! The name of a database's file in errors.

use crate::error::{ErrorKind, Result};
use std::path::Path;
use std::sync::Arc;

/// The path of the file. `None`: in memory.
#[derive(Clone, Default)]
pub(super) struct Name(Option<Arc<Path>>);

impl Name {
    /// Of the database in this file.
    pub(super) fn of_file(path: &Path) -> Self {
        Self(Some(path.into()))
    }

    /// Puts the file's name before an error of the device: a program may have several files open.
    pub(super) fn in_front_of<T>(&self, result: Result<T>) -> Result<T> {
        use ErrorKind::{Corrupt, Io, LogDamaged, Poisoned, StorageFull};
        result.map_err(|error| match &self.0 {
            Some(path) if matches!(error.kind(), Corrupt | Io | LogDamaged | Poisoned | StorageFull) => {
                error.context(format_args!("`{}`", path.display()))
            }
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Name;
    use crate::error::{Error, ErrorKind, Result};
    use std::path::Path;

    #[test]
    fn errors_of_the_device_name_the_file() {
        let said =
            |name: Name, kind| name.in_front_of(Result::<()>::Err(Error::new(kind, "what"))).unwrap_err().to_string();
        let file = Name::of_file(Path::new("a.tam"));
        for kind in [ErrorKind::Io, ErrorKind::StorageFull, ErrorKind::Poisoned, ErrorKind::Corrupt] {
            assert_eq!(said(file.clone(), kind), "`a.tam`: what");
            assert_eq!(said(Name::default(), kind), "what");
        }
        assert_eq!(said(file, ErrorKind::Conflict), "what");
    }
}
