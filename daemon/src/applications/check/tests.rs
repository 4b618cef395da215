//! Checks against what works, what does not, and what misbehaves.

use super::*;
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

async fn run(kind: Kind) -> Outcome {
    within_time(kind, Duration::from_secs(10)).await
}

async fn within_time(kind: Kind, timeout: Duration) -> Outcome {
    let check = Check { timeout, ..Check::of(kind) };
    Places::new().run(&check).await.expect("it is run")
}

fn shell(script: &str) -> Kind {
    Kind::Command(["/bin/sh", "-c", script].map(str::to_owned).to_vec())
}

/// Serves this answer to each connection; where.
async fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = listener.local_addr().expect("it has one").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
        }
    });
    address
}

#[tokio::test]
async fn an_http_check_goes_by_the_status_alone() {
    let asked = async |answer, limit| {
        let (address, path) = (server(answer).await, "/health".to_owned());
        within_time(Kind::Http { address, path }, limit).await
    };
    let long = Duration::from_secs(10);
    let good = asked("HTTP/1.1 204 No Content\r\n\r\n", long).await;
    assert_eq!((good.works, good.word.as_str()), (true, "answers 204 No Content"));
    assert!(asked("HTTP/1.1 302 Found\r\nlocation: /x\r\n\r\n", long).await.works);
    let bad =
        asked("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9999999999\r\n\r\n", long).await;
    assert!(!bad.works && bad.word.ends_with("answers 503 Service Unavailable"), "{bad:?}");
    assert!(!asked("no HTTP at all\r\n\r\n", long).await.works);
    let silent = asked("", Duration::from_millis(200)).await;
    assert_eq!((silent.works, silent.word.as_str()), (false, "no answer within 200 ms"));
}

#[tokio::test]
async fn a_tcp_check_goes_by_whether_a_connection_is_taken() {
    let address = server("x").await;
    assert!(run(Kind::Tcp { address }).await.works);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = listener.local_addr().expect("it has one").to_string();
    drop(listener);
    let refused = run(Kind::Tcp { address }).await;
    assert!(!refused.works && refused.word.contains("refused"), "{refused:?}");
}

#[tokio::test]
async fn a_command_says_by_its_exit_code_how_it_is_and_by_its_first_line_why() {
    let good = run(shell("echo; echo all is well; echo more")).await;
    assert_eq!((good.works, good.word.as_str()), (true, "all is well"));
    let bad = run(shell("echo no room >&2; exit 2")).await;
    assert_eq!((bad.works, bad.word.as_str()), (false, "no room"));
    assert_eq!(run(shell("exit 3")).await.word, "ended with 3");
    assert_eq!(run(shell("kill -9 $$")).await.word, "ended by signal 9");
    let none = run(Kind::Command(vec!["/no/such/program".to_owned()])).await;
    let cannot = "failed to execute /no/such/program: No such file or directory";
    assert!(!none.works && none.word.contains(cannot), "{none:?}");
    let bare =
        run(shell("env | grep -v -e ^PATH= -e ^PWD= -e ^SHLVL= -e ^_= || echo nothing")).await;
    assert_eq!(bare.word, "nothing", "it has nothing of the daemon's environment");
}

#[tokio::test]
async fn a_command_has_its_limits_before_it_does_anything() {
    let processes = run(shell("grep processes /proc/self/limits")).await;
    let ours = std::fs::read_to_string("/proc/self/limits").expect("the kernel tells them");
    let ours = ours.lines().find(|line| line.contains("processes")).expect("among others");
    let most = ours.split_whitespace().nth(3).expect("soft, then hard").parse().unwrap_or(u64::MAX);
    let most = most.min(800).to_string();
    let told: Vec<&str> = processes.word.split_whitespace().skip(2).take(2).collect();
    assert_eq!(told, [most.as_str(); 2], "{processes:?}");
    let memory = run(shell("head -c 600000000 /dev/zero | tail -n 1 | wc -c"));
    assert!(memory.await.word.contains("memory exhausted"), "it had more than it may have");
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_all_that_it_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("pid");
    let script = format!("sleep 1000 & echo $! > {}; echo waits; wait", file.display());
    let late = within_time(shell(&script), Duration::from_secs(1)).await;
    assert_eq!((late.works, late.word.as_str()), (false, "not done within 1 s: killed (waits)"));
    let pid = std::fs::read_to_string(&file).expect("it was started");
    let status = format!("/proc/{}/status", pid.trim());
    let begun = Instant::now();
    // Whoever inherits it buries it; until then it is dead and there.
    let lives = || {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
    };
    while lives() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_command_that_prints_for_ever_or_leaves_a_child_with_the_pipe_holds_nothing_up() {
    let late = within_time(shell("yes"), Duration::from_millis(500)).await;
    assert_eq!((late.works, late.word.as_str()), (false, "not done within 500 ms: killed (y)"));
    let much = run(shell("head -c 20000000 /dev/zero; echo")).await;
    assert!(much.works && much.word.len() <= quorate_proto::limits::APPLICATION_REASON, "{much:?}");
    let begun = Instant::now();
    assert!(run(shell("sleep 1000 & echo done")).await.works);
    assert!(begun.elapsed() < Duration::from_secs(9), "the end of its child was not waited for");
}

#[tokio::test]
async fn commands_that_hang_hold_up_no_request() {
    let places = std::sync::Arc::new(Places::new());
    for _ in 0..2 * PROGRAMS {
        let places = std::sync::Arc::clone(&places);
        let check = Check { timeout: Duration::from_secs(30), ..Check::of(shell("sleep 1000")) };
        tokio::spawn(async move { places.run(&check).await });
    }
    tokio::task::yield_now().await;
    let check = Check::of(Kind::Tcp { address: server("x").await });
    assert!(places.run(&check).await.expect("it is run").works);
}
