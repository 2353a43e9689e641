//! Targets that files list, in JSON or YAML. The files are looked at every few seconds and read again when they changed.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{GlobError, NameGlob, is_glob};

use crate::disk;

use super::super::job::TargetGroup;
use super::Reporter;
use super::groups::{marked, read_json};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// The largest file that is read.
const FILE_MAX: u64 = 32 * 1024 * 1024;
/// So many files may match the patterns of a discovery.
const FILES_MAX: usize = 10_000;

/// Reads a list of targets in YAML.
pub type ReadYaml = fn(&str) -> Result<Vec<TargetGroup>, String>;

/// Files that list targets.
#[derive(Clone, Debug)]
pub struct FileDiscovery {
    patterns: Vec<Pattern>,
    read_yaml: ReadYaml,
    /// How often they are read although they do not seem to have changed.
    refresh_interval: Duration,
}

impl PartialEq for FileDiscovery {
    fn eq(&self, other: &Self) -> bool {
        let paths = |it: &Self| it.patterns.iter().map(|pattern| pattern.path.clone()).collect::<Vec<_>>();
        self.refresh_interval == other.refresh_interval && paths(self) == paths(other)
    }
}

/// The path of a file, in whose last part `*`, `?` and `[…]` stand for others.
#[derive(Clone, Debug)]
struct Pattern {
    path: PathBuf,
    /// The name, if it is a pattern.
    name: Option<NameGlob>,
}

/// Why a path cannot be one of a file that lists targets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FilePatternError {
    /// The format goes by the end of the name.
    #[error("the name of the file must end in `.json`, `.yaml` or `.yml`")]
    Extension,
    /// A pattern of directories.
    #[error("`*`, `?` and `[…]` may stand in the last part of the path only")]
    Directory,
    /// Brackets that do not close, for example.
    #[error(transparent)]
    Malformed(#[from] GlobError),
}

impl FileDiscovery {
    /// A discovery by the files of these paths. YAML is read as the configuration is.
    pub fn new(paths: &[PathBuf], refresh_interval: Duration, read_yaml: ReadYaml) -> Result<Self, FilePatternError> {
        let patterns = paths.iter().map(|path| Pattern::new(path)).collect::<Result<_, _>>()?;
        Ok(Self { patterns, read_yaml, refresh_interval })
    }

    pub(super) async fn run(&self, reporter: &mut Reporter) {
        let mut reader = Files { patterns: self.patterns.clone(), read_yaml: self.read_yaml, files: BTreeMap::new() };
        let mut refresh_at = reporter.tools.clock.now() + self.refresh_interval;
        loop {
            let now = reporter.tools.clock.now();
            let is_refresh = now >= refresh_at;
            if is_refresh {
                refresh_at = now + self.refresh_interval;
            }
            let look = move || {
                let outcome = reader.look(is_refresh);
                (reader, outcome)
            };
            let Ok((back, outcome)) = tokio::task::spawn_blocking(look).await else { return };
            reader = back;
            reporter.outcome(outcome.err());
            let groups = reader.files.values().flat_map(|file| file.groups.iter().cloned()).collect();
            if !reporter.found(groups).await {
                return;
            }
            reporter.wait(LOOK_EVERY.min(self.refresh_interval)).await;
        }
    }
}

impl Pattern {
    fn new(path: &Path) -> Result<Self, FilePatternError> {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(FilePatternError::Extension)?;
        if !is_json(name) && !is_yaml(name) {
            return Err(FilePatternError::Extension);
        }
        if path.parent().is_some_and(|directory| directory.to_str().is_none_or(is_glob)) {
            return Err(FilePatternError::Directory);
        }
        let name = if is_glob(name) { Some(NameGlob::parse(name)?) } else { None };
        Ok(Self { path: path.to_owned(), name })
    }

    /// The files that there are of this pattern.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let Some(name) = &self.name else { return Ok(vec![self.path.clone()]) };
        let directory = self.path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|it| name.is_match(it)) {
                files.push(directory.join(entry.file_name()));
            }
            if files.len() > FILES_MAX {
                return Err(io::Error::other(format!("more than {FILES_MAX} files match")));
            }
        }
        files.sort();
        Ok(files)
    }
}

fn ends_in(name: &str, endings: &[&str]) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| endings.iter().any(|it| it.eq_ignore_ascii_case(end)))
}

fn is_json(name: &str) -> bool {
    ends_in(name, &["json"])
}

fn is_yaml(name: &str) -> bool {
    ends_in(name, &["yaml", "yml"])
}

/// The files as they were read last.
#[derive(Debug)]
struct Files {
    patterns: Vec<Pattern>,
    read_yaml: ReadYaml,
    files: BTreeMap<PathBuf, Listed>,
}

/// A file and what it lists.
#[derive(Debug, Default)]
struct Listed {
    /// By what a change is noticed.
    stamp: Option<Stamp>,
    /// What it listed when it could last be read.
    groups: Vec<TargetGroup>,
    /// Why it cannot be read now.
    trouble: Option<String>,
}

/// When a file was changed and how long it is, and which file it is, since one may be moved over another.
type Stamp = (i64, i64, u64, u64);

impl Files {
    /// Looks at every file, and reads those that changed, or all. What is wrong with any of them is told; a file that cannot
    /// be read keeps its targets, one that is gone takes them along.
    fn look(&mut self, read_all: bool) -> Result<(), String> {
        let mut troubles = Vec::new();
        let mut there = Vec::new();
        let mut is_sure = true;
        for pattern in &self.patterns {
            match pattern.files() {
                Ok(files) => there.extend(files),
                Err(error) => {
                    is_sure &= error.kind() == io::ErrorKind::NotFound;
                    troubles.push(format!("`{}`: {error}", pattern.path.display()));
                }
            }
        }
        if is_sure {
            self.files.retain(|path, _| there.contains(path));
        }
        for path in there {
            let file = self.files.entry(path.clone()).or_default();
            match file.look(&path, read_all, self.read_yaml) {
                Ok(()) => troubles.extend(file.trouble.clone()),
                Err(error) => {
                    if error.kind() == io::ErrorKind::NotFound {
                        file.groups.clear();
                    }
                    file.stamp = None;
                    troubles.push(format!("`{}`: {error}", path.display()));
                }
            }
        }
        if troubles.is_empty() { Ok(()) } else { Err(troubles.join("; ")) }
    }
}

impl Listed {
    fn look(&mut self, path: &Path, read_all: bool, read_yaml: ReadYaml) -> io::Result<()> {
        let metadata = fs::metadata(path)?;
        let stamp = stamp(&metadata);
        if self.stamp == Some(stamp) && !read_all {
            return Ok(());
        }
        self.stamp = Some(stamp);
        let shown = path.display().to_string();
        let read = if metadata.len() > FILE_MAX {
            Err(format!("the file is larger than {FILE_MAX} bytes"))
        } else {
            let text = disk::read_text(path, FILE_MAX)?;
            let groups = if is_json(&shown) { read_json(&text) } else { read_yaml(&text) };
            groups.and_then(|groups| marked(groups, "__meta_filepath", &shown))
        };
        match read {
            Ok(groups) => (self.groups, self.trouble) = (groups, None),
            Err(why) => self.trouble = Some(format!("`{shown}`: {why}")),
        }
        Ok(())
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.mtime(), metadata.mtime_nsec(), metadata.len(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;

    #[test]
    fn patterns_stand_in_the_last_part_only() {
        let check = |path: &str, want: Result<(), FilePatternError>| {
            assert_eq!(Pattern::new(Path::new(path)).map(|_| ()), want, "{path}");
        };
        check("a/b.json", Ok(()));
        check("a/*.yml", Ok(()));
        check("a/x[0-9]?.yaml", Ok(()));
        check("a/b.txt", Err(FilePatternError::Extension));
        check("a/*", Err(FilePatternError::Extension));
        check("a*/b.json", Err(FilePatternError::Directory));
        check("a/[b.json", Err(FilePatternError::Malformed(GlobError::Unclosed)));
    }

    #[test]
    fn a_bad_file_keeps_its_targets_and_a_gone_one_takes_them_along() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let write = |name: &str, text: &str| fs::write(path(name), text).unwrap();
        let patterns = vec![Pattern::new(&path("*.json")).unwrap(), Pattern::new(&path("one.yml")).unwrap()];
        let read_yaml: ReadYaml = |text| {
            let names = text.split_whitespace().map(|name| Labels::from_pairs([("__address__", name)])).collect();
            Ok(vec![TargetGroup { targets: names, labels: Labels::empty() }])
        };
        let mut files = Files { patterns, read_yaml, files: BTreeMap::new() };
        let shown = |files: &Files| -> Vec<String> {
            let groups = files.files.values().flat_map(|file| &file.groups);
            groups.flat_map(|group| group.targets.iter().map(|it| it.get("__address__").to_owned())).collect()
        };
        write("a.json", r#"[{"targets": ["a:1"]}]"#);
        write("b.json", r#"[{"targets": ["b:1"]}]"#);
        write("c.txt", "[]");
        let told = files.look(false).unwrap_err();
        assert!(told.contains("one.yml") && !told.contains(';'), "{told}");
        assert_eq!(shown(&files), ["a:1", "b:1"]);
        assert!(files.files[&path("a.json")].groups[0].labels.get("__meta_filepath").ends_with("/a.json"));
        write("one.yml", "c d");
        assert_eq!(files.look(false), Ok(()));
        assert_eq!(shown(&files), ["a:1", "b:1", "c", "d"]);
        write("a.json", r#"[{"targets": ["a:1", ]}]"#);
        for _ in 0..2 {
            assert!(files.look(false).unwrap_err().contains("a.json"));
            assert_eq!(shown(&files), ["a:1", "b:1", "c", "d"]);
        }
        write("a.json", r#"[{"targets": ["a:2"]}]"#);
        fs::remove_file(path("b.json")).unwrap();
        assert_eq!(files.look(false), Ok(()));
        assert_eq!(shown(&files), ["a:2", "c", "d"]);
    }
}
