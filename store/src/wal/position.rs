//! Arithmetic of log positions: where units begin and where the next record goes.
//!
//! Positions stay below 2^63, so that a position plus a record does not overflow; what comes from a file is checked against that.

/// Bytes of a record's header.
pub(crate) const HEADER_LEN: u64 = 64;
/// Records, header included, are at most this long. Longer commits spill their writes into extents.
pub(crate) const MAX_RECORD: u64 = 1 << 31;

/// The last unit boundary at or before a position.
pub(crate) const fn unit_floor(position: u64, unit: u64) -> u64 {
    position - position % unit
}

/// The first unit boundary at or behind a position.
pub(crate) const fn unit_ceil(position: u64, unit: u64) -> u64 {
    position.next_multiple_of(unit)
}

/// Bytes that a record with a body of this length takes, alignment included.
pub(crate) const fn record_len(body: u64) -> u64 {
    HEADER_LEN + body.next_multiple_of(8)
}

/// Where the record behind `end` begins: there, or at the next unit if no header fits before it.
pub(crate) const fn next_record(end: u64, unit: u64) -> u64 {
    let boundary = unit_ceil(end, unit);
    if boundary - end < HEADER_LEN { boundary } else { end }
}
