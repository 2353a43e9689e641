//! Parameters of a request: those of the URL, and of a form in the body.

use axum::body::Bytes;
use axum::http::{HeaderMap, Uri, header};
use url::form_urlencoded;

use crate::model::{Matcher, Timestamp, parse_duration};
use crate::promql::{self, ExprKind, Shift};

use super::ApiError;

/// Names and values as they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of a URL.
    pub(super) fn of(uri: &Uri) -> Self {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// Those of a URL, behind those of a form.
    pub(super) fn with_form(uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Self {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut pairs: Vec<(String, String)> = Vec::new();
        if kind.split(';').next().is_some_and(|kind| kind.trim() == "application/x-www-form-urlencoded") {
            pairs.extend(form_urlencoded::parse(body).into_owned());
        }
        pairs.extend(Self::of(uri).0);
        Self(pairs)
    }

    /// The first value of a name; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(other, _)| other == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// All values of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + Clone {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Whether a list is empty, or holds this.
    pub(super) fn allows(&self, name: &str, value: &str) -> bool {
        self.all(name).next().is_none() || self.all(name).any(|allowed| allowed == value)
    }

    /// A yes or a no, which is no unless it is said, as Go reads them.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            Some(other) => Err(ApiError::bad_parameter(name, format!("{other:?} is neither true nor false"))),
        }
    }

    /// A number that counts something.
    pub(super) fn count(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| ApiError::bad_parameter(name, format!("{text:?} is no count: it must not be negative")))
        };
        self.get(name).map(parse).transpose()
    }

    /// A moment: seconds since the epoch, or RFC 3339.
    pub(super) fn moment(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        if let Ok(seconds) = text.parse::<f64>()
            && seconds.is_finite()
        {
            return Ok(Some(Timestamp::from_seconds(seconds)));
        }
        match text.parse::<jiff::Timestamp>() {
            Ok(at) => Ok(Some(Timestamp::from_millis(at.as_millisecond()))),
            Err(_) => Err(ApiError::bad_parameter(name, format!("cannot parse {text:?} to a valid timestamp"))),
        }
    }

    /// A stretch of time: seconds, or as in `5m`.
    pub(super) fn duration(&self, name: &str) -> Result<Option<std::time::Duration>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let seconds = text.parse::<f64>().ok().and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
        match seconds.or_else(|| parse_duration(text).ok()) {
            Some(duration) => Ok(Some(duration)),
            None => Err(ApiError::bad_parameter(name, format!("cannot parse {text:?} to a valid duration"))),
        }
    }

    /// Sets of matchers, each written as a selector; what passes one of them passes.
    pub(super) fn matchers(&self, name: &str) -> Result<Vec<Vec<Matcher>>, ApiError> {
        let parse = |text: &str| match promql::parse(text) {
            Ok(promql::Expr { kind: ExprKind::Selector(selector), .. }) if selector.shift == Shift::default() => {
                Ok(selector.matchers)
            }
            Ok(_) => Err(ApiError::bad_parameter(name, format!("{text:?} is no series selector"))),
            Err(error) => Err(ApiError::bad_parameter(name, error)),
        };
        self.all(name).map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::of(&format!("/x?{query}").parse().unwrap())
    }

    #[test]
    fn values_are_read_as_prometheus_reads_them() {
        let moment =
            |text: &str| parameters(&format!("time={text}")).moment("time").map(|at| at.map(Timestamp::millis));
        assert_eq!(moment("1435781451.781"), Ok(Some(1_435_781_451_781)));
        assert_eq!(moment("2015-07-01T20:10:51.781Z"), Ok(Some(1_435_781_451_781)));
        assert_eq!(moment("2015-07-01T22:10:51.781%2B02:00"), Ok(Some(1_435_781_451_781)));
        assert_eq!(moment(""), Ok(None));
        assert!(moment("yesterday").is_err() && moment("NaN").is_err());
        let all = parameters("a[]=x&a[]=y&b=%7Bc%3D%22d+e%22%7D&f=true");
        assert!(all.allows("a[]", "y") && !all.allows("a[]", "z") && all.allows("other[]", "z"));
        assert_eq!(all.get("b"), Some("{c=\"d e\"}"));
        assert_eq!((all.flag("f"), all.flag("g")), (Ok(true), Ok(false)));
        assert_eq!(all.matchers("b").unwrap()[0].len(), 1);
        assert!(parameters("m=sum(x)").matchers("m").is_err() && parameters("n=-1").count("n").is_err());
    }
}
