//! The `atalaya` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    atalaya::cli::main()
}
