//! Damage of a whole small file with all kinds of pages, as a crash left it.

use crate::bits::verdict;
use crate::worker::{Trials, Verdict};
use fastrand::Rng;
use tamarack::simulate::{Disk, raw::settle};
use tamarack_hostile::damage::Damage;
use tamarack_hostile::world::World;

/// See the module.
pub(crate) struct Small {
    world: World,
    total: u64,
    seed: u64,
}

impl Small {
    pub(crate) fn new(total: u64, seed: u64) -> Self {
        Self { world: World::new(true), total, seed }
    }
}

/// The damage of a trial.
pub(crate) fn damage(number: u64) -> Damage {
    Damage::ALL[number as usize % Damage::ALL.len()]
}

impl Trials for Small {
    fn total(&self) -> u64 {
        self.total
    }

    fn label(&self, number: u64) -> String {
        format!("{:?}", damage(number))
    }

    fn run(&self, number: u64) -> Result<Verdict, String> {
        let mut random = Rng::with_seed(self.seed << 40 ^ number);
        let mut bytes = self.world.bytes.clone();
        damage(number).apply(&mut bytes, &self.world.before, 1024, &mut random);
        let disk = Disk::holding(number, &bytes);
        let answer = self.world.answer(&disk, self.world.least(&bytes));
        drop(disk);
        settle();
        answer.map(verdict)
    }
}
