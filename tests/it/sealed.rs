//! Sealed exercises: graded as if they were written out, by whoever cannot read them.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use dedz::config::{Config, Limits, Sealing};
use dedz::seal::{self, KEY_BYTES, Key, NONCE_BYTES};
use serde_json::{Value, json};

use crate::support::{Service, dedz, problem};

fn key(byte: u8) -> Key {
    Key::new([byte; KEY_BYTES])
}

fn token(exercise: &Value, by: u8, nonce: u8) -> String {
    seal::seal(exercise.to_string().as_bytes(), &key(by), [nonce; NONCE_BYTES])
}

async fn service(keys: &[u8]) -> Service {
    let sealing = Sealing { seal_keys: keys.iter().map(|&byte| key(byte)).collect() };
    Service::with(Config { sealing, ..Config::default() }).await
}

/// Mazur's exercise with some rules and no claims, and claims of which some are wrong.
fn exercise(rules: Value) -> (Value, Value) {
    let text = include_str!("../../openapi/examples/grade/mazur_forgotten.json");
    let mut exercise: Value = serde_json::from_str(text).expect("an example is JSON");
    let claims = exercise["grade"]["claims"].take();
    exercise["grade"] = rules;
    (exercise, claims)
}

/// The reply's text without the hash of the request, which must differ.
async fn graded(service: &Service, request: &Value) -> String {
    let response = service.ask("grade", request).send().await.expect("an answer");
    let status = response.status();
    let text = response.text().await.expect("text");
    assert_eq!(status, 200, "{text}");
    let (before, hash) = text.split_once("xxh128:").expect("a hash");
    format!("{before}{}", &hash[32..])
}

async fn refused(service: &Service, request: &Value) -> Vec<(String, String)> {
    let document = problem(service.ask("grade", request).send().await.expect("an answer"), 422, "invalid-request").await;
    let errors = document["errors"].as_array().expect("errors");
    let word = |error: &Value, name: &str| error[name].as_str().expect("text").to_owned();
    errors.iter().map(|error| (word(error, "pointer"), word(error, "code"))).collect()
}

#[tokio::test]
async fn a_sealed_exercise_is_graded_like_an_open_one() {
    let service = service(&[1, 2]).await;
    for rules in [
        json!({}),
        json!({"tolerance": {"rtol": 1e-6}, "feedback": "answer"}),
        json!({"feedback": "where", "points": {"gradients/*": 2}, "scoring": "all_or_nothing"}),
        json!({"check_only": true, "expect": ["gradients/*"]}),
    ] {
        let (exercise, claims) = exercise(rules);
        let mut open = exercise.clone();
        open["grade"]["claims"] = claims.clone();
        let open = graded(&service, &open).await;
        assert!(open.contains("\"passed\":false"), "{open}");
        // Either key; another nonce; and again, when the exercise is known.
        for (by, nonce) in [(1, 1), (2, 1), (1, 3), (1, 3)] {
            let request = json!({"sealed": token(&exercise, by, nonce), "grade": {"claims": claims}});
            assert_eq!(graded(&service, &request).await, open);
            let request = json!({"grade": {"claims": claims}, "sealed": token(&exercise, by, nonce)});
            assert_eq!(graded(&service, &request).await, open, "in another order");
        }
    }
}

#[tokio::test]
async fn nothing_but_claims_stands_beside_a_seal() {
    let service = service(&[1]).await;
    let (exercise, claims) = exercise(json!({"feedback": "none"}));
    let sealed = token(&exercise, 1, 1);
    let found = refused(
        &service,
        &json!({"sealed": sealed, "loss": exercise["loss"], "options": {},
            "grade": {"claims": claims, "feedback": "answer", "check_only": false, "tolerance": "torch"}}),
    )
    .await;
    let unknown = |pointer: &str| (pointer.to_owned(), "unknown_field".to_owned());
    for pointer in ["/loss", "/options", "/grade/feedback", "/grade/check_only", "/grade/tolerance"] {
        assert!(found.contains(&unknown(pointer)), "{pointer}: {found:?}");
    }
    assert_eq!(found.len(), 5, "{found:?}");
    for (request, pointer, code) in [
        (json!({"sealed": sealed}), "", "missing_field"),
        (json!({"sealed": sealed, "grade": {}}), "/grade", "missing_field"),
        (json!({"sealed": sealed, "grade": []}), "/grade", "wrong_type"),
        (json!({"sealed": 7, "grade": {"claims": {}}}), "/sealed", "wrong_type"),
        (json!({"sealed": null, "grade": {"claims": {}}}), "", "missing_field"),
    ] {
        assert_eq!(refused(&service, &request).await, [(pointer.to_owned(), code.to_owned())], "{request}");
    }
    // A rule cannot be smuggled in by a name that is written twice, nor by one with escapes.
    let twice = format!(r#"{{"sealed":"{sealed}","grade":{{"claims":{{}},"claims":{{}},"feedback":"answer"}}}}"#);
    let answer = service.post("/v1/grade", "application/json", twice).send().await.expect("an answer");
    assert_eq!(answer.status(), 400);
    let escaped = format!(r#"{{"sealed":"{sealed}","grade":{{"cl\u0061ims":{{}}}}}}"#);
    let answer = service.post("/v1/grade", "application/json", escaped).send().await.expect("an answer");
    problem(answer, 422, "invalid-request").await;
}

#[tokio::test]
async fn what_does_not_open_is_refused_in_one_way() {
    let service = service(&[1]).await;
    let (exercise, claims) = exercise(json!({}));
    let good = token(&exercise, 1, 1);
    let mut details = Vec::new();
    for sealed in [
        token(&exercise, 2, 1),
        good[..good.len() - 5].to_owned(),
        format!("dedz2{}", &good[5..]),
        "dedz1.".to_owned(),
        String::new(),
        good.replace('.', ".A"),
        // What was sealed is no exercise.
        token(&json!([1]), 1, 1),
    ] {
        let request = json!({"sealed": sealed, "grade": {"claims": claims}});
        let answer = service.ask("grade", &request).send().await.expect("an answer");
        let document = problem(answer, 422, "invalid-request").await;
        let errors = document["errors"].clone();
        assert_eq!((&errors[0]["pointer"], &errors[0]["code"]), (&json!("/sealed"), &json!("unreadable_seal")));
        details.push(errors);
    }
    assert!(details.iter().all(|errors| *errors == details[0]), "{details:?}");
    let keyless = Service::start().await;
    let request = json!({"sealed": good, "grade": {"claims": claims}});
    assert_eq!(refused(&keyless, &request).await, [("/sealed".to_owned(), "unreadable_seal".to_owned())]);
}

/// What is wrong with a sealed exercise is told without a word of it.
#[tokio::test]
async fn faults_of_a_sealed_exercise_do_not_tell_what_is_in_it() {
    let service = service(&[1]).await;
    let (mut wrong, claims) = exercise(json!({"tolerance": "of_my_own_4711"}));
    let told = async |exercise: &Value, service: &Service, kind: &str| {
        let request = json!({"sealed": token(exercise, 1, 1), "grade": {"claims": claims}});
        let document = problem(service.ask("grade", &request).send().await.expect("an answer"), 422, kind).await;
        assert_eq!(document["errors"].as_array().expect("errors").len(), 1);
        assert_eq!(document["errors"][0]["pointer"], "/sealed");
        document.to_string()
    };
    assert!(!told(&wrong, &service, "invalid-request").await.contains("4711"));
    wrong["network"]["nodes"][0]["op"] = json!("secret_op");
    assert!(!told(&wrong, &service, "invalid-request").await.contains("secret_op"));
    wrong["network"] = json!({"ref": format!("sha256:{}", "4711".repeat(16))});
    assert!(!told(&wrong, &service, "invalid-request").await.contains("4711"));
    let (right, _) = exercise(json!({}));
    let limits = Limits { flops: 10, ..Limits::default() };
    let sealing = Sealing { seal_keys: vec![key(1)] };
    let small = Service::with(Config { limits, sealing, ..Config::default() }).await;
    told(&right, &small, "over-limit").await;
}

/// Check-only: no reply to whatever claims holds a number of the key.
#[tokio::test]
async fn check_only_tells_no_digit_of_the_key() {
    let service = service(&[1]).await;
    let (exercise, _) = exercise(json!({"check_only": true, "tolerance": {"rtol": 1e-9}, "expect": ["loss", "gradients/*"]}));
    let mut problem = exercise.clone();
    problem.as_object_mut().expect("an object").remove("grade");
    let key = service.reply("gradients", &problem).await;
    let gradients = key["gradients"].as_object().expect("gradients");
    let mut numbers: Vec<f64> = gradients.values().filter_map(Value::as_f64).collect();
    numbers.push(key["loss"].as_f64().expect("a loss"));
    assert!(numbers.len() > 8, "{key}");
    let zeros: Value = gradients.keys().map(|name| (name.clone(), json!(0))).collect::<serde_json::Map<_, _>>().into();
    let near: Value = gradients
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), json!(value.as_f64()? * 1.001))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for claims in [json!({}), json!({"loss": 0, "gradients": zeros}), json!({"loss": 1, "gradients": near})] {
        let request = json!({"sealed": token(&exercise, 1, 1), "grade": {"claims": claims}});
        let text = graded(&service, &request).await;
        for number in &numbers {
            let digits = format!("{:.5}", number.abs() / 10f64.powf(number.abs().log10().floor())).replace('.', "");
            assert!(!text.replace('.', "").contains(&digits[..4]), "{number} in {text}");
        }
        assert!(!text.contains("metrics") && !text.contains("expected") && !text.contains("residual"), "{text}");
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dedz-sealed-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("class")).expect("a folder");
        Self(path)
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path is text").to_owned()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.at(name), text).expect("it can be written");
        self.at(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(arguments: &[&str], code: i32) -> Output {
    let output = dedz(arguments).env_remove("DEDZ_SEAL_KEY").output().expect("it runs");
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn the_command_line_makes_keys_seals_and_grades() {
    let folder = Folder::new("cli");
    let (key, other) = (folder.at("key"), folder.at("other"));
    assert!(run(&["seal", "--new-key", &key], 0).stdout.is_empty(), "a key is not shown");
    run(&["seal", "--new-key", &other], 0);
    let kept = fs::read_to_string(&key).expect("a key");
    assert_ne!(kept, fs::read_to_string(&other).expect("a key"));
    run(&["seal", "--new-key", &key], 1);
    assert_eq!(fs::read_to_string(&key).expect("a key"), kept, "it is not overwritten");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&key).expect("a file").permissions().mode() & 0o777, 0o600);
    }
    let (exercise, claims) = exercise(json!({"feedback": "what"}));
    let open = folder.write("exercise.json", serde_json::to_string_pretty(&exercise).expect("JSON"));
    let made = run(&["seal", "--key", &key, &open], 0);
    let sealed = made.stdout;
    assert!(String::from_utf8_lossy(&made.stderr).contains("check_only"), "the author is warned");
    for rules in [json!({"feedback": "answer", "check_only": true}), json!({"feedback": "where"})] {
        let (exercise, _) = self::exercise(rules);
        let silent = run(&["seal", "--key", &key, &folder.write("silent.json", exercise.to_string())], 0);
        assert!(silent.stderr.is_empty(), "{}", String::from_utf8_lossy(&silent.stderr));
    }
    let (default, _) = self::exercise(json!({}));
    assert!(!run(&["seal", "--key", &key, &folder.write("default.json", default.to_string())], 0).stderr.is_empty());
    assert!(sealed.starts_with(b"dedz1.") && sealed.ends_with(b"\n"));
    assert_ne!(run(&["seal", "--key", &key, &open], 0).stdout, sealed, "each has its own nonce");
    let token = folder.write("token", &sealed);
    let student = folder.write("class/ada.json", claims.to_string());
    folder.write("class/bob.json", "{}");

    // One, and a class.
    let report = |text: &[u8]| {
        let mut report: Value = serde_json::from_slice(text).expect("a report");
        report.as_object_mut().expect("an object").remove("meta");
        report
    };
    let expect = report(&run(&["grade", &open, &student], 0).stdout);
    assert_eq!(report(&run(&["grade", "--seal-key", &key, &token, &student], 0).stdout), expect);
    let both = format!("{other},{key}");
    assert_eq!(report(&run(&["grade", "--seal-key", &both, &token, &student], 0).stdout), expect);
    let class = folder.at("class");
    let graded = run(&["grade", "--seal-key", &key, &token, &class], 0).stdout;
    assert_eq!(graded, run(&["grade", &open, &class], 0).stdout);
    assert_eq!(graded.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count(), 2);

    // Without the key, with another, and a rule beside the seal.
    for arguments in [&["grade", &token, &student][..], &["grade", "--seal-key", &other, &token, &class]] {
        let told = run(arguments, 1);
        let told = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.contains("unreadable_seal") && told.contains("/sealed"), "{told}");
    }
    let token = String::from_utf8(sealed).expect("text");
    let request = json!({"sealed": token.trim(), "grade": {"claims": claims, "feedback": "answer"}});
    let request = folder.write("request.json", request.to_string());
    let told = run(&["grade", "--seal-key", &key, &request], 1);
    assert!(String::from_utf8_lossy(&told.stderr).contains("/grade/feedback"));
}

#[test]
fn what_cannot_be_graded_is_not_sealed() {
    let folder = Folder::new("refused");
    let key = folder.at("key");
    run(&["seal", "--new-key", &key], 0);
    let (mut wrong, claims) = exercise(json!({"feedback": "everything"}));
    let told = run(&["seal", "--key", &key, &folder.write("rules.json", wrong.to_string())], 1);
    assert!(told.stdout.is_empty() && String::from_utf8_lossy(&told.stderr).contains("/grade/feedback"));
    wrong["grade"] = json!({"claims": claims});
    run(&["seal", "--key", &key, &folder.write("claims.json", wrong.to_string())], 2);
    let (mut named, _) = exercise(json!({}));
    named["network"] = json!({"ref": format!("sha256:{}", "0".repeat(64))});
    run(&["seal", "--key", &key, &folder.write("ref.json", named.to_string())], 1);
    let (good, _) = exercise(json!({}));
    let good = folder.write("good.json", good.to_string());
    run(&["seal", &good], 2);
    let no_key = folder.write("no_key", "secret words");
    let told = run(&["seal", "--key", &no_key, &good], 2);
    assert!(!String::from_utf8_lossy(&told.stderr).contains("secret words"));
    run(&["serve", "--seal-key", &folder.at("nowhere")], 2);
}
