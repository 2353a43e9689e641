//! The table of functions: one row each.

use super::super::ast::ValueType;
use super::super::value::SampleValue;
use super::super::window::Window;
use super::{
    Body, Check, FloatsBody, Function, Whole, WindowBody, calendar, conversion, counter, histogram, info, labels, math,
    native, over_time, presence, trend,
};
use crate::model::Histogram;

const S: ValueType = ValueType::Scalar;
const V: ValueType = ValueType::Vector;
const M: ValueType = ValueType::Matrix;
const T: ValueType = ValueType::String;

/// The section about functions of all samples of a range.
const OVER_TIME: &str = "aggregation_over_time";
/// The section about angles.
const ANGLES: &str = "trigonometric-functions";

/// Sorted by name.
pub(super) static FUNCTIONS: &[Function] = &[
    each("abs", f64::abs).means("each value without its sign", "|v|"),
    whole("absent", &[V], V, presence::absent).means("1 when there is no element, with the labels asked for", "1 if empty"),
    whole("absent_over_time", &[M], V, presence::absent_over_time)
        .means("1 when there is no sample in the range, with the labels asked for", "1 if empty"),
    each("acos", f64::acos).means("the angle whose cosine each value is", "acos(v)").section(ANGLES),
    each("acosh", f64::acosh).means("the inverse hyperbolic cosine", "acosh(v)").section(ANGLES),
    each("asin", f64::asin).means("the angle whose sine each value is", "asin(v)").section(ANGLES),
    each("asinh", f64::asinh).means("the inverse hyperbolic sine", "asinh(v)").section(ANGLES),
    each("atan", f64::atan).means("the angle whose tangent each value is", "atan(v)").section(ANGLES),
    each("atanh", f64::atanh).means("the inverse hyperbolic tangent", "atanh(v)").section(ANGLES),
    window("avg_over_time", &[M], over_time::avg).means("the mean of the range's samples", "Σ v / n").section(OVER_TIME),
    each("ceil", f64::ceil).means("each value rounded up to a whole number", "⌈v⌉"),
    window("changes", &[M], counter::changes).means("how often the value changed in the range", "|{i: vᵢ ≠ vᵢ₋₁}|"),
    map("clamp", &[V, S, S], math::clamp).means("each value held between two bounds", "max(min(v, high), low)"),
    map("clamp_max", &[V, S], math::clamp_max).means("each value, but no more than a bound", "min(v, high)"),
    map("clamp_min", &[V, S], math::clamp_min).means("each value, but no less than a bound", "max(v, low)"),
    each("cos", f64::cos).means("the cosine of an angle in radians", "cos(v)").section(ANGLES),
    each("cosh", f64::cosh).means("the hyperbolic cosine", "cosh(v)").section(ANGLES),
    window("count_over_time", &[M], over_time::count).means("how many samples the range has", "n").section(OVER_TIME),
    date("day_of_month", calendar::day_of_month).means("the day of the month in UTC", "1 to 31"),
    date("day_of_week", calendar::day_of_week).means("the day of the week in UTC, from Sunday", "0 to 6"),
    date("day_of_year", calendar::day_of_year).means("the day of the year in UTC", "1 to 366"),
    date("days_in_month", calendar::days_in_month).means("how many days the month has in UTC", "28 to 31"),
    each("deg", f64::to_degrees).means("radians as degrees", "v · 180 / π").section(ANGLES),
    window("delta", &[M], counter::delta).means(
        "how much a gauge changed over the range, reaching out to its ends",
        "(vₙ − v₁) · (range covered, extrapolated) / (tₙ − t₁)",
    ),
    floats("deriv", &[M], trend::deriv)
        .means("how much a gauge changes a second, by the straight line with the least squares", "slope of (t, v)"),
    floats("double_exponential_smoothing", &[M, S, S], trend::smooth)
        .checked(trend::check_factors)
        .means(
            "a smoothed value of a gauge; a smoothing factor near 1 trusts new samples, a trend factor near 1 new trends",
            "sᵢ = sf · vᵢ + (1 − sf)(sᵢ₋₁ + bᵢ), bᵢ = tf(sᵢ₋₁ − sᵢ₋₂) + (1 − tf)bᵢ₋₁",
        )
        .experimental(),
    whole("end", &[], S, conversion::end).means("the last moment of the query", "t").experimental(),
    each("exp", f64::exp).means("e to the power of each value", "eᵛ"),
    own_sample("first_over_time", over_time::first).means("the oldest sample of the range", "v₁").section(OVER_TIME),
    each("floor", f64::floor).means("each value rounded down to a whole number", "⌊v⌋"),
    native("histogram_avg", native::mean).means("the mean observation of native histograms", "sum / count"),
    native("histogram_count", native::count)
        .means("how many observations native histograms have", "count")
        .section("histogram_count-and-histogram_sum"),
    whole("histogram_fraction", &[S, S, V], V, histogram::fraction)
        .means("the share of observations between two values", "(rank(high) − rank(low)) / count, linear within buckets"),
    whole("histogram_quantile", &[S, V], V, histogram::quantile)
        .means("the value below which a share of observations lies", "value at rank q · count, linear within buckets"),
    whole("histogram_quantiles", &[V, T, S, S], V, histogram::quantiles)
        .optional()
        .repeating(Some(8))
        .means("several quantiles at once, told apart by a label", "`histogram_quantile` for each q")
        .experimental(),
    native("histogram_stddev", native::deviation)
        .means("the standard deviation of observations of native histograms", "√stdvar")
        .section("histogram_stddev-and-histogram_stdvar"),
    native("histogram_stdvar", native::variance)
        .means("the variance of observations of native histograms", "Σ n(mid − mean)² / count")
        .section("histogram_stddev-and-histogram_stdvar"),
    native("histogram_sum", native::sum)
        .means("the sum of observations of native histograms", "sum")
        .section("histogram_count-and-histogram_sum"),
    date("hour", calendar::hour).means("the hour of the day in UTC", "0 to 23"),
    window("idelta", &[M], counter::idelta).means("how the last two samples of a gauge differ", "vₙ − vₙ₋₁"),
    window("increase", &[M], counter::increase).means(
        "how much a counter grew over the range, reaching out to its ends",
        "(vₙ − v₁ + resets) · (range covered, extrapolated) / (tₙ − t₁)",
    ),
    whole("info", &[V, V], V, info::info)
        .optional()
        .means("elements with labels of the info metrics that describe the same thing", "v with labels of info")
        .experimental(),
    window("irate", &[M], counter::irate)
        .means("how much a counter grew a second between its last two samples", "(vₙ − vₙ₋₁) / (tₙ − tₙ₋₁)"),
    whole("label_join", &[V, T, T, T], V, labels::join)
        .optional()
        .repeating(None)
        .means("elements with a label joined of others", "target = source₁ separator source₂ …"),
    whole("label_replace", &[V, T, T, T, T], V, labels::replace).means(
        "elements with a label made of another by a regular expression, where it matches the whole",
        "target = replacement with $1 … of regex on source",
    ),
    own_sample("last_over_time", over_time::last).means("the newest sample of the range", "vₙ").section(OVER_TIME),
    each("ln", f64::ln).means("the natural logarithm", "ln(v)"),
    each("log10", f64::log10).means("the decimal logarithm", "log₁₀(v)"),
    each("log2", f64::log2).means("the binary logarithm", "log₂(v)"),
    floats("mad_over_time", &[M], over_time::median_deviation)
        .means("how far the range's samples typically are from their median", "median(|v − median(v)|)")
        .section(OVER_TIME)
        .experimental(),
    whole("max_of", &[S, S], S, math::greater_scalar).means("the greater of two", "max(a, b)").experimental(),
    floats("max_over_time", &[M], over_time::max).means("the greatest sample of the range", "max(v)").section(OVER_TIME),
    whole("min_of", &[S, S], S, math::lesser_scalar).means("the lesser of two", "min(a, b)").experimental(),
    floats("min_over_time", &[M], over_time::min).means("the least sample of the range", "min(v)").section(OVER_TIME),
    date("minute", calendar::minute).means("the minute of the hour in UTC", "0 to 59"),
    date("month", calendar::month).means("the month of the year in UTC", "1 to 12"),
    whole("pi", &[], S, conversion::pi).means("half a turn in radians", "π").section(ANGLES),
    floats("predict_linear", &[M, S], trend::predict_linear)
        .means(
            "the value that a gauge will have in so many seconds, by the straight line with the least squares",
            "intercept at now + slope · seconds",
        )
        .unsafe_under_at(),
    window("present_over_time", &[M], over_time::present)
        .means("1 where there is a sample in the range", "1 if n > 0")
        .section(OVER_TIME),
    floats("quantile_over_time", &[S, M], over_time::quantile)
        .checked(histogram::check_quantile)
        .means("a quantile of the range's samples, linear between two", "sorted v at rank q · (n − 1)")
        .section(OVER_TIME),
    each("rad", f64::to_radians).means("degrees as radians", "v · π / 180").section(ANGLES),
    whole("range", &[], S, conversion::range).means("how long the query is", "end − start").experimental(),
    window("rate", &[M], counter::rate)
        .means("how much a counter grows a second, over the range", "increase / seconds of the range"),
    window("resets", &[M], counter::resets).means("how often a counter started anew", "|{i: vᵢ < vᵢ₋₁}|"),
    map("round", &[V, S], math::round)
        .optional()
        .means("each value rounded to the nearest multiple, halves up", "⌊v / to + ½⌋ · to"),
    whole("scalar", &[V], S, conversion::scalar).means("the value of the only element; otherwise NaN", "v₁ if n = 1"),
    each("sgn", math::sgn).means("the sign of each value", "−1, 0 or 1"),
    each("sin", f64::sin).means("the sine of an angle in radians", "sin(v)").section(ANGLES),
    each("sinh", f64::sinh).means("the hyperbolic sine", "sinh(v)").section(ANGLES),
    whole("sort", &[V], V, conversion::sort).means("elements by value, the least first", "v₁ ≤ v₂ ≤ …"),
    whole("sort_by_label", &[V, T], V, labels::sort)
        .optional()
        .repeating(None)
        .means("elements by labels, numbers within them as numbers", "label₁ ≤ label₂ ≤ …")
        .experimental(),
    whole("sort_by_label_desc", &[V, T], V, labels::sort_desc)
        .optional()
        .repeating(None)
        .means("elements by labels the other way round, numbers within them as numbers", "label₁ ≥ label₂ ≥ …")
        .experimental(),
    whole("sort_desc", &[V], V, conversion::sort_desc).means("elements by value, the greatest first", "v₁ ≥ v₂ ≥ …"),
    each("sqrt", f64::sqrt).means("the square root", "√v"),
    whole("start", &[], S, conversion::start).means("the first moment of the query", "t").experimental(),
    whole("start_timestamp", &[V], V, conversion::start_timestamp)
        .means("when the counter of each sample started", "t of the start")
        .unsafe_under_at()
        .experimental(),
    floats("stddev_over_time", &[M], over_time::stddev)
        .means("the standard deviation of the range's samples", "√(Σ (v − mean)² / n)")
        .section(OVER_TIME),
    floats("stdvar_over_time", &[M], over_time::stdvar)
        .means("the variance of the range's samples", "Σ (v − mean)² / n")
        .section(OVER_TIME),
    whole("step", &[], S, conversion::step)
        .means("how far the moments of the query are apart; 0 for one moment", "step")
        .experimental(),
    window("sum_over_time", &[M], over_time::sum).means("the sum of the range's samples", "Σ v").section(OVER_TIME),
    each("tan", f64::tan).means("the tangent of an angle in radians", "tan(v)").section(ANGLES),
    each("tanh", f64::tanh).means("the hyperbolic tangent", "tanh(v)").section(ANGLES),
    whole("time", &[], S, conversion::time).means("the moment of evaluation", "t").unsafe_under_at(),
    whole("timestamp", &[V], V, conversion::timestamp).means("when each sample was taken", "t").unsafe_under_at(),
    window("ts_of_first_over_time", &[M], over_time::time_of_first)
        .means("when the oldest sample of the range was taken", "t₁")
        .section(OVER_TIME)
        .experimental(),
    window("ts_of_last_over_time", &[M], over_time::time_of_last)
        .means("when the newest sample of the range was taken", "tₙ")
        .section(OVER_TIME)
        .experimental(),
    floats("ts_of_max_over_time", &[M], over_time::time_of_max)
        .means("when the greatest sample of the range was taken, the last of several", "t of max(v)")
        .section(OVER_TIME)
        .experimental(),
    floats("ts_of_min_over_time", &[M], over_time::time_of_min)
        .means("when the least sample of the range was taken, the last of several", "t of min(v)")
        .section(OVER_TIME)
        .experimental(),
    whole("vector", &[S], V, conversion::vector).means("a number as an element without labels", "v"),
    date("year", calendar::year).means("the year in UTC", "year"),
];

const fn function(name: &'static str, args: &'static [ValueType], returns: ValueType, body: Body) -> Function {
    Function {
        name,
        args,
        optional: 0,
        repeats: Some(0),
        returns,
        is_experimental: false,
        is_unsafe_under_at: false,
        meaning: "",
        formula: "",
        section: name,
        body,
    }
}

const fn each(name: &'static str, body: fn(f64) -> f64) -> Function {
    function(name, &[V], V, Body::Each(body))
}

/// A part of the date: of each value, or of the moment of evaluation.
const fn date(name: &'static str, body: fn(f64) -> f64) -> Function {
    each(name, body).optional().unsafe_under_at()
}

const fn map(name: &'static str, args: &'static [ValueType], body: fn(f64, &[f64]) -> Option<f64>) -> Function {
    function(name, args, V, Body::Map(body))
}

const fn window(name: &'static str, args: &'static [ValueType], body: WindowBody) -> Function {
    function(name, args, V, Body::Window(body))
}

const fn floats(name: &'static str, args: &'static [ValueType], body: FloatsBody) -> Function {
    function(name, args, V, Body::Floats(body, None))
}

const fn own_sample(name: &'static str, body: fn(&Window<'_>) -> Option<SampleValue>) -> Function {
    function(name, &[M], V, Body::OwnSample(body))
}

const fn native(name: &'static str, body: fn(&Histogram) -> f64) -> Function {
    function(name, &[V], V, Body::Histogram(body))
}

const fn whole(name: &'static str, args: &'static [ValueType], returns: ValueType, body: Whole) -> Function {
    function(name, args, returns, Body::Whole(body))
}

impl Function {
    /// The last argument may be left out.
    const fn optional(mut self) -> Self {
        self.optional = 1;
        self
    }

    /// The last argument may come so many times more; `None` is any number.
    const fn repeating(mut self, more: Option<usize>) -> Self {
        self.repeats = more;
        self
    }

    /// The scalars are looked at before anything is made of them.
    const fn checked(mut self, check: Check) -> Self {
        if let Body::Floats(body, _) = self.body {
            self.body = Body::Floats(body, Some(check));
        }
        self
    }

    const fn experimental(mut self) -> Self {
        self.is_experimental = true;
        self
    }

    const fn unsafe_under_at(mut self) -> Self {
        self.is_unsafe_under_at = true;
        self
    }

    const fn means(mut self, meaning: &'static str, formula: &'static str) -> Self {
        self.meaning = meaning;
        self.formula = formula;
        self
    }

    const fn section(mut self, section: &'static str) -> Self {
        self.section = section;
        self
    }
}
