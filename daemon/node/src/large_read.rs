//! A read whose work grows with the keyspace: handed to the shell with a copy of the state, which shares all its data with the
//! original, so that no turn takes longer for it.
//!
//! The copy is made where the read would have been served, so the answer is that of this moment however late it is made.
//! Knows nothing of threads.

use crate::answers::{kv_refusal, put_header, too_large};
use crate::client::ClientReply;
use quorate_meta::Meta;
use quorate_proto::{
    ForwardAnswer, KvError, KvRequest, KvResponse, Message as _, Moment, Refusal, RefusalCode,
    ResponseHeader, forward_answer, limits,
};

/// A read that is answered outside of the node.
#[derive(Debug)]
pub struct LargeRead {
    pub(crate) asker: Asker,
    pub(crate) state: Meta,
    pub(crate) request: KvRequest,
    pub(crate) header: ResponseHeader,
    /// Until when the answer is wanted.
    pub deadline: Moment,
}

/// Who waits for it, by its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A local client: answered as by `Output::Reply`.
    Client(u64),
    /// Another node: as by `Output::ForwardReply`.
    Node(u64),
}

/// The answer, in the form that its asker waits for.
#[derive(Debug)]
#[allow(missing_docs, reason = "the asker's variant says for whom")]
pub enum Answered {
    Client(ClientReply),
    Node(ForwardAnswer),
}

impl LargeRead {
    /// Who waits.
    #[must_use]
    pub fn asker(&self) -> Asker {
        self.asker
    }

    /// The answer. The work grows with the keyspace.
    #[must_use]
    pub fn answer(&self) -> Answered {
        // Alike whoever asked: what fits must not hang on which node leads.
        let answer = self.read().map_err(kv_refusal).and_then(|response| {
            let fits = response.encoded_len() <= limits::RANGE_ANSWER;
            fits.then_some(response).ok_or_else(|| too_large(false))
        });
        self.wrap(answer)
    }

    /// What the state says, unless that alone takes more memory than any answer may.
    pub(crate) fn read(&self) -> Result<KvResponse, KvError> {
        if self.state.reads_too_much(&self.request) {
            return Err(KvError::AnswerTooLarge);
        }
        self.state.read(&self.request)
    }

    /// The answer where other reads have all the places, or had them until the deadline.
    #[must_use]
    pub fn refused(&self) -> Answered {
        let text = "too many large reads wait at this node; ask again, or for less at a time";
        let code = RefusalCode::Busy.into();
        self.wrap(Err(Refusal { code, detail: 0, text: text.to_owned() }))
    }

    fn wrap(&self, answer: Result<KvResponse, Refusal>) -> Answered {
        match self.asker {
            Asker::Client(_) => Answered::Client(match answer {
                Ok(response) => ClientReply::Kv(put_header(response, self.header)),
                Err(refusal) => ClientReply::Refused(refusal),
            }),
            Asker::Node(_) => {
                let outcome = match answer {
                    Ok(response) => forward_answer::Outcome::Kv(response),
                    Err(refusal) => forward_answer::Outcome::Refused(refusal),
                };
                Answered::Node(ForwardAnswer { outcome: Some(outcome) })
            }
        }
    }
}
