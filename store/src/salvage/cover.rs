//! Ranges of keys that nothing covers yet.

use std::collections::BTreeMap;

/// A range: its lower end, and its upper one, which is not in it; `None` has no end.
pub(crate) type KeyRange = (Vec<u8>, Option<Vec<u8>>);

/// Ranges of one tree that do not overlap, by their lower ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gaps(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

fn smaller<'a>(a: Option<&'a [u8]>, b: Option<&'a [u8]>) -> Option<&'a [u8]> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (Some(one), None) | (None, Some(one)) => Some(one),
        (None, None) => None,
    }
}

fn is_below(key: &[u8], end: Option<&[u8]>) -> bool {
    end.is_none_or(|end| key < end)
}

impl Gaps {
    /// Adds a range that touches none of those that are there.
    pub(crate) fn add(&mut self, lower: &[u8], upper: Option<&[u8]>) {
        self.0.insert(lower.to_vec(), upper.map(<[u8]>::to_vec));
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes away what a range covers, and returns it in pieces.
    pub(crate) fn cover(&mut self, lower: &[u8], upper: Option<&[u8]>) -> Vec<KeyRange> {
        // The gap that begins before the range may reach into it.
        let first = self.0.range(..=lower.to_vec()).next_back().map(|(start, _)| start.clone());
        let start = first.unwrap_or_else(|| lower.to_vec());
        let touched: Vec<KeyRange> = self
            .0
            .range(start..)
            .take_while(|(start, _)| is_below(start, upper))
            .filter(|(_, end)| is_below(lower, end.as_deref()))
            .map(|(start, end)| (start.clone(), end.clone()))
            .collect();
        let mut pieces = Vec::with_capacity(touched.len());
        for (start, end) in touched {
            self.0.remove(&start);
            let from = start.as_slice().max(lower).to_vec();
            let to = smaller(end.as_deref(), upper).map(<[u8]>::to_vec);
            if start < from {
                self.0.insert(start, Some(from.clone()));
            }
            if let Some(to) = &to
                && end.as_deref() != Some(to.as_slice())
            {
                self.0.insert(to.clone(), end);
            }
            pieces.push((from, to));
        }
        pieces
    }

    /// What is left.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.0.iter().map(|(lower, upper)| (lower.as_slice(), upper.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_covered_once() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..300 {
            let mut gaps = Gaps::default();
            gaps.add(&[10], Some(&[60]));
            gaps.add(&[80], None);
            let mut model: Vec<bool> = (0..=255_u8).map(|key| (10..60).contains(&key) || key >= 80).collect();
            for _ in 0..12 {
                let (a, b) = (random.u8(..), random.u8(..));
                let (lower, upper) = (a.min(b), a.max(b).saturating_add(1));
                let open = random.u32(0..8) == 0;
                let upper = if open { None } else { Some(upper) };
                let pieces = gaps.cover(&[lower], upper.map(|upper| vec![upper]).as_deref());
                let inside = |key: u8| key >= lower && upper.is_none_or(|upper| key < upper);
                for key in 0..=255_u8 {
                    let of = pieces
                        .iter()
                        .filter(|(from, to)| from.as_slice() <= [key].as_slice() && is_below(&[key], to.as_deref()));
                    assert_eq!(of.count(), usize::from(model[key as usize] && inside(key)), "key {key}");
                    model[key as usize] &= !inside(key);
                }
                for key in 0..=255_u8 {
                    let left = gaps.iter().filter(|(from, to)| *from <= [key].as_slice() && is_below(&[key], *to));
                    assert_eq!(left.count(), usize::from(model[key as usize]), "key {key}");
                }
            }
        }
    }
}
