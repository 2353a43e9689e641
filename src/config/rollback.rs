//! Rollback webhooks: what is asked for a rollback, for what, and when one can help.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::model::{IntegrationId, hex};
use crate::promql::{self, ValueType};
use crate::receiver::Rollback;
use crate::rollout::{GuardSpec, RollbackSpec};
use crate::transport::{SecretSource, SigningKey};

use super::expression::{expression, kind_of};
use super::place::{Sheet, Spot};
use super::raw::{RawRollback, Text};
use super::receivers::{TIMEOUT, endpoint};
use super::secret::{SecretList, Setting};
use super::value::{label_name_trouble, positive_duration};

const COOLDOWN: Duration = Duration::from_secs(30 * 60);
const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// Checks an entry of `rollback_configs`.
pub(super) fn rollback(
    sheet: &mut Sheet,
    path: &str,
    owner: Spot,
    raw: &RawRollback,
    id: &IntegrationId,
    secrets: &mut SecretList<'_>,
) -> Option<(Rollback, RollbackSpec)> {
    let url = Setting { path, name: "url", inline: raw.url.as_ref(), file: raw.url_file.as_ref(), owner };
    let url = endpoint(sheet, url, secrets);
    let secret = Setting { path, name: "secret", inline: raw.secret.as_ref(), file: raw.secret_file.as_ref(), owner };
    let name = secrets.add(sheet, secret);
    if let (Some(_), Some(text), Some((_, SecretSource::Inline(key)))) = (&name, &raw.secret, secrets.secrets.last())
        && let Err(error) = SigningKey::parse(key)
    {
        sheet.note_unseen(text, &format!("{path}.secret"), error.to_string()).hint =
            Some("make one: echo whsec_$(head -c 32 /dev/urandom | base64)".to_owned());
    }
    let key = rollback_key(sheet, path, owner, raw);
    let guard = guard(sheet, path, owner, raw.guard.as_ref());
    let mut span = |setting: &str, text: Option<&Text>, default: Duration| {
        positive_duration(sheet, &format!("{path}.{setting}"), text).unwrap_or(default)
    };
    let cooldown = span("cooldown", raw.cooldown.as_ref(), COOLDOWN);
    let deadline = span("deadline", raw.deadline.as_ref(), DEADLINE);
    let timeout = span("timeout", raw.timeout.as_ref(), TIMEOUT.min(deadline));
    if let Some(text) = raw.timeout.as_ref().filter(|_| timeout > deadline) {
        sheet.note(text, &format!("{path}.timeout"), "one attempt must not take longer than the `deadline` of all");
    }
    let guard = guard?;
    let terms = terms(raw, &key, &guard.source);
    let spec = RollbackSpec { id: id.clone(), key, guard, cooldown, deadline, terms };
    Some((Rollback { url: url?, secret: name?, timeout, client: None }, spec))
}

/// Tells entries apart by what they would do: their position says nothing once another one is removed.
fn terms(raw: &RawRollback, key: &[String], guard: &str) -> String {
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.value.clone());
    let digest = Sha256::digest(format!("{:?} {:?} {key:?} {guard:?}", text(&raw.url), text(&raw.url_file)));
    hex(&digest[..8])
}

fn rollback_key(sheet: &mut Sheet, path: &str, owner: Spot, raw: &RawRollback) -> Vec<String> {
    let Some(names) = &raw.rollback_key else {
        sheet.note(owner, path, "there is no `rollback_key`").hint = Some(
            "name the labels that tell one rollback from another, as in `rollback_key: [service]`; `[]` is one for all"
                .to_owned(),
        );
        return Vec::new();
    };
    let mut key: Vec<String> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let path = format!("{path}.rollback_key[{at}]");
        if let Some(why) = label_name_trouble(&name.value) {
            sheet.note(name, &path, why);
        } else if key.contains(&name.value) {
            sheet.note(name, &path, format!("`{}` is named twice", name.value));
        }
        key.push(name.value.clone());
    }
    key
}

/// The guard: a condition, so that its absence means that a rollback cannot help.
fn guard(sheet: &mut Sheet, path: &str, owner: Spot, text: Option<&Text>) -> Option<GuardSpec> {
    let Some(text) = text else {
        sheet.note(owner, path, "there is no `while`: the condition under which a rollback can help").hint = Some(
            "a canary takes traffic: `while: sum by (service) (rate(http_requests_total{track=\"canary\"}[1m])) > 0`"
                .to_owned(),
        );
        return None;
    };
    let path = format!("{path}.while");
    let (expr, source) = expression(sheet, &path, text)?;
    if promql::type_of(&expr) != ValueType::Vector {
        let what = format!("a condition is an instant vector, this is {}", kind_of(&expr));
        sheet.note(text, &path, what);
        return None;
    }
    if !promql::is_condition(&expr) {
        let what = "not a condition: it has a result whatever its value, so a rollback would never be held back";
        sheet.note(text, &path, what).hint = Some("compare it with something, as in `… > 0`".to_owned());
        return None;
    }
    Some(GuardSpec { source, expr })
}
