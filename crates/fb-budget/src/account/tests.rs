use std::time::Duration;

use super::*;
use crate::{
    Limit, Tier,
    scenario::{amount, at, book, target},
};

const HOUR: u64 = 3_600;

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * HOUR)
}

fn acme(text: &str) -> Account {
    book(&format!("[acme]\n{text}")).account("acme").clone()
}

impl Account {
    fn call(&self, estimate: Amount, at: Moment) -> Result<Reservation, (Limit, Option<Duration>, bool)> {
        self.reserve(&target(), estimate, at).map_err(|refused| {
            assert_eq!(&*refused.tenant, "acme");
            (refused.limit, refused.resets_in, refused.limit.is_money())
        })
    }

    fn spend(&self, micros: u64, at: Moment) {
        self.call(amount(micros, 0), at).unwrap().settle(amount(micros, 0));
    }
}

#[test]
fn day_limit_is_exact_to_the_nano_dollar() {
    let account = acme("usd_per_day = 0.0001"); // 100 millionths
    account.spend(60, at(0));
    let held = account.call(amount(40, 0), at(0)).unwrap();
    assert_eq!(account.call(amount(1, 0), at(0)).unwrap_err(), (Limit::UsdPerDay, Some(hours(12)), true));
    account.call(amount(0, 1_000), at(0)).unwrap().settle(amount(0, 900));
    drop(held);
    account.spend(40, at(12 * HOUR - 1));
    assert_eq!(
        account.call(amount(1, 0), at(12 * HOUR - 1)).unwrap_err(),
        (Limit::UsdPerDay, Some(Duration::from_secs(1)), true)
    );
    account.spend(100, at(12 * HOUR));
}

#[test]
fn month_limit_spans_days_and_is_reported_first() {
    let account = acme("usd_per_day = 0.0001\nusd_per_month = 0.00015");
    account.spend(100, at(0));
    account.spend(50, at(12 * HOUR));
    assert_eq!(
        account.call(amount(60, 0), at(12 * HOUR)).unwrap_err(),
        (Limit::UsdPerMonth, Some(hours(24)), true)
    );
    account.spend(60, at(36 * HOUR));
}

#[test]
fn call_above_the_whole_limit_has_no_reset_time() {
    let account = acme("usd_per_day = 0.0001\ntokens_per_minute = 50");
    assert_eq!(account.call(amount(101, 0), at(0)).unwrap_err(), (Limit::UsdPerDay, None, true));
    assert_eq!(account.call(amount(1, 51), at(0)).unwrap_err(), (Limit::TokensPerMinute, None, false));
}

#[test]
fn tokens_count_when_reserved_and_are_corrected_when_settled() {
    let account = acme("tokens_per_minute = 100");
    let call = account.call(amount(0, 80), at(0)).unwrap();
    let refused = (Limit::TokensPerMinute, Some(Duration::from_secs(65)), false);
    assert_eq!(account.call(amount(0, 21), at(0)).unwrap_err(), refused);
    call.settle(amount(0, 30));
    let call = account.call(amount(0, 70), at(0)).unwrap();
    call.settle(amount(0, 90));
    assert_eq!(account.stats(at(0)).minute_tokens, 120);
    assert_eq!(account.stats(at(65)).minute_tokens, 0);
}

#[test]
fn request_is_counted_once_and_not_if_money_refuses_it() {
    let account = acme("requests_per_minute = 2\nusd_per_day = 0.0001");
    assert_eq!(account.call(amount(101, 0), at(0)).unwrap_err().0, Limit::UsdPerDay);
    let first = account.call(amount(1, 0), at(0)).unwrap();
    let retry = account.reserve_additional(&target(), amount(1, 0), at(0)).unwrap();
    let second = account.call(amount(1, 0), at(0)).unwrap();
    let refused = (Limit::RequestsPerMinute, Some(Duration::from_secs(30)), false);
    assert_eq!(account.call(amount(1, 0), at(0)).unwrap_err(), refused);
    assert_eq!(account.stats(at(0)).requests, 2);
    assert_eq!(account.stats(at(0)).refused, 2);
    assert_eq!(account.stats(at(0)).reserved_nanos, 3_000);
    drop((first, retry, second));
    assert_eq!(account.stats(at(0)).reserved_nanos, 0);
}

#[test]
fn standing_reports_the_nearest_limit() {
    let account = acme("usd_per_day = 0.0001\nusd_per_month = 0.001\ntokens_per_minute = 100");
    let standing = |at| account.standing(at);
    assert_eq!(standing(at(0)), Standing::Free);
    account.spend(79, at(0));
    assert_eq!(standing(at(0)), Standing::Free);
    let call = account.call(amount(6, 90), at(0)).unwrap();
    assert_eq!(standing(at(0)), Standing::Soft { limit: Limit::TokensPerMinute, share: 0.9 });
    call.settle(amount(6, 10));
    assert_eq!(standing(at(0)), Standing::Soft { limit: Limit::UsdPerDay, share: 0.85 });
    let call = account.call(amount(15, 0), at(0)).unwrap();
    let day = hours(12);
    assert_eq!(standing(at(0)), Standing::Hard { limit: Limit::UsdPerDay, resets_in: day });
    drop(call);
    account.call(amount(0, 90), at(1)).unwrap().settle(amount(0, 90));
    let minute = Duration::from_secs(64);
    assert_eq!(standing(at(1)), Standing::Hard { limit: Limit::TokensPerMinute, resets_in: minute });
    assert_eq!(standing(at(12 * HOUR)), Standing::Free);
}

#[test]
fn premium_tier_does_not_downshift() {
    let (standard, premium) =
        (acme("usd_per_day = 0.0001"), acme("usd_per_day = 0.0001\ntier = \"premium\""));
    for account in [&standard, &premium] {
        account.spend(80, at(0));
    }
    assert_eq!(premium.limits().tier, Tier::Premium);
    assert_eq!([standard.downshifts(at(0)), premium.downshifts(at(0))], [true, false]);
}

/// The pending warnings of an account and its tenant, as text.
fn warnings(account: &Account) -> Vec<String> {
    let warnings = account.warnings().into_iter();
    let format = |warning: Warning| {
        let refused = if warning.refused { ", refused" } else { "" };
        format!("{} {} {}{refused}", warning.account, warning.limit, warning.share)
    };
    warnings.map(format).collect()
}

#[test]
fn each_limit_warns_once_per_day() {
    let account = acme("usd_per_day = 0.001\nusd_per_month = 0.0016\ntokens_per_minute = 100\nwarn_at = 0.5");
    let call = |micros, tokens, now| {
        account.reserve(&target(), amount(micros, tokens), now).unwrap().settle(amount(micros, tokens));
        warnings(&account)
    };
    assert_eq!(call(499, 49, at(0)), [""; 0]);
    assert_eq!(call(0, 1, at(0)), ["acme tokens_per_minute 0.5"]);
    assert_eq!(call(101, 0, at(0)), ["acme usd_per_day 0.6"]);
    assert_eq!(call(100, 0, at(1)), [""; 0]);
    let tomorrow = at(24 * HOUR);
    // A large reservation with a small bill does not warn.
    let large = account.reserve(&target(), amount(900, 9), tomorrow).unwrap();
    assert_eq!(warnings(&account), [""; 0]);
    large.settle(amount(100, 0));
    assert_eq!(warnings(&account), ["acme usd_per_month 0.5"]);
    assert_eq!(call(400, 0, tomorrow), ["acme usd_per_day 0.5"]);
    let refused = account.reserve(&target(), amount(1_500, 0), tomorrow).map(drop).unwrap_err();
    assert_eq!(
        (refused.limit, warnings(&account)),
        (Limit::UsdPerMonth, vec!["acme usd_per_month 0.75, refused".to_owned()])
    );
}

#[test]
fn refusal_warns_below_the_warning_share() {
    let account = acme("usd_per_day = 0.001\nrequests_per_minute = 1");
    account.reserve(&target(), amount(390, 0), at(0)).unwrap().settle(amount(390, 0));
    drop(account.reserve_additional(&target(), amount(700, 0), at(0)).unwrap_err());
    assert_eq!(warnings(&account), ["acme usd_per_day 0.39, refused"]);
    drop(account.reserve_additional(&target(), amount(700, 0), at(0)).unwrap_err());
    account.reserve_additional(&target(), amount(500, 0), at(0)).unwrap().settle(amount(500, 0));
    assert_eq!(warnings(&account), ["acme usd_per_day 0.89"], "the refusal does not hide this warning");
    drop(account.reserve(&target(), amount(1, 0), at(0)).unwrap_err());
    assert_eq!(warnings(&account), ["acme requests_per_minute 1, refused"]);
    let none = acme("usd_per_day = 0");
    drop(none.reserve(&target(), amount(1, 0), at(0)).unwrap_err());
    assert_eq!(warnings(&none), ["acme usd_per_day 1, refused"]);
}

#[test]
fn warnings_of_a_key_include_its_tenant() {
    let book = book("[acme]\nusd_per_day = 0.001\nkeys.ci = { tokens_per_minute = 10 }");
    let ci = book.key_account("acme", "ci");
    ci.reserve(&target(), amount(900, 9), at(0)).unwrap().settle(amount(900, 9));
    assert_eq!(warnings(ci), ["acme/ci tokens_per_minute 0.9", "acme usd_per_day 0.9"]);
    assert_eq!(warnings(book.account("acme")), [""; 0], "already reported");
}

#[test]
fn refusal_by_the_tenants_money_consumes_no_request_of_the_key() {
    let book = book("[acme]\nusd_per_day = 0.001\nkeys.ci = { requests_per_minute = 1 }");
    let ci = book.key_account("acme", "ci");
    for _ in 0..3 {
        assert_eq!(ci.reserve(&target(), amount(2_000, 0), at(0)).unwrap_err().limit, Limit::UsdPerDay);
    }
    ci.reserve(&target(), amount(1, 0), at(0)).unwrap().settle(amount(1, 0));
    let refused = ci.reserve(&target(), amount(1, 0), at(0)).unwrap_err();
    assert_eq!((refused.limit, refused.is_key_limit()), (Limit::RequestsPerMinute, true));
}

#[test]
fn allowances_of_a_key_are_the_stricter_of_its_own_and_its_tenants() {
    let book = book(
        "[acme]\nrequests_per_minute = 100\ntokens_per_minute = 1000\n[acme.keys.ci]\nrequests_per_minute = 10",
    );
    let (tenant, key) = (book.account("acme"), book.key_account("acme", "ci"));
    let left = |account: &Account| {
        let Allowances { requests, tokens } = account.allowances(at(0).now);
        [requests, tokens].map(|left| left.map(|left| (left.remaining, left.limit)))
    };
    let call = tenant.reserve(&target(), amount(0, 400), at(0)).unwrap();
    assert_eq!(left(tenant), [Some((99, 100)), Some((600, 1000))]);
    assert_eq!(left(key), [Some((99, 100)), Some((600, 1000))], "of the key, all is left");
    call.settle(amount(0, 100));
    drop(key.reserve(&target(), amount(0, 0), at(0)).unwrap());
    assert_eq!(left(key), [Some((9, 10)), Some((900, 1000))]);
    assert_eq!(left(book.account("nobody")), [None, None]);
}
