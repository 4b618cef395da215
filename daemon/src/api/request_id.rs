//! The id that a client gives a write: under it the write happens once, through whichever node it is asked again.
//!
//! What is out of its bounds is refused: an id that is cut short could be another one's. Knows nothing of how ids are remembered.

use super::failure::usage;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use quorate_proto::{ClientName, limits};

/// The header, or the metadata of a call over gRPC, that has it.
pub(crate) const REQUEST_ID_HEADER: &str = "quorate-request-id";

/// The id of a request; none when its client gave it none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RequestId(pub(crate) Option<Bytes>);

impl RequestId {
    /// Takes it from the headers.
    ///
    /// # Errors
    /// What an id is, for a client that gave something else.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, String> {
        let mut given = headers.get_all(REQUEST_ID_HEADER).iter();
        let Some(id) = given.next() else { return Ok(Self(None)) };
        if given.next().is_some() || !ClientName::is_id(id.as_bytes()) {
            return Err(format!(
                "{REQUEST_ID_HEADER} is one id of 1 to {} bytes, a new one for each write",
                limits::REQUEST_ID
            ));
        }
        Ok(Self(Some(Bytes::copy_from_slice(id.as_bytes()))))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        Self::of(&parts.headers).map_err(|text| usage(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn of(ids: &[&str]) -> Result<RequestId, String> {
        let mut headers = HeaderMap::new();
        for id in ids {
            headers.append(REQUEST_ID_HEADER, HeaderValue::from_str(id).expect("a value"));
        }
        RequestId::of(&headers)
    }

    #[test]
    fn an_id_has_one_to_sixty_four_bytes_and_comes_once() {
        assert_eq!(of(&[]), Ok(RequestId(None)));
        assert_eq!(of(&["job 7"]), Ok(RequestId(Some("job 7".into()))));
        let longest = "x".repeat(limits::REQUEST_ID);
        assert!(of(&[&longest]).is_ok());
        for wrong in [&[""][..], &[&format!("{longest}x")], &["a", "b"]] {
            let no = of(wrong).expect_err("out of its bounds");
            assert!(no.contains("1 to 64 bytes"), "{no}");
        }
    }
}
