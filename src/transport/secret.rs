//! Secrets by name. A value is looked up at every attempt, so a rotated file is in use at once, and is never printed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::disk;
use crate::model::{SecretName, SecretText};

/// The largest file that can be a secret.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Where a secret's value comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// It stands in the configuration.
    Inline(String),
    /// It is what a file holds, but for the line break at its end.
    File(PathBuf),
    /// It is what an environment variable holds.
    Env(String),
}

impl SecretSource {
    /// The secret by where it comes from: what is kept of it where the configuration may change.
    pub fn origin(&self) -> SecretName {
        match self {
            Self::Inline(text) => SecretName::of_written(&SecretText::new(text.as_str()).mark()),
            Self::File(path) => SecretName::of_file(&path.to_string_lossy()),
            Self::Env(variable) => SecretName::of_variable(variable),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(…)"),
            Self::File(path) => write!(f, "File({path:?})"),
            Self::Env(variable) => write!(f, "Env({variable:?})"),
        }
    }
}

/// The value of a secret. Whoever wants to see it has to say so.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl SecretValue {
    /// A value that was not looked up but given to us, as tokens are.
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<SecretText> for SecretValue {
    fn from(text: SecretText) -> Self {
        Self(text.expose().to_owned())
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// Why a secret has no value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The configuration names it nowhere.
    #[error("no secret is named `{name}`")]
    Unknown {
        /// The secret.
        name: SecretName,
    },
    /// Its file cannot be read.
    #[error("read secret `{name}` from `{path}`")]
    File {
        /// The secret.
        name: SecretName,
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// Its variable is not there, or is not text.
    #[error("read secret `{name}` from environment variable `{variable}`")]
    Env {
        /// The secret.
        name: SecretName,
        /// The variable.
        variable: String,
        /// Which of the two.
        source: std::env::VarError,
    },
    /// There is nothing in it.
    #[error("secret `{name}` is empty ({source_name})")]
    Empty {
        /// The secret.
        name: SecretName,
        /// Where it comes from.
        source_name: String,
    },
}

/// All secrets that the configuration names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Secrets(BTreeMap<SecretName, SecretSource>);

impl Secrets {
    /// These secrets, each by its name and by its origin.
    pub fn new(sources: impl IntoIterator<Item = (SecretName, SecretSource)>) -> Self {
        let mut all = BTreeMap::new();
        for (name, source) in sources {
            all.insert(source.origin(), source.clone());
            all.insert(name, source);
        }
        Self(all)
    }

    /// Where a secret comes from. A file or a variable that is named as such needs no configuration.
    fn source(&self, name: &SecretName) -> Option<Cow<'_, SecretSource>> {
        let lasting = || {
            let file = name.file().map(|path| SecretSource::File(PathBuf::from(path)));
            file.or_else(|| name.variable().map(|variable| SecretSource::Env(variable.to_owned())))
        };
        self.0.get(name).map(Cow::Borrowed).or_else(|| lasting().map(Cow::Owned))
    }

    /// The value that a secret has now.
    pub fn resolve(&self, name: &SecretName) -> Result<SecretValue, SecretError> {
        let source = self.source(name).ok_or_else(|| SecretError::Unknown { name: name.clone() })?;
        let (text, source_name) = match &*source {
            SecretSource::Inline(text) => (text.clone(), "written in the configuration".to_owned()),
            // In place: secrets are mounted from memory, and there is no waiting for them.
            SecretSource::File(path) => {
                let text = disk::read_text(path, FILE_BYTES_MAX).map_err(|source| SecretError::File {
                    name: name.clone(),
                    path: path.clone(),
                    source,
                })?;
                (text, format!("file `{}`", path.display()))
            }
            SecretSource::Env(variable) => {
                let text = std::env::var(variable).map_err(|source| SecretError::Env {
                    name: name.clone(),
                    variable: variable.clone(),
                    // The error would show what the variable holds.
                    source: if let std::env::VarError::NotUnicode(_) = source {
                        std::env::VarError::NotUnicode("…".into())
                    } else {
                        source
                    },
                })?;
                (text, format!("environment variable `{variable}`"))
            }
        };
        let value = text.trim_end_matches(['\r', '\n']);
        if value.is_empty() {
            return Err(SecretError::Empty { name: name.clone(), source_name });
        }
        Ok(SecretValue(value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(source: SecretSource) -> Secrets {
        Secrets::new([(SecretName::new("token"), source)])
    }

    fn resolve(source: SecretSource) -> Result<String, String> {
        let name = SecretName::new("token");
        one(source).resolve(&name).map(|value| value.expose().to_owned()).map_err(|error| super::super::chain(&error))
    }

    #[test]
    fn files_are_read_each_time_and_lose_their_last_line_break() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let check = |content: &[u8], expected: Result<&str, &str>| {
            std::fs::write(&path, content).unwrap();
            let expected = expected.map(str::to_owned).map_err(|why| why.replace("PATH", &path.display().to_string()));
            assert_eq!(resolve(SecretSource::File(path.clone())), expected);
        };
        check(b"first", Ok("first"));
        check(b"second\n", Ok("second"));
        check(b" third \r\n", Ok(" third "));
        check(b"\n", Err("secret `token` is empty (file `PATH`)"));
        check(&[0xff], Err("read secret `token` from `PATH`: stream did not contain valid UTF-8"));
        check(&[b'x'; 65_537], Err("read secret `token` from `PATH`: more than 65536 bytes"));
        std::fs::remove_file(&path).unwrap();
        let error = resolve(SecretSource::File(path.clone())).unwrap_err();
        assert!(error.starts_with("read secret `token` from `") && error.contains("No such file"), "{error}");
    }

    #[test]
    fn environment_variables_are_named_in_errors() {
        assert_eq!(resolve(SecretSource::Env("CARGO_PKG_NAME".into())), Ok("atalaya".to_owned()));
        assert_eq!(
            resolve(SecretSource::Env("ATALAYA_NOT_SET".into())),
            Err("read secret `token` from environment variable `ATALAYA_NOT_SET`: environment variable not found"
                .into())
        );
    }

    #[test]
    fn nothing_prints_a_value() {
        let secrets = one(SecretSource::Inline("hunter2".into()));
        let value = secrets.resolve(&SecretName::new("token")).unwrap();
        for text in [format!("{secrets:?}"), format!("{value:?}")] {
            assert!(!text.contains("hunter2"), "{text}");
        }
        let error = secrets.resolve(&SecretName::new("tokne")).unwrap_err();
        assert_eq!(error.to_string(), "no secret is named `tokne`");
        assert!(resolve(SecretSource::Inline(String::new())).is_err());
    }
}
