//! The words of `#[record(..)]`, where each belongs, and the nearest word to a misspelt one.

pub(crate) const AUTO: &str = "auto";
pub(crate) const BINCODE: &str = "bincode";
pub(crate) const CRATE: &str = "crate";
pub(crate) const DESC: &str = "desc";
pub(crate) const EACH: &str = "each";
pub(crate) const INDEX: &str = "index";
pub(crate) const KEY: &str = "key";
pub(crate) const TABLE: &str = "table";
pub(crate) const TAG: &str = "tag";
pub(crate) const TAG_WIDTH: &str = "tag_width";
pub(crate) const UNIQUE: &str = "unique";

/// A place where `#[record(..)]` can stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a struct that derives `Record`.
    Record,
    /// On a field of such a struct.
    RecordField,
    /// On a struct that derives `KeyPart` or `Shape`.
    Struct,
    /// On an enum that derives `KeyPart` or `Shape`.
    Enum,
    /// On a variant of such an enum.
    Variant,
    /// On a field of a struct or variant that derives `KeyPart` or `Shape`.
    PartField,
    /// On a struct that derives `Schema`.
    Schema,
    /// On a field of such a struct.
    SchemaField,
}

impl Place {
    /// All places, in the order in which a misplaced word is looked up.
    const ALL: [Place; 8] = [
        Place::Record,
        Place::RecordField,
        Place::Variant,
        Place::Enum,
        Place::Struct,
        Place::PartField,
        Place::Schema,
        Place::SchemaField,
    ];

    /// The words accepted here, in alphabetical order.
    pub(crate) const fn words(self) -> &'static [&'static str] {
        match self {
            Place::Record => &[CRATE, INDEX, KEY, TABLE],
            Place::RecordField => &[BINCODE, INDEX, KEY, UNIQUE],
            Place::Enum => &[CRATE, TAG_WIDTH],
            Place::Variant => &[TAG],
            Place::Struct | Place::Schema => &[CRATE],
            Place::PartField | Place::SchemaField => &[],
        }
    }

    /// The place in words, to follow "on".
    const fn phrase(self) -> &'static str {
        match self {
            Place::Record => "a record",
            Place::RecordField => "a field of a record",
            Place::Struct => "a struct that derives `KeyPart` or `Shape`",
            Place::Enum => "an enum",
            Place::Variant => "a variant of an enum",
            Place::PartField => "a field of a type that derives `KeyPart` or `Shape`",
            Place::Schema => "a schema",
            Place::SchemaField => "a member of a schema",
        }
    }
}

/// The sentence for a word that `place` does not accept.
pub(crate) fn refusal(place: Place, word: &str) -> String {
    let accepted = place.words();
    match Place::ALL.into_iter().find(|other| other.words().contains(&word)) {
        Some(home) if accepted.is_empty() => {
            format!("`{word}` belongs on {}; no word is accepted on {}", home.phrase(), place.phrase())
        }
        Some(home) => {
            let (home, place) = (home.phrase(), place.phrase());
            format!("`{word}` belongs on {home}, not on {place}; accepted here: {}", list(accepted))
        }
        None if accepted.is_empty() => format!("unknown word `{word}`; no word is accepted on {}", place.phrase()),
        None => unknown(word, accepted),
    }
}

/// The sentence for a word that is none of those accepted.
pub(crate) fn unknown(word: &str, accepted: &[&str]) -> String {
    let hint = match nearest(word, accepted) {
        Some(nearest) => format!(", did you mean `{nearest}`?"),
        None => ";".to_owned(),
    };
    format!("unknown word `{word}`{hint} accepted here: {}", list(accepted))
}

/// The candidates in backticks, separated by commas.
pub(crate) fn list<T: AsRef<str>>(words: &[T]) -> String {
    words.iter().map(|word| format!("`{}`", word.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The candidate that `word` was most likely meant to be, if one is near enough: at most a third of its letters differ.
pub(crate) fn nearest<'a, T: AsRef<str>>(word: &str, candidates: &'a [T]) -> Option<&'a str> {
    let reach = (word.chars().count() / 3).max(1);
    candidates
        .iter()
        .map(|candidate| (distance(word, candidate.as_ref()), candidate.as_ref()))
        .filter(|(distance, candidate)| *distance <= reach && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour to turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // Rows of the usual table, kept for the two letters before the current one, since a swap reaches back two.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (i, letter_a) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        let mut previous_b = None;
        for (j, &letter_b) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, j) + usize::from(letter_a != letter_b);
            let mut best = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if previous_a == Some(letter_b) && previous_b == Some(letter_a) {
                best = best.min(at(&before, j.wrapping_sub(1)).saturating_add(1));
            }
            row.push(best);
            previous_b = Some(letter_b);
        }
        before = std::mem::replace(&mut last, row);
        previous_a = Some(letter_a);
    }
    last.last().copied().unwrap_or(0)
}
