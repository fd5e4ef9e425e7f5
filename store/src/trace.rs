//! Spans around what a database does on its own account, for programs that collect them with `tracing`. Without the feature of that
//! name there is nothing here that runs.

/// Begins a span at level debug with target `tamarack`; it ends when what this gives is dropped.
#[cfg(feature = "tracing")]
macro_rules! span {
    ($name:literal $(, $field:ident = $value:expr)*) => {
        tracing::debug_span!(target: "tamarack", $name $(, $field = $value)*).entered()
    };
}

/// Nothing.
#[cfg(not(feature = "tracing"))]
macro_rules! span {
    ($name:literal $(, $field:ident = $value:expr)*) => {{
        $(let _off = || $value;)*
        crate::trace::Off
    }};
}

pub(crate) use span;

/// What stands for a span when there are none.
#[cfg(not(feature = "tracing"))]
pub(crate) struct Off;
