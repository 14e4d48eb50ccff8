use super::*;
use crate::{
    Tier,
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
    fn call(&self, estimate: Amount, at: Moment) -> Result<Reservation, (Limit, Option<Duration>, u16)> {
        self.begin(&target(), estimate, at).map_err(|refused| {
            assert_eq!(&*refused.tenant, "acme");
            (refused.limit, refused.resets_in, refused.status())
        })
    }

    fn spend(&self, micros: u64, at: Moment) {
        self.call(amount(micros, 0), at).unwrap().settle(amount(micros, 0));
    }
}

#[test]
fn a_day_is_spent_to_the_nano_dollar_and_no_further() {
    let account = acme("usd_per_day = 0.0001"); // 100 millionths
    account.spend(60, at(0));
    let held = account.call(amount(40, 0), at(0)).unwrap();
    assert_eq!(account.call(amount(1, 0), at(0)).unwrap_err(), (Limit::UsdPerDay, Some(hours(12)), 402));
    account.call(amount(0, 1_000), at(0)).unwrap().settle(amount(0, 900));
    drop(held);
    account.spend(40, at(12 * HOUR - 1));
    assert_eq!(
        account.call(amount(1, 0), at(12 * HOUR - 1)).unwrap_err(),
        (Limit::UsdPerDay, Some(Duration::from_secs(1)), 402)
    );
    account.spend(100, at(12 * HOUR));
}

#[test]
fn a_month_outlasts_its_days_and_is_named_first() {
    let account = acme("usd_per_day = 0.0001\nusd_per_month = 0.00015");
    account.spend(100, at(0));
    account.spend(50, at(12 * HOUR));
    assert_eq!(
        account.call(amount(60, 0), at(12 * HOUR)).unwrap_err(),
        (Limit::UsdPerMonth, Some(hours(24)), 402)
    );
    account.spend(60, at(36 * HOUR));
}

#[test]
fn a_call_dearer_than_the_whole_limit_is_not_told_to_wait() {
    let account = acme("usd_per_day = 0.0001\ntokens_per_minute = 50");
    assert_eq!(account.call(amount(101, 0), at(0)).unwrap_err(), (Limit::UsdPerDay, None, 402));
    assert_eq!(account.call(amount(1, 51), at(0)).unwrap_err(), (Limit::TokensPerMinute, None, 429));
}

#[test]
fn tokens_count_when_they_are_reserved_and_are_corrected_when_they_are_known() {
    let account = acme("tokens_per_minute = 100");
    let call = account.call(amount(0, 80), at(0)).unwrap();
    let refused = (Limit::TokensPerMinute, Some(Duration::from_secs(65)), 429);
    assert_eq!(account.call(amount(0, 21), at(0)).unwrap_err(), refused);
    call.settle(amount(0, 30));
    let call = account.call(amount(0, 70), at(0)).unwrap();
    call.settle(amount(0, 90));
    assert_eq!(account.statistics(at(0)).minute_tokens, 120);
    assert_eq!(account.statistics(at(65)).minute_tokens, 0);
}

#[test]
fn a_request_is_counted_once_and_not_when_money_refuses_it() {
    let account = acme("requests_per_minute = 2\nusd_per_day = 0.0001");
    assert_eq!(account.call(amount(101, 0), at(0)).unwrap_err().0, Limit::UsdPerDay);
    let first = account.call(amount(1, 0), at(0)).unwrap();
    let retry = account.again(&target(), amount(1, 0), at(0)).unwrap();
    let second = account.call(amount(1, 0), at(0)).unwrap();
    let refused = (Limit::RequestsPerMinute, Some(Duration::from_secs(30)), 429);
    assert_eq!(account.call(amount(1, 0), at(0)).unwrap_err(), refused);
    assert_eq!(account.statistics(at(0)).requests, 2);
    assert_eq!(account.statistics(at(0)).refused, 2);
    assert_eq!(account.statistics(at(0)).reserved_nanos, 3_000);
    drop((first, retry, second));
    assert_eq!(account.statistics(at(0)).reserved_nanos, 0);
}

#[test]
fn a_standing_names_the_limit_that_is_nearest() {
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
fn premium_keeps_the_primary() {
    let (standard, premium) =
        (acme("usd_per_day = 0.0001"), acme("usd_per_day = 0.0001\ntier = \"premium\""));
    for account in [&standard, &premium] {
        account.spend(80, at(0));
    }
    assert_eq!(premium.limits().tier, Tier::Premium);
    assert_eq!([standard.downshifts(at(0)), premium.downshifts(at(0))], [true, false]);
}

#[test]
fn a_warning_comes_once_a_day() {
    let book = book("[acme]\nusd_per_day = 0.001\nwarn_at = 0.5");
    let account = book.account("acme");
    let warned = |micros: u64, now: Moment| {
        let call = account.begin(&target(), amount(micros, 0), now).unwrap();
        let said: Vec<String> = call
            .warnings()
            .map(|warning| format!("{} {} {}", warning.account, warning.limit, warning.share))
            .collect();
        call.settle(amount(micros, 0));
        said
    };
    assert_eq!(warned(499, at(0)), [""; 0]);
    assert_eq!(warned(101, at(0)), ["acme usd_per_day 0.6"]);
    assert_eq!(warned(100, at(1)), [""; 0]);
    let tomorrow = at(24 * 3_600);
    assert_eq!(warned(400, tomorrow), [""; 0]);
    assert_eq!(warned(100, tomorrow), ["acme usd_per_day 0.5"]);
}
