//! What stands in `deploy/` loads: each environment's configuration, with the rules as its pods have them.

use std::io;
use std::path::{Path, PathBuf};

use atalaya::config;

/// A file as a pod or a laptop has it: the ConfigMap of the rules is mounted beside that of the configuration.
fn read(path: &Path) -> io::Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = path.to_str().unwrap_or_default();
    let path = match text.strip_prefix("deploy/environments/").and_then(|rest| rest.split_once("/../rules/")) {
        Some((environment, file)) if !environment.contains('/') && !file.contains("..") => {
            root.join("rules").join(file)
        }
        _ => root.join(path),
    };
    std::fs::read_to_string(path)
}

#[test]
fn every_environment_loads_and_watches_what_the_rules_need() {
    for environment in ["local", "staging", "production"] {
        let path = PathBuf::from(format!("deploy/environments/{environment}/atalaya.yaml"));
        let config = match config::load(&path, &read) {
            Ok(config) => config,
            Err(problems) => panic!("{problems}"),
        };
        let alerts: usize = config.groups.iter().map(|group| group.alerts().count()).sum();
        assert_eq!(alerts, 6, "{environment}");
        assert_eq!(config.external_labels.get("env"), environment);
        assert_eq!(config.rollbacks.len(), usize::from(environment != "local"), "{environment}");
        let lints: Vec<String> = config.lints.iter().map(|lint| format!("{lint:?}")).collect();
        assert_eq!(lints, Vec::<String>::new(), "{environment}");
    }
}
