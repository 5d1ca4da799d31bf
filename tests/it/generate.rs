//! Exercises from seeds: the same for ever, as an independent program draws them, with keys that PyTorch judges; fit to be solved
//! by hand; and refused wishes. `tests/golden/make_generate.py` made the goldens.

use std::fs;
use std::path::Path;

use dedz::analysis::{ANALYZE, Failure, Form, GENERATE, GRADIENTS, Question, Request, prepare};
use dedz::config::Limits;
use serde_json::{Value, json};

use crate::support::dedz;

fn ask(question: Question, request: &Value) -> Result<Value, Failure> {
    let body = serde_json::to_vec(request).expect("a value is JSON");
    let request = Request { problem: &body, ..Request::default() };
    let reply = prepare(question, request, Form::Json, &Limits::default())?.run(&|| Ok(()))?;
    Ok(serde_json::from_slice(&reply.body).expect("replies are JSON"))
}

fn generated(wish: &Value) -> Value {
    ask(&GENERATE, &json!({ "generate": wish })).unwrap_or_else(|failure| panic!("{wish}: {failure:?}"))
}

/// The problem of an exercise without the rules of its grading.
fn bare(exercise: &Value) -> Value {
    let mut problem = exercise.clone();
    problem.as_object_mut().expect("an exercise is an object").remove("grade");
    problem
}

/// All numbers of a tensor.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap_or_else(|| panic!("{other} is no number"))],
    }
}

/// Every tensor of the expected value is the found one's, to `1e-12` of its largest number.
fn close(expected: &Value, found: &Value, at: &str) {
    if let Value::Object(members) = expected {
        assert_eq!(members.len(), found.as_object().map_or(0, serde_json::Map::len), "{at}: {found}");
        members.iter().for_each(|(name, value)| close(value, &found[name], &format!("{at}/{name}")));
        return;
    }
    let (expected, found) = (numbers(expected), numbers(found));
    assert_eq!(expected.len(), found.len(), "{at}");
    let scale = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    for (e, f) in expected.iter().zip(&found) {
        assert!((e - f).abs() <= 1e-12 * scale, "{at}: {f} is not {e}");
    }
}

fn goldens() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/generate");
    let mut files: Vec<_> = fs::read_dir(folder).expect("goldens").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let read = |path: std::path::PathBuf| {
        let golden = serde_json::from_slice(&fs::read(&path).expect("a golden")).expect("goldens are JSON");
        (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), golden)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn a_seed_gives_the_same_exercise_for_ever_and_pytorchs_key() {
    let goldens = goldens();
    assert!(goldens.len() >= 11, "{} goldens", goldens.len());
    for (name, golden) in goldens {
        let reply = ask(&GENERATE, &golden["request"]).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        assert_eq!(reply["attempt"], golden["attempt"], "{name}");
        assert_eq!(bare(&reply["exercise"]), golden["exercise"], "{name}");
        close(&golden["key"], &reply["key"], &name);
        let mut again = golden["request"].clone();
        again["generate"]["attempt"] = golden["attempt"].clone();
        let again = ask(&GENERATE, &again).expect("the attempt that was taken is one");
        assert_eq!(again["exercise"], reply["exercise"], "{name}");
        assert_eq!(again["sheet"], reply["sheet"], "{name}");
    }
}

#[test]
fn a_number_and_its_text_are_one_seed_and_others_are_others() {
    let of = |seed: Value| generated(&json!({ "seed": seed }))["exercise"].clone();
    assert_eq!(of(json!(3_000_000_000_u64)), of(json!("3000000000")));
    let many: Vec<Value> = (0..8).map(|seed| of(json!(seed))).collect();
    assert!((1..many.len()).all(|i| !many[..i].contains(&many[i])), "two seeds gave one exercise");
}

/// Of the first four attempts that are fit, none confuses less than the one that is taken, and none before it as little.
#[test]
fn the_attempt_that_is_taken_confuses_fewest() {
    for wish in [json!({"seed": "1", "template": "dag", "difficulty": "easy"}), json!({"seed": "3", "nodes": 5})] {
        let confusable = |reply: &Value| reply["properties"]["confusable"].as_u64().expect("a count");
        let taken = generated(&wish);
        let (at, least) = (taken["attempt"].as_u64().expect("a number"), confusable(&taken));
        let mut fit = 0;
        for attempt in (0..1000_u64).take_while(|_| least > 0) {
            let mut named = wish.clone();
            named["attempt"] = json!(attempt);
            let Ok(reply) = ask(&GENERATE, &json!({ "generate": named })) else { continue };
            let found = confusable(&reply);
            assert!(found > least || (found == least && attempt >= at), "{wish}: {attempt} confuses {found}, {at} {least}");
            fit += 1;
            if fit == 4 {
                break;
            }
        }
        assert!(least == 0 || fit == 4, "{wish}: {fit}");
    }
}

/// The pairs of a list of groups, each member with its group's first, that are different mistakes.
fn pairs(groups: &Value) -> Vec<(Value, Value)> {
    let groups = groups.as_array().expect("groups").iter().map(|group| group.as_array().expect("a group"));
    let pairs = groups.flat_map(|group| group[1..].iter().map(|member| (group[0].clone(), member.clone())));
    pairs.filter(|(first, member)| first["mistake"] != member["mistake"]).collect()
}

/// What is left indistinguishable is what `analyze` finds so, but for what no numbers tell apart: with as many outputs as samples,
/// the mean over the ones is that over the others; a tanh's missing derivative is 1, and so is a relu's where a > 0, which other
/// numbers change.
#[test]
fn what_is_left_indistinguishable_is_listed() {
    let mut positive = 0;
    for (wish, twins) in [
        (json!({"seed": "lecture", "nodes": 7, "outputs": 3, "samples": 3}), true),
        (json!({"seed": "4294967295", "template": "dag"}), false),
        (json!({"seed": "5", "template": "dag"}), false),
    ] {
        let reply = generated(&wish);
        let properties = &reply["properties"];
        let mut asked = bare(&reply["exercise"]);
        asked["analyze"] = json!({"tolerance": reply["exercise"]["grade"]["tolerance"]});
        let analyzed = ask(&ANALYZE, &asked).unwrap_or_else(|failure| panic!("{wish}: {failure:?}"));
        let (all, left) = (pairs(&analyzed["indistinguishable"]), pairs(&properties["indistinguishable"]));
        assert!(left.iter().all(|pair| all.contains(pair)), "{wish}: {left:?}");
        assert_eq!(properties["confusable"], json!(left.len()), "{wish}");
        assert_eq!(properties["same_by_structure"], json!(all.len() - left.len()), "{wish}");
        let means = |list: &[(Value, Value)]| {
            list.iter().any(|(a, b)| {
                a["mistake"] == "mean_instead_of_sum" && a["where"] == json!({}) && b["mistake"] == "mean_over_elements"
            })
        };
        assert_eq!((means(&all), means(&left)), (twins, false), "{wish}");
        for (name, values) in
            reply["key"]["trace"].as_object().expect("a trace").iter().filter(|(_, values)| values.get("a").is_some())
        {
            let found = left.iter().any(|(a, b)| {
                a["mistake"] == "activation_derivative_missing"
                    && b["mistake"] == "wrong_activation_derivative"
                    && b["detail"] == "relu's"
                    && [a, b].iter().all(|one| one["where"] == json!({ "node": name }))
            });
            let above = numbers(&values["a"]).iter().all(|a| *a > 0.0);
            assert!(above || !found, "{wish}: {name}");
            positive += usize::from(found);
        }
    }
    assert!(positive > 0, "no exercise has a neuron whose pre-activations are all above 0");
}

/// What the sheet promises of every exercise, whatever is wished.
#[test]
fn exercises_are_fit_to_be_solved_by_hand() {
    let wishes = [
        json!({"template": "layered"}),
        json!({"template": "dag", "difficulty": "hard"}),
        json!({"template": "dag", "nodes": 12, "depth": 4, "skip": 4, "samples": 4, "activations": ["relu", "sigmoid", "tanh"], "loss": "squared_error"}),
        json!({"template": "layered", "form": "layers", "nodes": 8, "loss": "bce", "input_decimals": 1}),
        json!({"template": "layered", "nodes": 20, "depth": 5, "samples": 3}),
        json!({"template": "dag", "activations": ["leaky_relu", "softplus"], "loss": "mse", "output_activation": "tanh"}),
    ];
    for (wish, seed) in wishes.iter().flat_map(|wish| (0..2).map(move |seed| (wish, seed))) {
        let mut wish = wish.clone();
        wish["seed"] = json!(seed);
        let reply = generated(&wish);
        let problem = bare(&reply["exercise"]);
        tenths(&problem["network"], &wish);
        tenths(&problem["parameters"], &wish);
        tenths(&problem["batch"], &wish);
        let rows = problem["batch"]["inputs"].as_array().expect("rows");
        assert!(rows.len() >= 2 && (1..rows.len()).all(|i| !rows[..i].contains(&rows[i])), "{wish}: {rows:?}");
        let mut asked = problem.clone();
        asked["options"] = json!({"wrt": ["*", "inputs"]});
        let answer = ask(&GRADIENTS, &asked).unwrap_or_else(|failure| panic!("{wish}: {failure:?}"));
        for part in ["loss", "losses", "outputs", "gradients", "input_gradients"] {
            assert_eq!(answer[part], reply["key"][part], "{wish}: {part}");
        }
        let gradients = answer["gradients"].as_object().expect("gradients").values();
        let trace = answer["trace"].as_array().expect("a trace");
        for value in gradients.chain(trace.iter().map(|node| &node["dE_dz"])) {
            assert!(numbers(value).iter().all(|g| g.abs() >= 1e-3), "{wish}: {value}");
        }
        for node in trace {
            let a = node.get("a").unwrap_or(&node["z"]);
            // But for the order of adding.
            assert!(numbers(a).iter().all(|a| (0.1 - 1e-12..=2.9 + 1e-12).contains(&a.abs())), "{wish}: {node}");
        }
        for (name, points) in reply["exercise"]["grade"]["points"].as_object().expect("points") {
            let place = name.split('/').fold(&reply["key"], |value, word| &value[word]);
            assert!(!place.is_null() && points.as_u64().is_some_and(|points| points > 0), "{wish}: {name}");
        }
        sheets(&reply, &wish);
    }
}

/// No number has more than one decimal.
fn tenths(value: &Value, wish: &Value) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| tenths(value, wish)),
        Value::Object(members) => members.values().for_each(|value| tenths(value, wish)),
        Value::Number(number) => {
            let text = number.to_string();
            let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            assert!(decimals <= 1, "{wish}: {text}");
        }
        _ => {}
    }
}

/// The sheets name what they should, and the problem's tells nothing of the key.
fn sheets(reply: &Value, wish: &Value) {
    let sheet = |name: &str| reply["sheet"][name].as_str().unwrap_or_default().to_owned();
    let (problem, solution) = (sheet("problem"), sheet("solution"));
    for text in [&problem, &solution] {
        assert_eq!(text.matches('$').count() % 2, 0, "{wish}: {text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count(), "{wish}: {text}");
        assert!(!text.contains("NaN") && !text.contains('∞'), "{wish}: {text}");
    }
    let total: u64 =
        reply["exercise"]["grade"]["points"].as_object().into_iter().flatten().filter_map(|(_, points)| points.as_u64()).sum();
    assert!(solution.contains(&format!("{total} points in all")), "{wish}: {total}\n{solution}");
    for (_, value) in reply["key"]["gradients"].as_object().expect("gradients") {
        for gradient in numbers(value) {
            let figures = four_figures(gradient);
            assert!(solution.contains(&format!("${figures}$")), "{wish}: {figures} is not in the solution");
        }
    }
    for name in ["network_svg", "gradients_svg"] {
        let svg = sheet(name);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{wish}: {name}");
    }
    assert!(!sheet("network_svg").contains("dE/d") && !problem.contains("= -0.00"), "{wish}: the problem tells of the solution");
}

/// Four significant figures, plain, without zeros at the end.
fn four_figures(x: f64) -> String {
    let exponent = x.abs().log10().floor() as i32;
    let text = format!("{x:.*}", (3 - exponent).max(0) as usize);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[test]
fn impossible_wishes_are_refused_with_pointers() {
    let rows = [
        (json!({}), "/generate", "missing_field"),
        (json!({"seed": -1}), "/generate/seed", "invalid_value"),
        (json!({"seed": 1.5}), "/generate/seed", "invalid_value"),
        (json!({"seed": ["a"]}), "/generate/seed", "invalid_value"),
        (json!({"seed": "s".repeat(201)}), "/generate/seed", "invalid_value"),
        (json!({"seed": 1, "version": 2}), "/generate/version", "invalid_value"),
        (json!({"seed": 1, "attempt": 1000}), "/generate/attempt", "out_of_range"),
        (json!({"seed": 1, "template": "layerd"}), "/generate/template", "invalid_value"),
        (json!({"seed": 1, "nodes": 41}), "/generate/nodes", "out_of_range"),
        (json!({"seed": 1, "nodes": 2.5}), "/generate/nodes", "out_of_range"),
        (json!({"seed": 1, "nodes": 1e300}), "/generate/nodes", "out_of_range"),
        (json!({"seed": 1, "nodes": "7"}), "/generate/nodes", "wrong_type"),
        (json!({"seed": 1, "nodes": 5, "depth": 5}), "/generate/depth", "invalid_value"),
        (json!({"seed": 1, "nodes": 3, "outputs": 3}), "/generate/nodes", "invalid_value"),
        (json!({"seed": 1, "outputs": 1}), "/generate/outputs", "invalid_value"),
        (json!({"seed": 1, "samples": 1}), "/generate/samples", "out_of_range"),
        (json!({"seed": 1, "inputs": 1, "samples": 6}), "/generate/samples", "invalid_value"),
        (json!({"seed": 1, "activations": []}), "/generate/activations", "invalid_value"),
        (json!({"seed": 1, "activations": ["tanh", "sigmiod"]}), "/generate/activations/1", "invalid_value"),
        (json!({"seed": 1, "activations": "relu6"}), "/generate/activations", "invalid_value"),
        (json!({"seed": 1, "output_activation": "tanh"}), "/generate/output_activation", "invalid_value"),
        (json!({"seed": 1, "form": "layers", "template": "dag"}), "/generate/template", "invalid_value"),
        (json!({"seed": 1, "form": "layers", "skip": 1}), "/generate/skip", "invalid_value"),
        (json!({"seed": 1, "form": "layers", "shared": 1}), "/generate/shared", "invalid_value"),
        (json!({"seed": 1, "node": 7}), "/generate/node", "unknown_field"),
        (json!({"seed": 1, "nodes": 3, "depth": 2, "outputs": 2, "inputs": 1, "skip": 9}), "/generate", "no_exercise"),
        (json!({"seed": 1, "min_paths": 1000}), "/generate", "no_exercise"),
    ];
    for (wish, pointer, code) in rows {
        let failure = ask(&GENERATE, &json!({ "generate": wish })).expect_err("it is refused");
        let Failure::Invalid(faults) = &failure else { panic!("{wish}: {failure:?}") };
        let listed = faults.listed();
        let found = listed.iter().find(|fault| fault.pointer == pointer && fault.code.as_str() == code);
        let found = found.unwrap_or_else(|| panic!("{wish}: {listed:?}"));
        assert!(!found.detail.is_empty() && !found.detail.ends_with('.'), "{wish}: {listed:?}");
    }
    // All at once, and nothing beside the wish.
    let request = json!({"generate": {"seed": [], "nodes": 0, "los": 1}, "network": {}});
    let Err(Failure::Invalid(faults)) = ask(&GENERATE, &request) else { panic!("it is refused") };
    let mut pointers: Vec<&str> = faults.listed().iter().map(|fault| fault.pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/generate/los", "/generate/nodes", "/generate/seed", "/network"]);
    for text in ["[]", "7", "{\"generate\": 7}", "{}"] {
        let request = Request { problem: text.as_bytes(), ..Request::default() };
        assert!(matches!(prepare(&GENERATE, request, Form::Json, &Limits::default()), Err(Failure::Invalid(_))), "{text}");
    }
}

#[test]
fn a_client_that_leaves_is_noticed() {
    let body = br#"{"generate": {"seed": 1, "min_paths": 1000}}"#;
    let request = Request { problem: body, ..Request::default() };
    let prepared = prepare(&GENERATE, request, Form::Json, &Limits::default()).expect("a wish");
    let stopped = prepared.run(&|| Err(dedz::analysis::Stop::Cancelled));
    assert!(matches!(stopped, Err(Failure::Stopped(_))), "{stopped:?}");
}

#[test]
fn seeds_cannot_write_markdown() {
    let reply = generated(&json!({"seed": "`` <b>$x$ \n# 1 `"}));
    let problem = reply["sheet"]["problem"].as_str().expect("text");
    assert_eq!(
        problem.lines().nth(2).map(|line| line.starts_with("Seed `` \u{fffd}\u{fffd} <b>$x$ \u{fffd}# 1 \u{fffd} ``, ")),
        Some(true),
        "{problem}"
    );
}

#[test]
fn the_command_writes_a_folder() {
    let folder = std::env::temp_dir().join(format!("dedz-generate-{}", std::process::id()));
    let name = folder.to_string_lossy().into_owned();
    let ran = dedz(&["generate", "--seed", "7", "--template", "dag", "--nodes", "6", "-o", &name]).output().expect("it runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let expected = generated(&json!({"seed": "7", "template": "dag", "nodes": 6}));
    let found: Value = serde_json::from_str(&read("exercise.json")).expect("JSON");
    assert_eq!(found, expected["exercise"]);
    assert_eq!(serde_json::from_str::<Value>(&read("key.json")).expect("JSON"), expected["key"]);
    for (file, part) in
        [("sheet.md", "problem"), ("solution.md", "solution"), ("network.svg", "network_svg"), ("gradients.svg", "gradients_svg")]
    {
        assert_eq!(Some(read(file).as_str()), expected["sheet"][part].as_str(), "{file}");
    }
    let (exercise, key) = (folder.join("exercise.json"), folder.join("key.json"));
    let (exercise, key) = (exercise.to_string_lossy(), key.to_string_lossy());
    let ran = dedz(&["grade", "--exercise", &exercise, &key]).output().expect("it runs");
    assert!(ran.status.success(), "its key can be graded against it: {}", String::from_utf8_lossy(&ran.stderr));
    let report: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert_eq!(report["score"], report["max_score"], "{report}");
    fs::remove_dir_all(&folder).expect("it was made here");
    let ran = dedz(&["generate", "--template", "dag"]).output().expect("it runs");
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("/generate"), "{}", String::from_utf8_lossy(&ran.stderr));
}
