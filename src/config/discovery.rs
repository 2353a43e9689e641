//! How targets are found: written down, in files, behind a URL, or in the DNS.

use std::time::Duration;

use crate::model::{ClientName, Labels, did_you_mean};
use crate::source::{
    ADDRESS, Discovery, DnsDiscovery, DnsRecord, FileDiscovery, FilePatternError, HttpDiscovery, TargetGroup,
    address_trouble,
};
use crate::transport::HttpOptions;

use super::http::{client, http_settings};
use super::place::{Sheet, Spanned};
use super::raw::{RawDnsDiscovery, RawFileDiscovery, RawHttpDiscovery, RawScrapeConfig, RawStaticConfig};
use super::secret::SecretList;
use super::value::{labels, open_url, positive_duration};

/// How often files are read although they do not seem to have changed, URLs are asked and names are looked up, unless the
/// configuration says otherwise.
const FILES_REFRESH: Duration = Duration::from_secs(300);
const HTTP_REFRESH: Duration = Duration::from_secs(60);
const DNS_REFRESH: Duration = Duration::from_secs(30);

/// Checks the discoveries of a job; `path` is the job's.
pub(super) fn discoveries(
    sheet: &mut Sheet,
    path: &str,
    raw: &RawScrapeConfig,
    secrets: &mut SecretList<'_>,
    clients: &mut Vec<(ClientName, HttpOptions)>,
) -> Vec<Discovery> {
    let mut found = Vec::new();
    let relabels = raw.relabel_configs.iter().flatten().next().is_some();
    let groups: Vec<TargetGroup> = (raw.static_configs.iter().flatten().enumerate())
        .map(|(at, raw)| group(sheet, &format!("{path}.static_configs[{at}]"), &raw.value, relabels))
        .collect();
    if !groups.is_empty() {
        found.push(Discovery::Static(groups));
    }
    for (at, raw) in raw.file_sd_configs.iter().flatten().enumerate() {
        found.extend(files(sheet, &format!("{path}.file_sd_configs[{at}]"), raw, secrets));
    }
    for (at, raw) in raw.http_sd_configs.iter().flatten().enumerate() {
        found.extend(http(sheet, &format!("{path}.http_sd_configs[{at}]"), raw, secrets, clients));
    }
    for (at, raw) in raw.dns_sd_configs.iter().flatten().enumerate() {
        found.extend(dns(sheet, &format!("{path}.dns_sd_configs[{at}]"), raw));
    }
    found
}

/// Targets that are written down. Where relabeling may make an address of anything, anything may stand there.
fn group(sheet: &mut Sheet, path: &str, raw: &RawStaticConfig, relabels: bool) -> TargetGroup {
    let shared = labels(sheet, &format!("{path}.labels"), raw.labels.as_ref(), |_| None);
    let mut targets = Vec::new();
    for (at, address) in raw.targets.iter().flatten().enumerate() {
        let trouble = address_trouble(&address.value).filter(|_| !relabels || address.value.contains("${"));
        match trouble {
            Some((what, hint)) => sheet.note(address, &format!("{path}.targets[{at}]"), what).hint = hint,
            None => targets.push(Labels::from_pairs([(ADDRESS, address.value.as_str())])),
        }
    }
    TargetGroup { targets, labels: shared }
}

fn files(
    sheet: &mut Sheet,
    path: &str,
    spanned: &Spanned<RawFileDiscovery>,
    secrets: &SecretList<'_>,
) -> Option<Discovery> {
    let raw = &spanned.value;
    let interval = positive_duration(sheet, &format!("{path}.refresh_interval"), raw.refresh_interval.as_ref());
    let mut paths = Vec::new();
    let mut is_sound = true;
    for (at, file) in raw.files.iter().flatten().enumerate() {
        let full = secrets.directory.join(&file.value);
        // One by one, so that each mistake has its place.
        match FileDiscovery::new(std::slice::from_ref(&full), FILES_REFRESH, read_yaml) {
            Ok(_) => paths.push(full),
            Err(error) => {
                is_sound = false;
                sheet.note(file, &format!("{path}.files[{at}]"), error.to_string()).hint = match error {
                    FilePatternError::Extension => Some("a pattern has an ending too: `targets/*.json`".to_owned()),
                    FilePatternError::Directory | FilePatternError::Malformed(_) => None,
                };
            }
        }
    }
    if paths.is_empty() && is_sound {
        sheet.note(spanned, path, "there is no file in `files`").hint =
            Some("write `files: [targets/*.yaml]`".to_owned());
    }
    let interval = interval.unwrap_or(FILES_REFRESH);
    FileDiscovery::new(&paths, interval, read_yaml).ok().filter(|_| is_sound).map(Discovery::Files)
}

/// A list of targets in YAML; what is wrong with it in one line.
fn read_yaml(text: &str) -> Result<Vec<TargetGroup>, String> {
    let mut sheet = Sheet::new(String::new(), text.to_owned());
    let tree = sheet.grow();
    let list: Vec<Spanned<RawStaticConfig>> = sheet.fill(&tree).unwrap_or_default();
    let groups = list.iter().map(|raw| {
        let shared = labels(&mut sheet, "labels", raw.value.labels.as_ref(), |_| None);
        let targets = raw.value.targets.iter().flatten();
        let targets = targets.map(|address| Labels::from_pairs([(ADDRESS, address.value.as_str())])).collect();
        TargetGroup { targets, labels: shared }
    });
    let groups = groups.collect();
    match sheet.take_problems().first() {
        None => Ok(groups),
        Some(problem) => {
            let (line, column) = (problem.place.line.unwrap_or(1), problem.place.column.unwrap_or(1));
            Err(format!("line {line}, column {column}: {}", problem.what))
        }
    }
}

fn http(
    sheet: &mut Sheet,
    path: &str,
    spanned: &Spanned<RawHttpDiscovery>,
    secrets: &mut SecretList<'_>,
    clients: &mut Vec<(ClientName, HttpOptions)>,
) -> Option<Discovery> {
    let raw = &spanned.value;
    let interval = positive_duration(sheet, &format!("{path}.refresh_interval"), raw.refresh_interval.as_ref());
    let client = client(sheet, path, &http_settings!(raw), secrets, clients);
    let url = match &raw.url {
        Some(text) => open_url(sheet, &format!("{path}.url"), text, "basic_auth"),
        None => {
            sheet.note(spanned, path, "there is no `url`");
            None
        }
    };
    let refresh_interval = interval.unwrap_or(HTTP_REFRESH);
    Some(Discovery::Http(HttpDiscovery { url: url?, refresh_interval, client }))
}

fn dns(sheet: &mut Sheet, path: &str, spanned: &Spanned<RawDnsDiscovery>) -> Option<Discovery> {
    let raw = &spanned.value;
    let interval = positive_duration(sheet, &format!("{path}.refresh_interval"), raw.refresh_interval.as_ref());
    let names: Vec<String> = raw.names.iter().flatten().map(|name| name.value.clone()).collect();
    if names.is_empty() {
        sheet.note(spanned, path, "there is no name in `names`");
    }
    let record = match &raw.record {
        None => DnsRecord::Srv,
        Some(text) => {
            let known = DnsRecord::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(&text.value));
            let Some((_, record)) = known else {
                let names = DnsRecord::NAMES.map(|(name, _)| name);
                let hint = did_you_mean(&text.value, names).unwrap_or_else(|| format!("types: {}", names.join(", ")));
                let what = format!("`{}` is no type of records that targets are made of", text.value);
                sheet.note(text, &format!("{path}.type"), what).hint = Some(hint);
                return None;
            };
            *record
        }
    };
    let port = match &raw.port {
        None if record == DnsRecord::Srv => 0,
        None => {
            sheet.note(spanned, path, "there is no `port`").hint =
                Some("only records of the type `SRV` bring their ports along".to_owned());
            return None;
        }
        Some(port) => match u16::try_from(port.value).ok().filter(|port| *port > 0) {
            Some(port) => port,
            None => {
                sheet.note(port, &format!("{path}.port"), "a port is a number from 1 to 65535");
                return None;
            }
        },
    };
    let refresh_interval = interval.unwrap_or(DNS_REFRESH);
    (!names.is_empty()).then_some(Discovery::Dns(DnsDiscovery { names, record, port, refresh_interval }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_in_yaml_are_read_or_refused_with_a_place() {
        let check = |text: &str, want: Result<&[&str], &str>| {
            let shown = read_yaml(text).map(|groups| {
                let show = |group: &TargetGroup| format!("{:?} {}", group.targets, group.labels);
                groups.iter().map(show).collect::<Vec<_>>()
            });
            let want = want.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect());
            assert_eq!(shown, want.map_err(str::to_owned), "{text}");
        };
        let both: &[&str] = &[r#"[{__address__="a:1"}, {__address__="b"}] {env="x"}"#, r#"[{__address__="c"}] {}"#];
        check("- targets: ['a:1', b]\n  labels: {env: x}\n- {targets: [c], labels: }\n", Ok(both));
        check("", Ok(&[]));
        check("[]", Ok(&[]));
        check("- target: [a]\n", Err("line 1, column 3: there is no setting `target` here"));
        check("targets: [a]\n", Err("line 1, column 1: expected a list: lines that begin with `- `, or `[…]`"));
        check("- targets: [a\n", Err("line 1, column 12: not valid YAML: unclosed bracket '['"));
    }
}
