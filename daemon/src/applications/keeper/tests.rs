//! What the node hears of applications that are defined, registered, silent, and removed.

use super::super::definition::Check;
use super::*;
use quorate_proto::ApplicationState;

fn defined(name: &str, kind: Kind, source: Source) -> Definition {
    let (name, check) = (name.to_owned(), Check::of(kind));
    Definition { name, endpoints: Vec::new(), labels: Vec::new(), check, source }
}

fn files(kinds: &[(&str, Kind)]) -> Arc<DropIns> {
    let of_file = |(name, kind): &(&str, Kind)| {
        let source = Source::DropIn(format!("/etc/quorate/apps.d/{name}.toml").into());
        defined(name, kind.clone(), source)
    };
    let definitions = kinds.iter().map(of_file).collect();
    Arc::new(DropIns { definitions, ..DropIns::default() })
}

fn heartbeat(name: &str) -> Definition {
    let ttl = Duration::from_secs(1);
    defined(name, Kind::Heartbeat { ttl }, Source::Registered)
}

/// What the node hears next: each application with its state and the last word.
async fn heard(node: &mut mpsc::Receiver<Input>) -> Vec<(String, ApplicationState, String)> {
    match node.recv().await.expect("the keeper lives") {
        Input::Applications(all) => {
            all.into_iter().map(|one| (one.name.clone(), one.state(), one.reason)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn one(name: &str, state: ApplicationState, word: &str) -> (String, ApplicationState, String) {
    (name.to_owned(), state, word.to_owned())
}

#[tokio::test]
async fn a_registration_counts_for_its_time_and_each_heartbeat_begins_it_anew() {
    let (file, watched) = watch::channel(files(&[("a", Kind::None)]));
    let (node, mut told) = mpsc::channel(8);
    let all = Applications::begin(watched, node, &Handle::current());
    let a = || one("a", ApplicationState::Up, "is not checked");
    assert_eq!(heard(&mut told).await, [a()]);
    all.register(heartbeat("b")).await.expect("it is taken");
    assert_eq!(heard(&mut told).await, [a(), one("b", ApplicationState::Up, "registered")]);
    all.heartbeat("b".to_owned(), true, "fine".to_owned()).await.expect("it is there");
    assert_eq!(heard(&mut told).await, [a(), one("b", ApplicationState::Up, "fine")]);
    let late = one("b", ApplicationState::Down, "no heartbeat within 1 s");
    assert_eq!(heard(&mut told).await, [a(), late]);
    all.heartbeat("b".to_owned(), false, "no database".to_owned()).await.expect("it is there");
    assert_eq!(heard(&mut told).await, [a(), one("b", ApplicationState::Down, "no database")]);
    // Reading the files again changes nothing for who registered itself.
    file.send_replace(files(&[]));
    assert_eq!(heard(&mut told).await, [one("b", ApplicationState::Down, "no database")]);
    all.remove("b".to_owned()).await.expect("it is there");
    assert_eq!(heard(&mut told).await, []);
    assert!(matches!(all.remove("b".to_owned()).await, Err(Refused::Unknown(_))));
}

#[tokio::test]
async fn one_that_flaps_is_held_down_with_why_and_is_up_when_its_time_has_passed() {
    let (_file, watched) = watch::channel(files(&[]));
    let (node, mut told) = mpsc::channel(8);
    let all = Applications::begin(watched, node, &Handle::current());
    assert_eq!(heard(&mut told).await, []);
    let ttl = Duration::from_secs(60);
    let flapping = defined("b", Kind::Heartbeat { ttl }, Source::Registered);
    all.register(flapping).await.expect("it is taken");
    assert_eq!(heard(&mut told).await, [one("b", ApplicationState::Up, "registered")]);
    let held = "works, but went down 2 times of late: held down until it has worked for 2 s";
    // What is committed with the state, and so seen on all hosts.
    let again = "down 2 times of late, until it has worked for 2 s: bad";
    let says = [
        (false, one("b", ApplicationState::Down, "bad")),
        (true, one("b", ApplicationState::Up, "good")),
        (false, one("b", ApplicationState::Down, again)),
        (true, one("b", ApplicationState::Down, held)),
    ];
    for (works, wanted) in says {
        let word = if works { "good" } else { "bad" };
        all.heartbeat("b".to_owned(), works, word.to_owned()).await.expect("it is there");
        assert_eq!(heard(&mut told).await, [wanted]);
    }
    assert_eq!(heard(&mut told).await, [one("b", ApplicationState::Up, "good")]);
}

#[tokio::test]
async fn what_a_file_defines_is_changed_by_the_file_alone() {
    let check = Kind::Tcp { address: "127.0.0.1:1".to_owned() };
    let (_file, watched) = watch::channel(files(&[("a", check)]));
    let (node, mut told) = mpsc::channel(8);
    let all = Applications::begin(watched, node, &Handle::current());
    heard(&mut told).await;
    let refused = |said: Result<(), Refused>, says: &str| {
        let text = said.expect_err("it is refused").to_string();
        assert!(text.contains(says), "{text}");
    };
    refused(all.register(heartbeat("a")).await, "is defined by /etc/quorate/apps.d/a.toml");
    refused(all.remove("a".to_owned()).await, "remove that file");
    refused(all.heartbeat("a".to_owned(), true, String::new()).await, "is checked otherwise");
    refused(all.heartbeat("c".to_owned(), true, String::new()).await, "no application named `c`");
    refused(all.register(heartbeat("a/b")).await, "the name of an application");
    let long = defined("d", Kind::Heartbeat { ttl: Duration::MAX }, Source::Registered);
    refused(all.register(long).await, "a ttl is between");
}

#[tokio::test]
async fn what_a_file_defined_that_cannot_be_used_any_more_stays_as_it_was() {
    let (file, watched) = watch::channel(files(&[("a", Kind::None), ("b", Kind::None)]));
    let (node, mut told) = mpsc::channel(8);
    let _all = Applications::begin(watched, node, &Handle::current());
    let up = |name: &str| one(name, ApplicationState::Up, "is not checked");
    assert_eq!(heard(&mut told).await, [up("a"), up("b")]);
    let path = "/etc/quorate/apps.d/a.toml".to_owned();
    let problems = vec![ApplicationCause::DropIn { file: path.clone(), problem: path }];
    let definitions = files(&[("c", Kind::None)]).definitions.clone();
    file.send_replace(Arc::new(DropIns { definitions, problems, takes_none: None }));
    assert_eq!(heard(&mut told).await, [up("a"), up("c")]);
}

#[tokio::test]
async fn a_check_that_fails_is_told_and_another_check_of_it_decides_at_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let there = Kind::Tcp { address: listener.local_addr().expect("it has one").to_string() };
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let gone = Kind::Tcp { address: closed.local_addr().expect("it has one").to_string() };
    drop(closed);
    let (file, watched) = watch::channel(files(&[("a", gone)]));
    let (node, mut told) = mpsc::channel(8);
    let _all = Applications::begin(watched, node, &Handle::current());
    let states = async |told: &mut mpsc::Receiver<Input>| heard(told).await[0].1;
    assert_eq!(states(&mut told).await, ApplicationState::Unknown);
    assert_eq!(states(&mut told).await, ApplicationState::Down);
    file.send_replace(files(&[("a", there)]));
    assert_eq!(states(&mut told).await, ApplicationState::Up);
}
