//! How every Rust program here is asked and answers; see python/calls.py.

use serde_json::{json, Value};
use std::{future::Future, time::Duration, time::Instant};

/// What the program was asked, from its first argument.
pub fn asked() -> Value {
    let text = std::env::args().nth(1).expect("a request");
    serde_json::from_str(&text).expect("a request in JSON")
}

/// The kind and value of the identity that is asked for, if one is named.
pub fn identity(asked: &Value) -> Option<(&str, &str)> {
    let named = &asked["identity"];
    Some((named["kind"].as_str()?, named["value"].as_str()?))
}

/// `make` makes a new client; `get` asks it once, for a token or claims, or an error's text.
pub async fn run<C, F, Answer>(make: impl Fn(&Value) -> C, get: F)
where
    F: Fn(C) -> Answer,
    C: Clone,
    Answer: Future<Output = Result<Value, String>>,
{
    let asked = asked();
    let mut client = make(&asked);
    for number in 0..asked["calls"].as_u64().unwrap_or(1) {
        if number > 0 {
            tokio::time::sleep(Duration::from_secs_f64(
                asked["pause"].as_f64().unwrap_or(0.0),
            ))
            .await;
            if asked["fresh"] == true {
                client = make(&asked);
            }
        }
        let start = Instant::now();
        let answer = get(client.clone()).await;
        let done = answer.is_ok();
        let mut line = answer.unwrap_or_else(|error| json!({"error": error}));
        line["seconds"] = json!(start.elapsed().as_secs_f64());
        println!("{line}");
        if done && asked["until_token"] == true {
            return;
        }
    }
}

/// An error with its causes, as an application's log shows it.
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
