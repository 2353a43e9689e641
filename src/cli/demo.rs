//! `atalaya demo`.
use super::{DemoArguments, LogFormat};
use std::process::ExitCode;
pub(super) fn demo(_: DemoArguments, _: LogFormat) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not merged")
}
