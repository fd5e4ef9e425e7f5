//! Damage of real files, the same for every store.

use crate::stores::{self, ROWS, Store};
use crate::whole::damage;
use crate::worker::{Trials, Verdict};
use fastrand::Rng;
use std::fs;
use std::path::{Path, PathBuf};

/// Pages of all stores, by default.
const PAGE: usize = 4096;

/// See the module.
pub(crate) struct Files {
    store: Box<dyn Store>,
    folder: PathBuf,
    bytes: Vec<u8>,
    before: Vec<u8>,
    total: u64,
    seed: u64,
}

impl Files {
    /// Makes the file, unless it is there.
    pub(crate) fn new(name: &str, folder: &Path, total: u64, seed: u64) -> Self {
        let store = stores::named(name);
        let (before, after) = (folder.join(format!("{name}.before")), folder.join(format!("{name}.after")));
        if !after.exists() {
            make(&*store, folder, &before, &after);
        }
        let read = |path: &Path| fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { bytes: read(&after), before: read(&before), store, folder: folder.to_owned(), total, seed }
    }
}

fn make(store: &dyn Store, folder: &Path, before: &Path, after: &Path) {
    let place = folder.join("make");
    let made = || -> stores::Result<()> {
        fs::create_dir_all(&place)?;
        let file = store.file(&place);
        store.write(&place, &mut (0..ROWS).map(|key| (key, stores::value(key, 0))))?;
        fs::copy(&file, before)?;
        // Every third row is another one.
        store.write(&place, &mut (0..ROWS).step_by(3).map(|key| (key, stores::value(key, 1))))?;
        fs::copy(&file, after)?;
        Ok(fs::remove_dir_all(&place)?)
    };
    made().unwrap_or_else(|error| panic!("{error}"));
}

impl Trials for Files {
    fn total(&self) -> u64 {
        self.total
    }

    fn label(&self, number: u64) -> String {
        format!("{:?}", damage(number))
    }

    fn run(&self, number: u64) -> Result<Verdict, String> {
        let mut random = Rng::with_seed(self.seed << 40 ^ number);
        let mut bytes = self.bytes.clone();
        damage(number).apply(&mut bytes, &self.before, PAGE, &mut random);
        let place = self.folder.join(format!("trial-{number}"));
        let told = |error: std::io::Error| format!("the trial could not be made: {error}");
        fs::create_dir_all(&place).map_err(told)?;
        fs::write(self.store.file(&place), &bytes).map_err(told)?;
        let gets: Vec<u32> = (0..100).map(|_| random.u32(0..ROWS)).collect();
        let ended = self.store.answer(&place, &gets);
        let _ = fs::remove_dir_all(&place);
        Ok(match ended {
            Ok(answer) if !answer.right && answer.found => Verdict::WrongToCheck,
            Ok(answer) if !answer.right => Verdict::Wrong,
            Ok(answer) if answer.found => Verdict::ByCheck,
            Ok(_) => Verdict::Harmless,
            Err(error) => {
                self.store.tells(&*error)?;
                Verdict::Detected
            }
        })
    }
}
