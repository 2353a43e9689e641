//! What stands in `deploy/` loads: each environment's configuration, with the rules where its pods have them: `../rules`, beside it.

use std::path::PathBuf;

use atalaya::config;

#[test]
fn every_environment_loads_and_watches_what_the_rules_need() {
    for environment in ["local", "staging", "production"] {
        let path = PathBuf::from(format!("deploy/environments/{environment}/atalaya.yaml"));
        let config = match config::load(&path, &|path| std::fs::read_to_string(path)) {
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
