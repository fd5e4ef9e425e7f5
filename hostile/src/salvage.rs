//! Salvage of bytes: through files, for it makes one, in a folder that lies in memory where there is such a folder.

use std::path::Path;
use tamarack::{Result, SalvageReport};

const IN_MEMORY: &str = "/dev/shm";

/// Salvages a file with these bytes, and looks at what came of it. The new file is sound, whatever the old one was.
///
/// # Errors
/// The files could not be made; within, what the salvage says.
///
/// # Panics
/// The new file is not sound.
pub fn salvage<T>(bytes: &[u8], look: impl FnOnce(&Path) -> T) -> std::io::Result<Result<(SalvageReport, T)>> {
    let place = Path::new(IN_MEMORY);
    let folder = if place.is_dir() { tempfile::tempdir_in(place) } else { tempfile::tempdir() }?;
    let (from, into) = (folder.path().join("from.tam"), folder.path().join("into.tam"));
    #[expect(clippy::disallowed_methods, reason = "a file for the salvage, which knows files only")]
    std::fs::write(&from, bytes)?;
    Ok(tamarack::salvage_file(&from, &into, &mut |_| {}).map(|report| {
        let check = tamarack::check_file(&into, &mut |_| {});
        let sound = check.as_ref().is_ok_and(tamarack::CheckReport::is_sound);
        let said = check.map_or_else(|error| error.to_string(), |check| check.to_string());
        assert!(sound, "what was salvaged is not sound: {said:.2000}\n{report}");
        (report, look(&into))
    }))
}
