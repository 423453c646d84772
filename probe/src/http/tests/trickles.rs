//! Servers that take a connection and then say little or nothing: the words say how far it came.

use super::*;

/// Says `answer`, then nothing more, with the connection open.
fn stopping_after(answer: &'static str) -> Arc<Memory> {
    Memory::new(move |mut stream: DuplexStream| async move {
        read_request(&mut stream).await;
        write(&mut stream, answer.as_bytes()).await;
        std::future::pending::<()>().await;
    })
}

async fn text(memory: Arc<Memory>) -> String {
    let report = check(memory, &http_page()).await;
    assert_eq!(broke(&report).1, Cause::Failed(FailureCause::Timeout));
    failure(&report).text.to_string()
}

#[tokio::test(start_paused = true)]
async fn bytes_that_came_before_time_ran_out_are_counted() {
    let told = text(stopping_after(
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nnine byte",
    ));
    assert!(
        told.await
            .starts_with("9 bytes of the body came, then time ran out"),
        "the body"
    );
    let told = text(stopping_after("HTTP/1.1 200 OK\r\n")).await;
    assert!(
        told.starts_with("17 bytes of the answer's head came, then time ran out"),
        "{told}"
    );
    let told = text(stopping_after("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")).await;
    assert!(told.starts_with("the answer's head came, then nothing"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn server_that_hangs_after_a_good_connect_is_told_to_be_there() {
    let told = text(stopping_after("")).await;
    assert!(
        told.contains("took connection and request, and did not answer in 5s"),
        "{told}"
    );
}
