//! The `atalaya` binary.

fn main() {}
