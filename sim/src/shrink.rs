//! Makes a failing plan short: leaves out power cuts, steps and faults, as long as it still fails.

use crate::plan::{Life, Plan, What};

/// Where a life is in a plan: the cuts that lead to it.
type Path = Vec<usize>;

/// Shrinks until nothing can be left out any more or `budget` plays are spent.
pub(crate) fn shrink(plan: &Plan, mut budget: usize, fails: &mut dyn FnMut(&Plan) -> bool) -> Plan {
    let mut best = plan.clone();
    loop {
        let before = size(&best.life);
        for part in [Part::Cuts, Part::Steps, Part::Faults, Part::Within] {
            let mut at = 0;
            while let Some(path) = paths(&best.life).get(at).cloned() {
                at += 1;
                leave_out(&mut best, &path, part, &mut budget, fails);
            }
        }
        if budget == 0 || size(&best.life) == before {
            return best;
        }
    }
}

#[derive(Clone, Copy)]
enum Part {
    Cuts,
    Steps,
    Faults,
    Within,
}

impl Part {
    fn len(self, life: &Life) -> usize {
        match self {
            Self::Cuts => life.cuts.len(),
            Self::Steps => life.steps.len(),
            Self::Faults => life.faults.len(),
            Self::Within => within(life),
        }
    }

    fn remove(self, life: &mut Life, range: std::ops::Range<usize>) {
        match self {
            Self::Cuts => drop(life.cuts.drain(range)),
            Self::Steps => drop(life.steps.drain(range)),
            Self::Faults => drop(life.faults.drain(range)),
            Self::Within => {
                let mut number = 0;
                for step in &mut life.steps {
                    if let What::Checkpoint(inner) | What::Compact(inner) | What::Backup(inner) = &mut step.what {
                        inner.retain(|_| {
                            number += 1;
                            !range.contains(&(number - 1))
                        });
                    }
                }
            }
        }
    }
}

fn within(life: &Life) -> usize {
    let inner = |what: &What| match what {
        What::Checkpoint(inner) | What::Compact(inner) | What::Backup(inner) => inner.len(),
        _ => 0,
    };
    life.steps.iter().map(|step| inner(&step.what)).sum()
}

/// Tries to leave out halves, then quarters, and so on.
fn leave_out(best: &mut Plan, path: &Path, part: Part, budget: &mut usize, fails: &mut dyn FnMut(&Plan) -> bool) {
    let length = |plan: &Plan| at(&plan.life, path).map_or(0, |life| part.len(life));
    let mut piece = length(best);
    while piece > 0 {
        let mut from = 0;
        while from < length(best) && *budget > 0 {
            let mut smaller = best.clone();
            let range = from..(from + piece).min(length(best));
            if let Some(life) = at_mut(&mut smaller.life, path) {
                part.remove(life, range);
            }
            *budget -= 1;
            if fails(&smaller) {
                *best = smaller;
            } else {
                from += piece;
            }
        }
        piece /= 2;
    }
}

fn size(life: &Life) -> usize {
    let below: usize = life.cuts.iter().map(|cut| 1 + size(&cut.life)).sum();
    life.steps.len() + within(life) + life.faults.len() + below
}

fn paths(life: &Life) -> Vec<Path> {
    let mut all = vec![Vec::new()];
    for (number, cut) in life.cuts.iter().enumerate() {
        for mut path in paths(&cut.life) {
            path.insert(0, number);
            all.push(path);
        }
    }
    all
}

fn at<'a>(life: &'a Life, path: &[usize]) -> Option<&'a Life> {
    match path.split_first() {
        None => Some(life),
        Some((&first, rest)) => at(&life.cuts.get(first)?.life, rest),
    }
}

fn at_mut<'a>(life: &'a mut Life, path: &[usize]) -> Option<&'a mut Life> {
    match path.split_first() {
        None => Some(life),
        Some((&first, rest)) => at_mut(&mut life.cuts.get_mut(first)?.life, rest),
    }
}
