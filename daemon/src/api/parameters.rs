//! What a client may say of a request beside its body: the parameters behind the `?`, numbers and switches in JSON, and how
//! long it waits.
//!
//! Whatever is out of its bounds is refused, with a sentence that says what was expected: a number that is taken for another one
//! would give an answer to a question that nobody asked. Knows nothing of what is asked.

use super::failure::usage;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::response::Response;
use quorate_proto::limits;
use serde::de::{DeserializeOwned, Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;

/// Milliseconds that a client waits for an answer of the keyspace.
pub(crate) const TIMEOUT_HEADER: &str = "quorate-timeout-ms";

/// What stands behind the `?` of an address.
#[derive(Debug)]
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(found)) => Ok(Self(found)),
            Err(rejection) => Err(usage(&rejection.body_text())),
        }
    }
}

/// Whom or what is meant, where that is all there is to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NameQuery {
    pub(super) name: String,
}

/// How long a client waits, by [`TIMEOUT_HEADER`]; without the header for [`limits::REQUEST_DEADLINE`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience(pub(super) Duration);

impl<S: Send + Sync> FromRequestParts<S> for Patience {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let Some(given) = parts.headers.get(TIMEOUT_HEADER) else {
            return Ok(Self(limits::REQUEST_DEADLINE));
        };
        let millis = given.to_str().ok().and_then(|text| text.parse().ok()).filter(|it| *it > 0);
        millis.map(|millis| Self(Duration::from_millis(millis))).ok_or_else(|| {
            let given = String::from_utf8_lossy(given.as_bytes());
            usage(&format!(
                "{TIMEOUT_HEADER} is whole milliseconds from 1 on, such as 5000, not `{given}`"
            ))
        })
    }
}

/// A switch: 0 or 1, also `false` or `true`; off when it is not there.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        match text.as_str() {
            "0" | "false" => Ok(Self(false)),
            "1" | "true" => Ok(Self(true)),
            other => Err(D::Error::invalid_value(Unexpected::Str(other), &"0 or 1")),
        }
    }
}

/// A number of keys or of a revision: from 0 to the largest that the keyspace counts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole(pub(super) i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "a whole number from 0 to {}", i64::MAX)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
        let fits = i64::try_from(number);
        fits.map(Whole).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Whole, E> {
        let fits = u64::try_from(number);
        fits.map_or(Err(E::invalid_value(Unexpected::Signed(number), &self)), |_| Ok(Whole(number)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Whole, E> {
        let number = text.parse::<u64>();
        number.map_or(Err(E::invalid_value(Unexpected::Str(text), &self)), |it| self.visit_u64(it))
    }
}

#[cfg(test)]
mod tests {
    use super::{Flag, Parameters, Patience, Whole};
    use axum::extract::FromRequestParts;
    use axum::http::{Request, StatusCode, request::Parts};
    use serde::Deserialize;
    use std::time::Duration;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Asked {
        limit: Whole,
        since: Option<Whole>,
        links: Flag,
    }

    fn parts(query: &str, header: Option<&str>) -> Parts {
        let request = Request::builder().uri(format!("/v1/x?{query}"));
        let request = match header {
            Some(value) => request.header("quorate-timeout-ms", value),
            None => request,
        };
        request.body(()).expect("a request").into_parts().0
    }

    async fn asked(query: &str) -> Result<Asked, String> {
        match Parameters::from_request_parts(&mut parts(query, None), &()).await {
            Ok(Parameters(asked)) => Ok(asked),
            Err(no) => {
                assert_eq!(no.status(), StatusCode::BAD_REQUEST);
                let body = axum::body::to_bytes(no.into_body(), 4_096).await.expect("a short page");
                Err(String::from_utf8(body.to_vec()).expect("text"))
            }
        }
    }

    #[tokio::test]
    async fn numbers_and_switches_within_their_bounds_are_taken() {
        let all = Asked { limit: Whole(i64::MAX), since: Some(Whole(0)), links: Flag(true) };
        assert_eq!(asked("limit=9223372036854775807&since=0&links=1").await, Ok(all));
        assert_eq!(asked("").await, Ok(Asked::default()));
        assert_eq!(asked("links=false").await, Ok(Asked::default()));
    }

    #[tokio::test]
    async fn others_are_refused_with_their_name_and_what_was_expected() {
        for query in ["limit=-1", "limit=9223372036854775808", "limit=1e3", "limit=", "since=-5"] {
            let no = asked(query).await.expect_err(query);
            let (name, _) = query.split_once('=').expect("a pair");
            assert!(no.contains(name) && no.contains("a whole number from 0 to"), "{query}: {no}");
        }
        for query in ["links=7", "links=-1", "links=", "links=yes"] {
            let no = asked(query).await.expect_err(query);
            assert!(no.contains("links") && no.contains("0 or 1"), "{query}: {no}");
        }
    }

    #[test]
    fn a_number_in_json_has_the_same_bounds() {
        assert_eq!(serde_json::from_str::<Whole>("7").expect("fits"), Whole(7));
        for text in ["-1", "9223372036854775808", "1.5", "null"] {
            let no = serde_json::from_str::<Whole>(text).expect_err(text).to_string();
            assert!(no.contains("a whole number from 0 to"), "{text}: {no}");
        }
    }

    #[tokio::test]
    async fn a_patience_is_whole_milliseconds_from_one_on() {
        let given = async |header| Patience::from_request_parts(&mut parts("", header), &()).await;
        assert_eq!(given(Some("1500")).await.expect("fits").0, Duration::from_millis(1_500));
        assert_eq!(given(None).await.expect("none").0, quorate_proto::limits::REQUEST_DEADLINE);
        for text in ["-1", "0", "1.5", "5s", ""] {
            let no = given(Some(text)).await.expect_err(text);
            assert_eq!(no.status(), StatusCode::BAD_REQUEST, "{text}");
        }
    }
}
