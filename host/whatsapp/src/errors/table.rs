//! The table of codes. One row per code or range, in ascending order of the first code, no overlaps.

use super::{BACKOFF, FEW, Problem, Retry, Scope, Verdict};
use Problem::{CredentialsInvalid, Misconfigured, Payment, Quality, Restricted, Unregistered};
use Retry::{AfterHuman, Never};
use Scope::{Account, App, Bot, Contact, Message, Number};

/// One code or range of codes.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) first: i64,
    last: i64,
    pub(super) meaning: &'static str,
    retry: Retry,
    scope: Scope,
    problem: Option<Problem>,
}

impl Row {
    pub(super) fn verdict(&self) -> Verdict {
        Verdict { retry: self.retry, scope: self.scope, problem: self.problem }
    }
}

/// The row of a code.
pub(super) fn find(code: i64) -> Option<&'static Row> {
    let row = &TABLE[TABLE.partition_point(|row| row.first <= code).checked_sub(1)?];
    (code <= row.last).then_some(row)
}

/// The first codes of the rows with such a verdict.
pub(super) fn firsts(fits: impl Fn(Verdict) -> bool) -> Vec<i64> {
    TABLE.iter().filter(|row| fits(row.verdict())).map(|row| row.first).collect()
}

const fn row(code: i64, meaning: &'static str, retry: Retry, scope: Scope) -> Row {
    Row { first: code, last: code, meaning, retry, scope, problem: None }
}

const fn range(first: i64, last: i64, meaning: &'static str, retry: Retry, scope: Scope) -> Row {
    Row { first, last, meaning, retry, scope, problem: None }
}

const fn ill(row: Row, problem: Problem) -> Row {
    Row { problem: Some(problem), ..row }
}

/// Retried once: converting or fetching media may go well the second time.
const ONCE: Retry = Retry::Backoff { most: Some(1) };

/// What ends by itself within hours.
const LATER: Retry = Retry::Later { hours: 1 };

/// Meta's limit of marketing templates per person: not before a day has passed (Meta, error codes).
const TOMORROW: Retry = Retry::Later { hours: 24 };

static TABLE: [Row; 69] = [
    ill(row(0, "the token cannot be authenticated", AfterHuman, Bot), CredentialsInvalid),
    row(1, "unknown or invalid request, or a hiccup of Meta", FEW, Message),
    row(2, "Meta is temporarily down", BACKOFF, Message),
    ill(row(3, "the app lacks a capability", AfterHuman, Bot), Misconfigured),
    row(4, "the app reached its call limit", BACKOFF, App),
    ill(row(10, "a permission is missing", AfterHuman, Bot), Misconfigured),
    row(17, "the user reached their call limit", BACKOFF, App),
    ill(row(33, "the phone number id does not exist", AfterHuman, Number), Misconfigured),
    row(100, "a parameter is invalid or unsupported", Never, Message),
    ill(row(104, "an access token is missing", AfterHuman, Bot), CredentialsInvalid),
    ill(row(190, "the token has expired or was revoked", AfterHuman, Bot), CredentialsInvalid),
    ill(range(200, 299, "a permission is missing", AfterHuman, Bot), Misconfigured),
    ill(row(368, "the account is temporarily blocked for breaking policy", LATER, Account), Restricted),
    row(613, "too many calls", BACKOFF, App),
    ill(row(803, "the object does not exist", AfterHuman, Number), Misconfigured),
    row(80007, "the WhatsApp Business Account reached its call limit", BACKOFF, Account),
    row(130_403, "the business blocked this person", Never, Contact),
    row(130_429, "the number's throughput was reached", BACKOFF, Number),
    row(130_472, "the person is part of an experiment and gets no marketing templates", Never, Message),
    row(130_497, "the business may not message people in this country", Never, Contact),
    row(131_000, "something went wrong at Meta", FEW, Message),
    ill(row(131_005, "access to this asset is denied", AfterHuman, Bot), Misconfigured),
    row(131_008, "a required parameter is missing", Never, Message),
    row(131_009, "the value of a parameter is not valid", Never, Message),
    row(131_016, "the service is temporarily unavailable", BACKOFF, Message),
    row(131_021, "sender and recipient are the same number", Never, Contact),
    row(131_026, "the message is undeliverable to this person", Never, Message),
    row(131_030, "the recipient is not on the test number's allow list", AfterHuman, Contact),
    ill(row(131_031, "the account is locked", AfterHuman, Account), Restricted),
    ill(row(131_037, "the number's display name is not approved", AfterHuman, Number), Unregistered),
    ill(row(131_042, "there is a problem with the payment method", AfterHuman, Account), Payment),
    ill(row(131_045, "the number's registration is faulty", AfterHuman, Number), Unregistered),
    row(131_047, "more than 24 hours since the person last wrote: only templates are allowed", Never, Contact),
    ill(row(131_048, "too many of the number's messages were blocked or reported", LATER, Number), Quality),
    row(131_049, "Meta limits how many marketing templates this person gets", TOMORROW, Message),
    row(131_050, "the person does not want marketing messages from this business", Never, Message),
    row(131_051, "the message type is not supported", Never, Message),
    row(131_052, "the person's media cannot be downloaded", Never, Message),
    row(131_053, "the media cannot be fetched or converted", ONCE, Message),
    row(131_055, "this way of sending is not allowed", AfterHuman, Message),
    row(131_056, "too many messages to this one person", BACKOFF, Contact),
    row(131_057, "the number is in maintenance", BACKOFF, Number),
    row(131_062, "this kind of message needs a phone number", Never, Message),
    row(131_063, "marketing templates are switched off for this API", AfterHuman, Message),
    ill(row(131_064, "the messaging limit after violations was reached", LATER, Account), Restricted),
    row(132_000, "the number of template parameters is wrong", Never, Message),
    row(132_001, "the template does not exist in this language or is not approved", Never, Message),
    row(132_005, "the filled-in template is too long", Never, Message),
    row(132_007, "the template breaks policy", Never, Message),
    row(132_008, "template parameters have wrong values", Never, Message),
    row(132_012, "template parameters have a wrong format", Never, Message),
    row(132_015, "the template is paused", LATER, Message),
    row(132_016, "the template is disabled for good", Never, Message),
    row(132_018, "template parameters break the format rules", Never, Message),
    row(132_068, "the WhatsApp Flow is blocked", AfterHuman, Message),
    row(132_069, "the WhatsApp Flow is throttled", LATER, Message),
    ill(row(133_000, "an earlier deregistration is incomplete", AfterHuman, Number), Unregistered),
    row(133_004, "the registration server is temporarily down", BACKOFF, Number),
    ill(range(133_005, 133_010, "the number must be registered", AfterHuman, Number), Unregistered),
    row(133_015, "the number was deleted a moment ago", BACKOFF, Number),
    row(133_016, "the number was registered and deregistered too often", LATER, Number),
    ill(row(134_011, "the payment terms are not accepted", AfterHuman, Account), Payment),
    ill(range(134_012, 134_999, "the Marketing Messages API is not set up", AfterHuman, Account), Misconfigured),
    row(135_000, "something in the message is wrong, often a template parameter", Never, Message),
    row(137_000, "the person's identity key has changed", Never, Contact),
    range(138_000, 138_999, "calling is not possible", Never, Message),
    range(139_000, 139_999, "the flow or the block list refused this", Never, Message),
    row(2_388_019, "the limit of templates was reached", AfterHuman, Message),
    range(2_388_020, 2_388_299, "the template was refused", AfterHuman, Message),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_without_overlap() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].first <= pair[0].last && pair[0].last < pair[1].first, "{}", pair[1].first);
        }
    }

    #[test]
    fn every_code_finds_its_row_and_no_other_does() {
        for row in &TABLE {
            assert_eq!(find(row.first).map(|r| r.first), Some(row.first));
            assert_eq!(find(row.last).map(|r| r.first), Some(row.first));
        }
        for code in [-1, 5, 99, 300, 131_001, 133_017, 2_388_300, i64::MAX, i64::MIN] {
            assert!(find(code).is_none(), "{code}");
        }
    }
}
