//! Trying tokens over real sockets: slow forms, and too many wrong ones.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::LONG;
use super::fixture::{TOKEN, Web};

/// A stranger's connection: from another address than the tests' own.
async fn stranger(web: &Web) -> TcpStream {
    from(web, 2).await
}

/// A connection from 127.0.0.`last`.
async fn from(web: &Web, last: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    socket.connect(web.address).await.unwrap()
}

/// A login whose form never comes to its end.
async fn slow_login(web: &Web) -> TcpStream {
    let mut socket = stranger(web).await;
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: {}\r\nContent-Length: 100\r\n\r\ntoken=",
        web.address
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

/// All that the server says until it closes.
async fn said(mut socket: TcpStream) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = socket.read_to_end(&mut bytes).await {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn crowd_of_slow_logins_keeps_nobody_from_the_page() {
    let web = Web::protected().await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(slow_login(&web).await);
    }
    let page = timeout(LONG, web.get_with("/", &[("Accept", "text/html")])).await;
    assert_eq!(page.expect("the page is open").status, 401);
    let mut turned_away = 0;
    for slow in crowd.split_off(100) {
        let answer = timeout(LONG, said(slow)).await.expect("it gave its place back");
        turned_away += usize::from(answer.starts_with("HTTP/1.1 503 "));
    }
    assert!(turned_away > 0, "they were told to come back");
}

#[tokio::test(start_paused = true)]
async fn form_that_does_not_come_is_not_waited_for() {
    let web = Web::protected().await;
    let answer = said(slow_login(&web).await).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn form_that_holds_more_than_a_token_is_not_read() {
    let web = Web::protected().await;
    let form = format!("token={}", "x".repeat(5_000));
    assert_eq!(web.send("POST", "/login", &[], &form).await.status, 400);
}

#[tokio::test]
async fn crowd_that_says_nothing_leaves_a_page_to_others() {
    let web = Web::open().await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(stranger(&web).await);
    }
    let page = timeout(std::time::Duration::from_secs(10), web.get("/")).await;
    assert_eq!(page.expect("sooner than a slow head is given up").status, 200);
}

#[tokio::test]
async fn crowds_from_many_addresses_leave_a_page_to_others() {
    let web = Web::protected().await;
    let mut crowd = Vec::new();
    for last in 2..=60 {
        for _ in 0..10 {
            crowd.push(from(&web, last).await);
        }
    }
    for last in [1, 200] {
        let mut socket = from(&web, last).await;
        let head = format!(
            "GET /api/state HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n",
            web.address
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let answer = timeout(std::time::Duration::from_secs(10), said(socket)).await;
        let answer = answer.expect("sooner than a slow head is given up");
        assert!(answer.starts_with("HTTP/1.1 200 "), "127.0.0.{last}: {answer}");
    }
}

#[tokio::test]
async fn stream_that_is_followed_keeps_its_place_in_a_crowd() {
    let web = Web::protected().await;
    let mut follower = from(&web, 9).await;
    let head = format!(
        "GET /api/live HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n",
        web.address
    );
    follower.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = [0; 4_096];
    assert!(follower.read(&mut bytes).await.unwrap() > 0);
    let mut crowd = Vec::new();
    for last in [9, 10, 11, 12, 13, 14, 15, 16, 17] {
        for _ in 0..40 {
            crowd.push(from(&web, last).await);
        }
    }
    assert_eq!(
        web.send("POST", "/login", &[], "token=x").await.status,
        401,
        "all were let in"
    );
    web.touch();
    let more = timeout(LONG, follower.read(&mut bytes)).await;
    assert!(more.expect("the stream goes on").unwrap() > 0, "it was cut");
}

#[tokio::test]
async fn right_token_gets_in_whatever_others_try() {
    let web = Web::protected().await;
    let bearer = format!("Bearer {TOKEN}");
    for number in 0..70 {
        let address = format!("192.0.2.{number}");
        let guess = [
            ("Authorization", "Bearer nonsense"),
            ("X-Forwarded-For", &*address),
        ];
        web.get_with("/api/state", &guess).await;
    }
    let newcomer = |address| [("Authorization", &*bearer), ("X-Forwarded-For", address)];
    assert_eq!(
        web.get_with("/api/state", &newcomer("198.51.100.1")).await.status,
        200
    );
    let form = format!("token={TOKEN}");
    let opened = web.send("POST", "/login", &[("X-Forwarded-For", "198.51.100.2")], &form);
    assert_eq!(opened.await.status, 303);
    let mistyped_once = newcomer("192.0.2.3");
    assert_eq!(web.get_with("/api/state", &mistyped_once).await.status, 200);
}

#[tokio::test]
async fn guesser_who_hits_upon_the_token_is_not_told() {
    let web = Web::protected().await;
    let bring = |token: String| {
        let web = &web;
        async move {
            let bearer = format!("Bearer {token}");
            let guess = [("Authorization", &*bearer), ("X-Forwarded-For", "192.0.2.9")];
            web.get_with("/api/state", &guess).await.status
        }
    };
    for number in 0..5 {
        assert_eq!(bring(format!("{number}{TOKEN}")).await, 401);
    }
    assert_eq!(bring(TOKEN.to_owned()).await, 429, "as any other");
}

#[tokio::test]
async fn guesser_is_stopped_on_every_way_in_and_a_session_goes_on() {
    let web = Web::protected().await;
    let opened = web.send("POST", "/login", &[], &format!("token={TOKEN}")).await;
    let cookie = opened
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    for (number, statuses) in [(0, [401; 3]), (1, [401, 401, 429]), (2, [429; 3])] {
        let guess = format!("{number}{TOKEN}");
        let bearer = web
            .get_with("/api/state", &[("Authorization", &format!("Bearer {guess}"))])
            .await;
        let link = web.get(&format!("/?token={guess}")).await;
        let form = web.send("POST", "/login", &[], &format!("token={guess}")).await;
        assert_eq!([bearer.status, link.status, form.status], statuses, "{number}");
    }
    let wrong = web
        .get_with("/api/state", &[("Authorization", "Bearer nonsense")])
        .await;
    let wait: u64 = wrong.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    assert_eq!(
        web.get_with("/api/state", &[("Cookie", &cookie)]).await.status,
        200
    );
    let other = [
        ("Authorization", &*format!("Bearer {TOKEN}")),
        ("X-Forwarded-For", "192.0.2.7"),
    ];
    assert_eq!(web.get_with("/api/state", &other).await.status, 200, "others may");
}
