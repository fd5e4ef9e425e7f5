//! What must be there after a cut: worked out from what had been said until then.

use crate::disk::Entry;
use crate::work::Said;
use crate::world::{Counts, life_of};
use std::collections::BTreeMap;
use tamarack::Durability;

/// What is promised of one cut.
#[derive(Debug, Clone, Default)]
pub(crate) struct Promised {
    /// A process had opened the file: it cannot be missing.
    pub(crate) opened: bool,
    /// Transactions that were acknowledged as synced.
    pub(crate) synced: Counts,
    /// All that were acknowledged.
    pub(crate) acknowledged: Counts,
    /// All that can have begun: what is acknowledged in the whole record, and one more. None where not every word was heard.
    begun: Option<Counts>,
    /// What each process found when it opened the file.
    found: BTreeMap<u32, Counts>,
    /// What was there after the cut before this one, inside of whose recovery this one came.
    pub(crate) exactly: Option<Counts>,
}

fn of(counts: &Counts, thread: u32) -> u64 {
    counts.get(&thread).copied().unwrap_or(0)
}

impl Promised {
    /// At a moment of a record.
    pub(crate) fn at(log: &[Entry], moment: usize) -> Self {
        let mut promised = Self::default();
        let mut begun = Counts::new();
        for (at, entry) in log.iter().enumerate() {
            match entry {
                Entry::Said(Said::Life(life, counts)) => {
                    promised.opened |= at < moment;
                    promised.found.insert(*life, counts.clone());
                }
                Entry::Said(Said::Done(thread, number, durability)) => {
                    begun.insert(*thread, number + 2);
                    if at < moment {
                        promised.acknowledged.insert(*thread, number + 1);
                        if *durability == Durability::Synced {
                            promised.synced.insert(*thread, number + 1);
                        }
                    }
                }
                Entry::Write { .. } | Entry::Flush => (),
            }
        }
        promised.begun = Some(begun);
        promised
    }

    /// Of a record that lacks what was said last.
    pub(crate) fn unheard(self) -> Self {
        Self { begun: None, ..self }
    }

    /// What is wrong with what is there; or how many acknowledged ones that were not synced are gone.
    pub(crate) fn judge(&self, there: bool, counts: &Counts) -> Result<u64, String> {
        if self.opened && !there {
            return Err("the file is missing".to_owned());
        }
        if let Some(exactly) = self.exactly.as_ref().filter(|exactly| *exactly != counts) {
            return Err(format!("lost in recovery: {exactly:?} were there and now {counts:?} are"));
        }
        for (&thread, &count) in &self.synced {
            if of(counts, thread) < count {
                let there = of(counts, thread);
                return Err(format!(
                    "acknowledged and lost: {there} of {count} synced transactions of thread {thread}"
                ));
            }
        }
        for (&thread, &count) in counts {
            if self.begun.as_ref().is_some_and(|begun| count > of(begun, thread).max(1)) {
                return Err(format!("thread {thread} has {count} transactions and began fewer"));
            }
            self.follows(life_of(thread), counts)?;
        }
        let gone = |(&thread, &count): (&u32, &u64)| count.saturating_sub(of(counts, thread));
        Ok(self.acknowledged.iter().map(gone).sum())
    }

    /// Where something of a process is there, all that it had found is there, and nothing else of its predecessors.
    fn follows(&self, life: u32, counts: &Counts) -> Result<(), String> {
        let found = self.found.get(&life).ok_or_else(|| format!("process {life} never opened the file"))?;
        let before: Counts =
            counts.iter().filter(|(thread, _)| life_of(**thread) < life).map(|(&t, &c)| (t, c)).collect();
        if before == *found {
            return Ok(());
        }
        Err(format!("a hole: process {life} had found {found:?}, and of these {before:?} are there"))
    }
}

/// That each process found what its predecessors, which were killed or closed the file, had handed to the operating system.
pub(crate) fn killed(log: &[Entry]) -> Result<u64, String> {
    let (mut handed, mut processes) = (Counts::new(), 0);
    for entry in log {
        match entry {
            Entry::Said(Said::Life(life, counts)) => {
                if let Some((thread, count)) = handed.iter().find(|(thread, count)| of(counts, **thread) < **count) {
                    let there = of(counts, *thread);
                    return Err(format!("process {life} found {there} of {count} transactions of thread {thread}"));
                }
                processes += 1;
            }
            Entry::Said(Said::Done(thread, number, durability)) if *durability != Durability::Deferred => {
                handed.insert(*thread, number + 1);
            }
            _ => (),
        }
    }
    Ok(processes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Durability::{Buffered, Deferred, Synced};

    fn log(of: &[Said]) -> Vec<Entry> {
        of.iter().cloned().map(Entry::Said).collect()
    }

    #[test]
    fn a_synced_transaction_may_not_be_lost_and_others_may() {
        let life = Said::Life(0, Counts::new());
        let log = log(&[life, Said::Done(0, 0, Synced), Said::Done(0, 1, Deferred), Said::Done(1, 0, Buffered)]);
        let judge = |moment, there, of: &[(u32, u64)]| {
            Promised::at(&log, moment).judge(there, &of.iter().copied().collect::<Counts>())
        };
        assert_eq!(judge(0, false, &[]), Ok(0));
        assert!(judge(1, false, &[]).unwrap_err().contains("missing"));
        assert_eq!(judge(1, true, &[]), Ok(0));
        assert!(judge(2, true, &[]).unwrap_err().contains("acknowledged and lost"));
        assert_eq!(judge(4, true, &[(0, 1)]), Ok(2));
        assert_eq!(judge(4, true, &[(0, 3), (1, 1)]), Ok(0));
        assert!(judge(4, true, &[(0, 4)]).unwrap_err().contains("began fewer"));
        assert!(judge(4, true, &[(0, 1), (8, 1)]).unwrap_err().contains("never opened"));
    }

    #[test]
    fn what_a_process_found_may_not_be_lost_before_what_it_did() {
        let second = Said::Life(1, Counts::from([(0, 2)]));
        let log = log(&[Said::Life(0, Counts::new()), Said::Done(0, 0, Buffered), Said::Done(0, 1, Deferred), second]);
        let promised = Promised::at(&log, 4);
        assert_eq!(promised.judge(true, &Counts::from([(0, 1)])), Ok(1));
        assert_eq!(promised.judge(true, &Counts::from([(0, 2), (8, 1)])), Ok(0));
        assert!(promised.judge(true, &Counts::from([(0, 1), (8, 1)])).unwrap_err().contains("a hole"));
        assert_eq!(killed(&log), Ok(2));
    }

    #[test]
    fn a_kill_takes_nothing_that_was_handed_over() {
        let second = Said::Life(1, Counts::from([(0, 1)]));
        let log = log(&[Said::Life(0, Counts::new()), Said::Done(0, 0, Synced), Said::Done(0, 1, Buffered), second]);
        assert!(killed(&log).unwrap_err().contains("found 1 of 2"));
    }

    #[test]
    fn recovery_may_lose_nothing() {
        let promised = Promised { exactly: Some(Counts::from([(0, 1)])), ..Promised::default() };
        assert!(promised.judge(true, &Counts::new()).unwrap_err().contains("lost in recovery"));
    }
}
