//! Parameters of a request: those of the URL, and of a form in the body.

use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method, Uri, header};
use url::form_urlencoded;

use crate::model::{Matcher, Timestamp, parse_duration};
use crate::promql::{self, ExprKind};

use super::ApiError;
use super::query::parse_error;

/// The largest form that is read, as in Prometheus.
const FORM_BYTES_MAX: usize = 10 * 1024 * 1024;
/// The longest stretch of time: what fits into 63 bits of nanoseconds.
const DURATION_SECONDS_MAX: f64 = 9_223_372_036.854;
/// How many selectors `match[]` may be given.
const MATCHES_MAX: usize = 100;

/// Names and values as they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl<S: Sync> FromRequest<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        if head.method != Method::POST {
            return Ok(Self::of(&head.uri));
        }
        let form = to_bytes(body, FORM_BYTES_MAX).await;
        let form = form.map_err(|error| {
            ApiError::bad_data(format!("error parsing form values: {error}; it may have {FORM_BYTES_MAX} bytes"))
        })?;
        Ok(Self::with_form(&head.uri, &head.headers, &form))
    }
}

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
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse::<i64>().map(usize::try_from) {
            Ok(Ok(count)) => Ok(Some(count)),
            Ok(Err(_)) => Err(ApiError::bad_parameter(name, format!("{name} must be non-negative"))),
            Err(_) => Err(ApiError::bad_parameter(name, format!("{text:?} is no whole number"))),
        }
    }

    /// A moment: seconds since the epoch, or RFC 3339.
    pub(super) fn moment(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match moment(text) {
            Ok(at) => Ok(Some(at)),
            Err(why) => Err(ApiError::bad_parameter(name, format!("invalid time value for '{name}': {why}"))),
        }
    }

    /// The same of a parameter that there must be.
    pub(super) fn moment_of(&self, name: &str) -> Result<Timestamp, ApiError> {
        moment(self.get(name).unwrap_or_default()).map_err(|why| ApiError::bad_parameter(name, why))
    }

    /// `start` and `end`, which are the ends of time unless they are given.
    pub(super) fn span(&self) -> Result<(Timestamp, Timestamp), ApiError> {
        let (earliest, latest) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        Ok((self.moment("start")?.unwrap_or(earliest), self.moment("end")?.unwrap_or(latest)))
    }

    /// A stretch of time: seconds, or as in `5m`. What is less than nothing is nothing.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<Duration>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match duration(text) {
            Ok(duration) => Ok(Some(duration.unwrap_or(Duration::ZERO))),
            Err(why) => Err(ApiError::bad_parameter(name, why)),
        }
    }

    /// How far moments are apart: the parameter `step`, which there must be.
    pub(super) fn step(&self) -> Result<Duration, ApiError> {
        let step = duration(self.get("step").unwrap_or_default());
        let step = step.map_err(|why| ApiError::bad_parameter("step", why))?;
        step.filter(|step| !step.is_zero()).ok_or_else(|| {
            let why = "zero or negative query resolution step widths are not accepted. Try a positive integer";
            ApiError::bad_parameter("step", why)
        })
    }

    /// Sets of matchers, each written as a selector; what passes one of them passes.
    pub(super) fn matchers(&self, name: &str) -> Result<Vec<Vec<Matcher>>, ApiError> {
        if self.all(name).count() > MATCHES_MAX {
            return Err(ApiError::bad_parameter(name, format!("there may be {MATCHES_MAX} of them")));
        }
        let parse = |text: &str| match promql::parse_any(text) {
            Ok(promql::Expr { kind: ExprKind::Selector(selector), .. }) if selector.is_plain() => Ok(selector.matchers),
            Ok(_) => Err(ApiError::bad_parameter(name, format!("{text:?} is no series selector"))),
            Err(error) => Err(ApiError::bad_parameter(name, parse_error(&error, text))),
        };
        self.all(name).map(parse).collect()
    }
}

/// A moment: seconds since the epoch, or RFC 3339.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(seconds) = text.parse::<f64>()
        && seconds.is_finite()
    {
        return Ok(Timestamp::from_seconds(seconds));
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => Ok(Timestamp::from_millis(at.as_millisecond())),
        Err(_) => Err(format!("cannot parse {text:?} to a valid timestamp")),
    }
}

/// A stretch of time: seconds, or as in `5m`. There is none when it is less than nothing.
fn duration(text: &str) -> Result<Option<Duration>, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_nan() || seconds.abs() > DURATION_SECONDS_MAX => {
            Err(format!("cannot parse {text:?} to a valid duration. It overflows int64"))
        }
        Ok(seconds) => Ok(Duration::try_from_secs_f64(seconds).ok()),
        Err(_) => parse_duration(text).map(Some).map_err(|_| format!("cannot parse {text:?} to a valid duration")),
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
