//! What the program says on its standard output.

use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};
use tamarack::Error;

/// The standard output. Whoever reads it may stop at any time, as `head` does: nothing is wrong then, and what is still said goes nowhere. So the exit
/// code is that of what was done.
pub(crate) struct Out {
    to: BufWriter<StdoutLock<'static>>,
    closed: bool,
}

impl Out {
    /// Locks it.
    pub(crate) fn new() -> Self {
        Self { to: BufWriter::new(io::stdout().lock()), closed: false }
    }

    fn unless_closed<T>(&mut self, otherwise: T, result: io::Result<T>) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(otherwise)
            }
            result => result,
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Ok(bytes.len());
        }
        let written = self.to.write(bytes);
        self.unless_closed(bytes.len(), written)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let flushed = self.to.flush();
        self.unless_closed((), flushed)
    }
}

/// Commands say something when all is done.
pub(crate) fn unsaid(error: io::Error) -> Error {
    let message = format!("all was done, but what there is to say of it could not be written: {error}");
    Error::with_source(tamarack::ErrorKind::Io, message, error)
}
