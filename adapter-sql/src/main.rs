//! The `treaty` binary: reads the command line, runs one command, turns its outcome into an exit code.
//!
//! Everything else is in the library, so that tests and other programs can call it.

use std::process::ExitCode;

fn main() -> ExitCode {
    treaty::cli::main()
}
