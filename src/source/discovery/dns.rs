//! Targets that names of the DNS stand for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::model::Labels;

use super::super::job::{ADDRESS, TargetGroup};
use super::super::scrape::in_a_line;
use super::Reporter;
use super::dns_client::Resolver;
use super::dns_message::Answer;

pub use super::dns_message::DnsRecord;

/// Where the system says whom to ask. It is read each time: a container's may change.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Names that stand for targets.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsDiscovery {
    /// The names.
    pub names: Vec<String>,
    /// The kind of records that is asked for.
    pub record: DnsRecord,
    /// The port of the targets, where the records do not have one.
    pub port: u16,
    /// How often they are asked for.
    pub refresh_interval: Duration,
}

impl DnsDiscovery {
    pub(super) async fn run(&self, reporter: &mut Reporter) {
        // By name, what it stood for when it could last be looked up.
        let mut known: BTreeMap<&str, TargetGroup> = BTreeMap::new();
        loop {
            let read = tokio::task::spawn_blocking(|| std::fs::read_to_string(RESOLV_CONF)).await;
            let resolver = Resolver::parse(&read.ok().and_then(Result::ok).unwrap_or_default());
            let failure = self.refresh(&resolver, &mut known).await;
            reporter.outcome(failure);
            if !reporter.found(known.values().cloned().collect()).await {
                return;
            }
            reporter.wait(self.refresh_interval).await;
        }
    }

    /// Looks every name up; what fails is told, and keeps what was known.
    async fn refresh<'a>(&'a self, resolver: &Resolver, known: &mut BTreeMap<&'a str, TargetGroup>) -> Option<String> {
        let mut failures = String::new();
        for name in &self.names {
            match resolver.look_up(name, self.record).await {
                Ok(answers) => drop(known.insert(name, self.group(name, &answers))),
                Err(error) => {
                    let _ = write!(failures, "{}{}", if failures.is_empty() { "" } else { "; " }, in_a_line(&error));
                }
            }
        }
        (!failures.is_empty()).then_some(failures)
    }

    fn group(&self, name: &str, answers: &[Answer]) -> TargetGroup {
        let targets = answers.iter().map(|answer| {
            let (host, port) = match answer {
                Answer::Address(address) if address.is_ipv6() => (format!("[{address}]"), self.port),
                Answer::Address(address) => (address.to_string(), self.port),
                Answer::Name(host) => (host.clone(), self.port),
                Answer::Service { target, port } => (target.clone(), *port),
            };
            // With the final dot that the DNS writes, as in Prometheus.
            let dotted = format!("{host}.");
            let srv = matches!(answer, Answer::Service { .. });
            let of = |record: DnsRecord| if self.record == record { dotted.as_str() } else { "" };
            let port_label = if srv { port.to_string() } else { String::new() };
            Labels::from_pairs([
                (ADDRESS, format!("{host}:{port}").as_str()),
                ("__meta_dns_name", name),
                ("__meta_dns_srv_record_target", of(DnsRecord::Srv)),
                ("__meta_dns_srv_record_port", &port_label),
                ("__meta_dns_mx_record_target", of(DnsRecord::Mx)),
                ("__meta_dns_ns_record_target", of(DnsRecord::Ns)),
            ])
        });
        TargetGroup { targets: targets.collect(), labels: Labels::empty() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_become_targets() {
        let check = |record: DnsRecord, answer: Answer, want: &str| {
            let names = vec!["n".to_owned()];
            let discovery = DnsDiscovery { names, record, port: 80, refresh_interval: Duration::from_secs(30) };
            assert_eq!(discovery.group("n", &[answer]).targets[0].to_string(), want);
        };
        let address = |text: &str| Answer::Address(text.parse().unwrap());
        check(DnsRecord::A, address("10.0.0.1"), r#"{__address__="10.0.0.1:80", __meta_dns_name="n"}"#);
        check(DnsRecord::Aaaa, address("::1"), r#"{__address__="[::1]:80", __meta_dns_name="n"}"#);
        let name = |text: &str| Answer::Name(text.to_owned());
        let mx = r#"{__address__="m.x:80", __meta_dns_mx_record_target="m.x.", __meta_dns_name="n"}"#;
        check(DnsRecord::Mx, name("m.x"), mx);
        let ns = r#"{__address__="m.x:80", __meta_dns_name="n", __meta_dns_ns_record_target="m.x."}"#;
        check(DnsRecord::Ns, name("m.x"), ns);
        let srv = concat!(
            r#"{__address__="h:9", __meta_dns_name="n", __meta_dns_srv_record_port="9", "#,
            r#"__meta_dns_srv_record_target="h."}"#
        );
        check(DnsRecord::Srv, Answer::Service { target: "h".to_owned(), port: 9 }, srv);
    }
}
