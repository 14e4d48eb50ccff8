use crate::answer::Answer;
use crate::dialect::Inbound;
use crate::fault::BlockForm;
use crate::reply::SimReply;

pub(crate) const MESSAGES: &str = "/v1/messages";

pub(crate) fn answer(_: Inbound<'_>, _: &SimReply, _: Option<BlockForm>) -> Answer {
    quota()
}
pub(crate) fn failure(_: u16) -> String {
    String::new()
}
pub(crate) fn quota() -> Answer {
    Answer::json(501, "")
}
pub(crate) fn context_length() -> Answer {
    quota()
}
