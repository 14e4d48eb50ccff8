use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    pin::pin,
    process::{Child, Command, Stdio},
    sync::Arc,
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::*;
use crate::{
    Account, AccountStats, Book, Limit, Limits, OpenError,
    scenario::{amount, at, target},
};

const QUANTUM: u64 = 1_000_000;

fn tenants() -> BTreeMap<String, Limits> {
    toml::from_str("[acme]\nusd_per_day = 0.01\nkeys.ci = { usd_per_day = 0.005 }\n[other]").unwrap()
}

/// A ledger with a quantum of a thousandth of a dollar.
fn config(path: &Path) -> LedgerConfig {
    LedgerConfig { ahead_usd: 0.001, ..LedgerConfig::new(path) }
}

fn open(path: &Path) -> Book {
    Book::open(&tenants(), &config(path), at(0)).unwrap()
}

/// A path in a folder that is deleted at the end of the test.
fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spend.redb");
    (folder, path)
}

/// Reserves and bills as a gateway does, and waits for the disk after both.
fn call(book: &Book, tenant: &str, reserved: u64, used: u64) {
    let account = book.account(tenant);
    let call = account.reserve(&target(), amount(reserved, 0), at(0)).unwrap();
    wait(account);
    call.settle(amount(used, 0));
    wait(account);
}

/// Blocks until the disk covers an account.
fn wait(account: &Account) {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let Some(commit) = account.pending_commit() else { return };
    let (mut commit, waker) = (pin!(commit), Waker::from(Arc::new(Unpark(thread::current()))));
    while commit.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        thread::park();
    }
}

fn seen(book: &Book, tenant: &str) -> AccountStats {
    book.account(tenant).stats(at(0))
}

fn spent(book: &Book, tenant: &str) -> [u64; 3] {
    let AccountStats { day_nanos, month_nanos, total_nanos, .. } = seen(book, tenant);
    [day_nanos, month_nanos, total_nanos]
}

#[test]
fn clean_shutdown_keeps_exactly_the_settled_spend() {
    let (_folder, path) = file();
    let book = open(&path);
    book.reserve("acme", &target(), amount(9_000, 0), at(0)).unwrap().settle(amount(7_000, 0));
    book.reserve("other", &target(), amount(5, 0), at(0)).unwrap().settle(amount(5, 0));
    book.close().unwrap();

    let book = open(&path);
    assert_eq!(spent(&book, "acme"), [7_000_000; 3]);
    assert_eq!(spent(&book, "other"), [5_000; 3]);
    assert_eq!(spent(&book, "default"), [0; 3]);
    let refused = book.reserve("acme", &target(), amount(3_001, 0), at(0)).unwrap_err();
    assert_eq!(refused.limit, Limit::UsdPerDay);
    let next_day = at(24 * 3_600);
    book.reserve("acme", &target(), amount(3_001, 0), next_day).unwrap().settle(amount(3_001, 0));
    drop(book);

    let book = open(&path);
    let now = book.account("acme").stats(next_day);
    assert_eq!([now.day_nanos, now.month_nanos, now.total_nanos], [3_001_000, 10_001_000, 10_001_000]);
}

#[test]
fn shutdown_does_not_wait_for_a_disk_that_hangs() {
    let (_folder, path) = file();
    let stall = stall::Stall::new(Duration::from_millis(50), OnStall::Serve);
    let (ledger, _) = Ledger::open(&path, QUANTUM, stall, at(0).wall, &[]).unwrap();
    let committing = Arc::clone(&ledger.committing);
    let held = committing.lock();
    // Without a bound this never returns.
    ledger.close();
    let failure = ledger.failure().unwrap().to_string();
    assert!(failure.ends_with("a commit is taking too long"), "{failure}");
    drop(held);
}

#[test]
fn calls_in_flight_at_shutdown_count_as_spent_and_do_not_block() {
    let (_folder, path) = file();
    let book = open(&path);
    let account = book.account("acme").clone();
    let late = account.reserve(&target(), amount(3_000, 0), at(0)).unwrap();
    book.close().unwrap();
    late.settle(amount(2_000, 0));
    drop(account.reserve(&target(), amount(8_000, 0), at(0)).unwrap());
    assert_eq!(spent(&open(&path), "acme"), [3_000_000; 3]);
}

#[test]
fn call_beyond_the_quantum_waits_for_a_commit() {
    let (_folder, path) = file();
    let book = open(&path);
    call(&book, "acme", 9_000, 30_000);
    assert!(book.ledger_failure().is_none());
    drop(book);
    assert_eq!(spent(&open(&path), "acme"), [30_000_000; 3]);
}

#[test]
fn spend_of_a_key_and_its_tenant_survives_a_restart() {
    let (_folder, path) = file();
    let book = open(&path);
    book.key_account("acme", "ci")
        .reserve(&target(), amount(4_000, 0), at(0))
        .unwrap()
        .settle(amount(4_000, 0));
    let late = book.key_account("acme", "ci").reserve(&target(), amount(500, 0), at(0)).unwrap();
    drop(book);
    let book = open(&path);
    let all = book.stats(at(0));
    let total = |name: &str| all[name].total_nanos;
    assert_eq!([total("acme"), total("acme/ci")], [4_500_000; 2], "its reservation counts as spent");
    drop(late);
    let refused = book.key_account("acme", "ci").reserve(&target(), amount(600, 0), at(0)).unwrap_err();
    assert_eq!((&*refused.tenant, refused.limit), ("acme/ci", Limit::UsdPerDay));
    book.account("acme").reserve(&target(), amount(600, 0), at(0)).unwrap().settle(amount(600, 0));
}

#[track_caller]
fn check(path: &Path, expected: LedgerErrorKind, message: &str) {
    let Err(OpenError::Ledger(error)) = Book::open(&tenants(), &config(path), at(0)) else {
        panic!("a book was opened");
    };
    assert_eq!((error.kind(), error.path()), (expected, path));
    assert_eq!(error.to_string(), format!("ledger {}: {message}", path.display()));
}

#[test]
fn unusable_file_is_reported_with_its_path() {
    let (folder, path) = file();
    drop(open(&path));
    // As another process does.
    let other = redb::Database::open(&path).unwrap();
    check(&path, LedgerErrorKind::Locked, "another process has it open");
    drop(other);

    let newer = redb::Database::open(&path).unwrap();
    let write = newer.begin_write().unwrap();
    write.open_table(redb::TableDefinition::<&str, u64>::new("meta")).unwrap().insert("version", 7).unwrap();
    write.commit().unwrap();
    drop(newer);
    let kind = LedgerErrorKind::Newer { found: 7, known: 1 };
    check(&path, kind, "format 7 is newer than 1, the newest supported one");

    fs::write(&path, "tenant,spent\nacme,1\n".repeat(1_000)).unwrap();
    let damaged = "not a ledger, or damaged; move it away to start a new one";
    check(&path, LedgerErrorKind::Corrupt, damaged);

    check(&folder.path().join("no/such/folder"), LedgerErrorKind::Io, "it cannot be read or written");
}

#[test]
fn books_of_one_process_share_an_open_ledger() {
    let (folder, path) = file();
    let (one, other) = (open(&path), open(&folder.path().join(".").join("spend.redb")));
    call(&one, "acme", 7_000, 7_000);
    let refused = other.reserve("acme", &target(), amount(3_001, 0), at(0)).unwrap_err();
    assert_eq!(refused.limit, Limit::UsdPerDay, "7 of 10 thousandths are spent");
    call(&other, "other", 1_000, 1_000);
    let held = one.reserve("other", &target(), amount(500, 0), at(0)).unwrap();

    // A tenant that only one of them has, with a limit of its own.
    let limits = toml::from_str("[third]\nusd_per_day = 0.002\n[acme]\nusd_per_day = 0.02").unwrap();
    let third = Book::open(&limits, &config(&path), at(0)).unwrap();
    call(&third, "third", 2_000, 2_000);
    third.reserve("acme", &target(), amount(13_000, 0), at(0)).unwrap().settle(amount(3_000, 0));

    // What was spent is on disk when the first one is closed, and the ledger goes on.
    one.close().unwrap();
    assert_eq!(spent(&other, "acme"), [10_000_000; 3]);
    assert!(other.ledger_failure().is_none());
    held.settle(amount(500, 0));
    let slow = LedgerConfig { max_wait: Duration::from_secs(9), ..config(&path) };
    let error = Book::open(&tenants(), &slow, at(0)).unwrap_err().to_string();
    assert!(error.ends_with("open in this process with other settings; expected the same ones"), "{error}");
    other.close().unwrap();
    third.close().unwrap();
    third.close().unwrap();

    let book = Book::open(&limits, &slow, at(0)).unwrap();
    assert_eq!(["acme", "third"].map(|name| spent(&book, name)), [[10_000_000; 3], [2_000_000; 3]]);
    drop(book);
    assert_eq!(spent(&open(&path), "other"), [1_500_000; 3]);
}

#[test]
fn closing_a_shared_ledger_writes_what_was_spent() {
    let (_folder, path) = file();
    let (one, other) = (open(&path), open(&path));
    for round in 1..=20 {
        one.reserve("other", &target(), amount(100, 0), at(0)).unwrap().settle(amount(100, 0));
        let book = open(&path);
        book.close().unwrap();
        // The file as it is on disk now, which a copy shows.
        let copy = path.with_extension("copy");
        fs::copy(&path, &copy).unwrap();
        let [_, _, total] = spent(&open(&copy), "other");
        assert!(total >= round * 100_000, "round {round}: {total}");
    }
    drop(other);
}

#[test]
fn ledger_is_opened_again_while_it_closes() {
    let (_folder, path) = file();
    for _ in 0..20 {
        let (one, closing) = (open(&path), Arc::new(open(&path)));
        drop(one);
        let other = Arc::clone(&closing);
        let thread = thread::spawn(move || other.close().unwrap());
        drop(open(&path));
        thread.join().unwrap();
    }
}

#[test]
fn invalid_quantum_is_rejected() {
    let (_folder, path) = file();
    let config = LedgerConfig { ahead_usd: -1.0, ..LedgerConfig::new(path) };
    let error = Book::open(&tenants(), &config, at(0)).unwrap_err();
    let message = "ledger.ahead_usd = -1: expected 0 to 1000000000";
    assert_eq!(error.to_string(), message);
    assert_eq!(toml::from_str::<LedgerConfig>("path = \"a\"").unwrap(), LedgerConfig::new("a"));
}

/// The variable that passes the file to the child process; without it, the test runs as the parent.
const CHILD: &str = "FB_BUDGET_TEST_LEDGER";
const THREADS: u64 = 3;
/// In millionths of a dollar: the reservation of a call, the cost of most calls, and the cost of some calls, which
/// exceeds the quantum.
const RESERVED: u64 = 150;
const USED: u64 = 70;
const EXPENSIVE: u64 = 5_000;

/// Spends on three threads until the process is killed, and prints every action.
fn spend(path: &Path) {
    let book = open(path);
    let print = |word: &str, micros: u64| writeln!(io::stdout(), "{word} {micros}").unwrap();
    let work = || {
        let mut previous = None;
        for turn in 0..1_000_000 {
            let account = book.account("other");
            let call = account.reserve(&target(), amount(RESERVED, 0), at(0)).unwrap();
            wait(account);
            print("reserved", RESERVED);
            // One call is always in flight, and every third call is dropped.
            if let Some(previous) = previous.replace(call) {
                print("released", RESERVED);
                if turn % 3 != 0 {
                    let used = if turn % 8 == 0 { EXPENSIVE } else { USED };
                    previous.settle(amount(used, 0));
                    wait(account);
                    print("settled", used);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
}

fn child(path: &Path) -> Child {
    let name = "ledger::tests::settled_spend_survives_a_kill";
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", name]).env(CHILD, path).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn settled_spend_survives_a_kill() {
    if let Some(path) = env::var_os(CHILD) {
        return spend(Path::new(&path));
    }
    let (_folder, path) = file();
    let mut before = 0;
    for until in [1, 30, 300, 3_000] {
        let mut child = child(&path);
        let (mut reserved, mut settled, mut calls) = (0, 0, 0);
        // The lines still in the pipe after the kill were done before it.
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some((word, Ok(micros))) = line.split_once(' ').map(|(word, n)| (word, n.parse::<u64>()))
            else {
                continue;
            };
            match word {
                "reserved" => reserved += micros * 1_000,
                "released" => reserved -= micros * 1_000,
                _ => {
                    settled += micros * 1_000;
                    calls += 1;
                }
            }
            if calls == until {
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        assert!(calls >= until);

        let book = open(&path);
        let [day, month, total] = spent(&book, "other");
        assert_eq!([day, month], [total; 2]);
        let counted = total - before;
        // Per thread: one settled call that was not printed yet, and two reservations at the last commit.
        let unprinted = THREADS * (EXPENSIVE + 2 * RESERVED) * 1_000;
        assert!(counted >= settled + reserved, "{settled} settled, {reserved} reserved, {counted} counted");
        assert!(counted <= settled + unprinted + QUANTUM, "{settled} settled, {counted} counted");
        book.close().unwrap();
        before = total;
    }
}
