//! Tables of texts, and agreement with `serde_json` on random ones.

use proptest::prelude::*;
use serde_json::Value;

use super::super::fault::{Code, Faults};
use super::reader::DEEPEST;
use super::*;
use crate::config::Limits;

fn read(text: &str) -> Result<Json<'_>, Faults> {
    parse(text.as_bytes(), &Limits::default())
}

fn faults(text: impl AsRef<[u8]>) -> Vec<(String, Code, String)> {
    let faults = parse(text.as_ref(), &Limits::default()).expect_err("this is not to be accepted");
    faults.listed().iter().map(|fault| (fault.pointer.clone(), fault.code, fault.detail.clone())).collect()
}

fn numbers<'a>(shape: &[usize], data: &[f64]) -> Json<'a> {
    Json::Numbers(Numbers { shape: shape.to_vec(), data: data.to_vec() })
}

#[test]
fn rectangular_arrays_are_flat() {
    let check = |text: &str, shape: &[usize], data: &[f64]| assert_eq!(read(text).unwrap(), numbers(shape, data), "{text}");
    check("[]", &[0], &[]);
    check(" [ 1 ,\t2\r\n] ", &[2], &[1.0, 2.0]);
    check("[[1,2,3],[4,5,6]]", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    check("[[], []]", &[2, 0], &[]);
    check("[[[]]]", &[1, 1, 0], &[]);
    check("[[[1],[2]],[[3],[4]]]", &[2, 2, 1], &[1.0, 2.0, 3.0, 4.0]);
    check("[-0.0, 1e2, 1E-2, 0.5e+1]", &[4], &[-0.0, 100.0, 0.01, 5.0]);
    check("[1, \"Infinity\", \"-Infinity\"]", &[3], &[1.0, f64::INFINITY, f64::NEG_INFINITY]);
    assert!(matches!(read("[[\"NaN\", 1], [2, 3]]"), Ok(Json::Numbers(n)) if n.shape == [2, 2] && n.data[0].is_nan()));
}

#[test]
fn other_arrays_are_their_elements() {
    let check = |text: &str, rows: &[Json<'_>]| assert_eq!(read(text).unwrap(), Json::Array(rows.to_vec()), "{text}");
    let number = |value, text| Json::Number(Number { value, text });
    let string = |text| Json::String(Cow::Borrowed(text));
    check("[[1,2],[3]]", &[numbers(&[2], &[1.0, 2.0]), numbers(&[1], &[3.0])]);
    check(
        "[[1,2],[3,4],[5,6,7],[8,9]]",
        &[numbers(&[2], &[1.0, 2.0]), numbers(&[2], &[3.0, 4.0]), numbers(&[3], &[5.0, 6.0, 7.0]), numbers(&[2], &[8.0, 9.0])],
    );
    check("[[1],2]", &[numbers(&[1], &[1.0]), number(2.0, "2")]);
    check("[1.50,[2]]", &[number(1.5, "1.50"), numbers(&[1], &[2.0])]);
    check("[[1],[[2,3]]]", &[numbers(&[1], &[1.0]), numbers(&[1, 2], &[2.0, 3.0])]);
    check("[[[1]],[2]]", &[numbers(&[1, 1], &[1.0]), numbers(&[1], &[2.0])]);
    check("[[1],[]]", &[numbers(&[1], &[1.0]), numbers(&[0], &[])]);
    check("[[],[1]]", &[numbers(&[0], &[]), numbers(&[1], &[1.0])]);
    check("[[[1]],[]]", &[numbers(&[1, 1], &[1.0]), numbers(&[0], &[])]);
    check("[18446744073709551615, \"a\"]", &[number(18_446_744_073_709_551_615.0, "18446744073709551615"), string("a")]);
    check("[[1,2],[3,null]]", &[numbers(&[2], &[1.0, 2.0]), Json::Array(vec![number(3.0, "3"), Json::Null])]);
    check("[\"a\",\"NaN\"]", &[string("a"), string("NaN")]);
    check("[\"NaN\",\"a\"]", &[string("NaN"), string("a")]);
    check(
        "[[[1,2],[3,4]],[[1,2],[3]]]",
        &[numbers(&[2, 2], &[1.0, 2.0, 3.0, 4.0]), Json::Array(vec![numbers(&[2], &[1.0, 2.0]), numbers(&[1], &[3.0])])],
    );
}

#[test]
fn strings_are_borrowed_where_they_can_be() {
    assert!(matches!(read("\"dE/dz über 𝜕\""), Ok(Json::String(Cow::Borrowed("dE/dz über 𝜕")))));
    let escaped = r#""\"\\\/\b\f\n\r\té\ud83d\ude00 and a longer tail of plain text""#;
    let expected = "\"\\/\u{8}\u{c}\n\r\té😀 and a longer tail of plain text";
    assert_eq!(read(escaped).unwrap(), Json::String(Cow::Borrowed(expected)));
}

#[test]
fn strings_of_any_length_end_where_they_end() {
    for length in [31, 32, 33, 127, 128, 129, 255, 256, 257, 300, 4000, 65_535, 65_536, 65_537, 200_000] {
        let plain = "x".repeat(length);
        assert_eq!(read(&format!("\"{plain}\"")).unwrap(), Json::String(Cow::Borrowed(&plain)));
        let escaped = format!("\"{plain}\\n{plain}\"");
        assert_eq!(read(&escaped).unwrap(), Json::String(Cow::Owned(format!("{plain}\n{plain}"))));
        assert_eq!(faults(format!("\"{plain}\u{1}{plain}\"")).len(), 1);
    }
}

#[test]
fn numbers_keep_their_text() {
    for text in ["18446744073709551615", "0.30", "-0", "1E5"] {
        assert!(matches!(read(text), Ok(Json::Number(number)) if number.text == text));
    }
}

#[test]
fn what_is_not_json_is_called_by_its_name() {
    let check = |text: &str, line: usize, column: usize, expected: &str| {
        let faults = faults(text);
        let [(pointer, code, detail)] = &faults[..] else { panic!("{text}: {faults:?}") };
        assert_eq!((pointer.as_str(), *code), ("", Code::MalformedJson), "{text}");
        let place = format!("line {line}, column {column}: ");
        assert!(
            detail.starts_with(&place) && detail.contains(expected),
            "{text}\n  gave     {detail}\n  expected {place}…{expected}"
        );
        assert!(!detail.ends_with('.') && serde_json::from_str::<Value>(text).is_err(), "{text}: {detail}");
    };
    check("", 1, 1, "found nothing");
    check(" \n ", 2, 2, "found nothing");
    check("{\"x\": [1, NaN]}", 1, 11, "NaN is not JSON; send the string \"NaN\" with options.allow_non_finite");
    check("{\"x\": nan}", 1, 7, "allow_nan=False");
    check("[Infinity]", 1, 2, "Infinity is not JSON; send the string \"Infinity\"");
    check("[1,\n -Infinity]", 2, 2, "-Infinity is not JSON; send the string \"-Infinity\"");
    check("[inf]", 1, 2, "\"Infinity\"");
    check("[-inf]", 1, 2, "\"-Infinity\"");
    check("[None]", 1, 2, "None is Python, not JSON; write null");
    check("{\"trace\": True}", 1, 11, "True is Python, not JSON; write true");
    check("[1, False]", 1, 5, "write false");
    check("[undefined]", 1, 2, "write null");
    check("{'a': 1}", 1, 2, "double quotes");
    check("['a']", 1, 2, "double quotes");
    check("{\"a\": [1, 'b']}", 1, 11, "double quotes");
    check("{a: 1}", 1, 2, "\"a\"");
    check("[relu]", 1, 2, "bare word relu");
    check("[1,2,]", 1, 6, "trailing comma before ']'");
    check("[\"a\", ]", 1, 7, "trailing comma before ']'");
    check("{\"a\":1,}", 1, 8, "trailing comma before '}'");
    check("[1,,2]", 1, 4, "one comma too many");
    check("[,1]", 1, 2, "one comma too many");
    check("{\"a\":1,,}", 1, 8, "one comma too many");
    check("[1 // one\n]", 1, 4, "no comments");
    check("# hello\n[]", 1, 1, "no comments");
    check("{/* a */}", 1, 2, "no comments");
    check("[1, /* a */ 2]", 1, 5, "no comments");
    check("\u{feff}[]", 1, 1, "byte order mark");
    check("[1, 2", 1, 6, "with an array or object still open; was it cut off?");
    check("{\"a\": [[1, 2", 1, 13, "with 3 arrays and objects still open");
    check("{\"a\": ", 1, 7, "an array or object still open");
    check("{\"a\"", 1, 5, "ends after the name 'a'");
    check("{\"a\" 1}", 1, 6, "expected ':' after the name 'a', found '1}'");
    check("{\"a\"=1}", 1, 5, "found '='");
    check("{\"a\"}", 1, 5, "expected ':' and a value");
    check("[\"abc", 1, 2, "inside the string that begins here");
    check("[1 2]", 1, 4, "is a comma missing?");
    check("{\"a\": 1 \"b\": 2}", 1, 9, "is a comma missing?");
    check("[1}", 1, 3, "brackets must match");
    check("[1] [2]", 1, 5, "application/x-ndjson");
    check("1 1", 1, 3, "remove '1'");
    check("truex", 1, 5, "remove 'x'");
    check("]", 1, 1, "closes no array");
    check("[01]", 1, 2, "no leading zeros: write 1");
    check("[-007.5]", 1, 2, "write -7.5");
    check("[00]", 1, 2, "write 0");
    check("[+1]", 1, 2, "leading '+'");
    check("[.5]", 1, 2, "write 0.5");
    check("[-.5]", 1, 2, "write -0.5");
    check("[5.]", 1, 2, "write 5.0");
    check("[5.e3]", 1, 2, "write 5.0");
    check("[1e]", 1, 2, "no digits");
    check("[1.5e+]", 1, 2, "no digits");
    check("[0x1F]", 1, 3, "expected ',' or ']'");
    check("[1_000]", 1, 3, "expected ',' or ']'");
    check("[--1]", 1, 2, "a digit after the minus");
    check("-", 1, 1, "after a minus sign");
    check("[(1,2)]", 1, 2, "no tuples");
    check("\"\\x41\"", 1, 2, "\\x' is no JSON escape");
    check("\"a\\u12\"", 1, 3, "four hexadecimal digits");
    check("\"\\ud800\"", 1, 2, "half of a surrogate pair");
    check("\"\\udc00\\ud800\"", 1, 2, "half of a surrogate pair");
    check("\"\\ud800\\u0041\"", 1, 2, "half of a surrogate pair");
    check("\"a\nb\"", 1, 3, "U+000A");
    check("[\"ü\", x]", 1, 7, "bare word x");
}

#[test]
fn what_is_not_utf8_is_refused() {
    let check = |text: &[u8], expected: &str| {
        let (_, code, detail) = faults(text).pop().unwrap();
        assert!(code == Code::MalformedJson && detail.contains(expected), "{detail}");
    };
    check(b"[\"caf\xe9\"]", "line 1, column 6: byte 0xE9 is not UTF-8");
    check(b"[\xe9]", "expected a value");
    check(b"\xff\xfe[\0]\0", "UTF-16");
    check(b"[\0]\0", "UTF-16");
    check(b"\x1f\x8b\x08\0", "gzip");
}

#[test]
fn repeated_keys_and_numbers_out_of_range_are_all_found() {
    let text = "{\"a\": [1, 1e999,\n [-1e400]],\n \"b\": {\"c/d\": 1, \"c/d\": 2}, \"a\": 1e309, \"e\": [\"x\", 1e500]}";
    let expected = [
        ("/a/1", Code::NumberOutOfRange, "line 1, column 11: '1e999' is beyond the largest double, about 1.8e308"),
        ("/a/2/0", Code::NumberOutOfRange, "line 2, column 3: '-1e400' is beyond the largest double, about 1.8e308"),
        ("/b/c~1d", Code::DuplicateKey, "\"c/d\" stands twice in this object; keep one"),
        ("/a", Code::NumberOutOfRange, "line 3, column 34: '1e309' is beyond the largest double, about 1.8e308"),
        ("/e/1", Code::NumberOutOfRange, "line 3, column 52: '1e500' is beyond the largest double, about 1.8e308"),
        ("/a", Code::DuplicateKey, "\"a\" stands twice in this object; keep one"),
    ];
    assert_eq!(faults(text), expected.map(|(pointer, code, detail)| (pointer.to_owned(), code, detail.to_owned())));
    let twice = faults("[1e999, \"a\"]");
    assert_eq!(twice.len(), 1, "{twice:?}");
}

#[test]
fn large_objects_are_checked_in_linear_time() {
    let members: Vec<_> = (0..100_000).map(|i| format!("\"n{i}\":{i}")).collect();
    let text = format!("{{{},\"last\":0}}", members.join(","));
    assert!(matches!(read(&text), Ok(Json::Object(object)) if object.len() == 100_001));
    let repeated = text.replace("last", "n7");
    assert_eq!(faults(&repeated)[0].0, "/n7");
}

#[test]
fn depth_is_bounded() {
    let nest = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&nest(64)).is_ok());
    for text in [
        nest(65),
        "[".repeat(10_000_000),
        "{\"a\":".repeat(2_000_000),
        "[1,[".repeat(2_000_000),
        "[[1],{\"a\":".repeat(1_000_000),
    ] {
        let (_, code, detail) = faults(&text).pop().unwrap();
        assert_eq!(code, Code::TooDeep);
        assert!(detail.contains("deeper than 64"), "{detail}");
    }
    let unbounded = Limits { json_depth: usize::MAX, ..Limits::default() };
    assert!(parse(nest(DEEPEST + 1).as_bytes(), &unbounded).is_err());
    assert!(parse(nest(DEEPEST).as_bytes(), &unbounded).is_ok());
}

#[test]
fn values_that_cost_more_than_their_text_are_bounded() {
    let limits = Limits { nodes: 1, edges: 1, ..Limits::default() };
    let parse = |text: &str| parse(text.as_bytes(), &limits).map(drop).map_err(|faults| faults.listed()[0].code);
    assert!(parse(&format!("[{}1]", "1,".repeat(1000))).is_ok());
    for text in [format!("[{}\"\"]", "\"\",".repeat(20)), format!("[{}[1,2]]", "[1],".repeat(20))] {
        assert_eq!(parse(&text), Err(Code::LimitExceeded), "{text}");
    }
}

#[test]
fn hard_decimals_are_rounded_correctly() {
    let hard = [
        "9007199254740993",
        "9007199254740992.5",
        "9007199254740993e0",
        "1e23",
        "8.5e22",
        "5e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "0.1",
        "0.3",
        "123456789012345678901234567890",
        "0.000000000000000000000000000000000000012345678901234567",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203126",
        "18446744073709551615",
        "18446744073709551616",
        "9999999999999999999",
        "0e999999999999",
        "-0",
        "-0.0e-5",
        "1e-999999999999999999999",
        "0.00000000000000000000000000000000000000000000000000",
        "7450580596923828125e-27",
        "1e54",
        "1e55",
        "1e-54",
        "1e-55",
        "999999999999999e22",
        "6.02214076e23",
        "4503599627370496.5",
        "4503599627370497.5",
    ];
    for text in hard {
        let Ok(Json::Number(number)) = read(text) else { panic!("{text}") };
        assert_eq!(number.value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
    }
    // All ties between neighbouring doubles that a short decimal can write.
    for exponent in 0..60_u32 {
        for mantissa in [(1_u128 << 53) + 1, (1 << 53) + 3, (1 << 54) - 1, (1 << 53) + 12_345_677] {
            let text = (mantissa << exponent).to_string();
            let Ok(Json::Number(number)) = read(&text) else { panic!("{text}") };
            assert_eq!(number.value, text.parse::<f64>().unwrap(), "{text}");
        }
    }
}

/// The same value in `serde_json`'s terms, numbers by their bits.
fn agree(ours: &Json<'_>, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(a), Value::Bool(b)) => a == b,
        (Json::Number(a), Value::Number(b)) => b.as_f64().is_some_and(|b| a.value.to_bits() == b.to_bits()),
        (Json::String(a), Value::String(b)) => a == b,
        (Json::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agree(a, b)),
        (Json::Numbers(a), Value::Array(b)) => {
            let elements = a.clone().into_elements();
            a.data.len() == a.shape.iter().product::<usize>()
                && elements.len() == b.len()
                && elements.iter().zip(b).all(|(a, b)| agree(a, b))
        }
        (Json::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| agree(a, b)))
        }
        _ => false,
    }
}

fn arbitrary_json() -> impl Strategy<Value = String> {
    let space = prop_oneof![3 => Just(""), 1 => Just(" "), 1 => Just("\n\t")];
    let number = prop_oneof![
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(|x| format!("{x:?}")),
        any::<i64>().prop_map(|n| n.to_string()),
        (0..1000).prop_map(|n| (f64::from(n) / 8.0).to_string()),
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?",
    ];
    let string = "(?s).{0,12}|NaN|-?Infinity".prop_map(|text| Value::String(text).to_string());
    let leaf =
        prop_oneof![8 => number, 2 => string, 1 => Just("null".into()), 1 => Just("true".into()), 1 => Just("false".into())];
    let value = leaf.prop_recursive(6, 64, 6, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(",")));
        // The same element over and over, so that rectangular arrays are common.
        let same = (inner.clone(), 0..4_usize).prop_map(|(item, n)| format!("[{}]", vec![item; n].join(", ")));
        let map = prop::collection::vec(("[a-zA-Z/~]{0,9}", inner), 0..6).prop_map(|items| {
            format!("{{{}}}", items.iter().map(|(key, value)| format!("{key:?}:{value}")).collect::<Vec<_>>().join(","))
        });
        prop_oneof![list, same, map]
    });
    (space.clone(), value, space).prop_map(|(before, value, after)| format!("{before}{value}{after}"))
}

/// Accept what they accept and with the same values, reject what they reject; repeated keys and depth are our own matter.
fn compare(text: &[u8]) {
    match (parse(text, &Limits::default()), serde_json::from_slice::<Value>(text)) {
        (Ok(ours), Ok(theirs)) => assert!(agree(&ours, &theirs), "{ours:?}\n{theirs:?}"),
        (Ok(ours), Err(error)) => panic!("accepted {ours:?}, they say {error}"),
        (Err(faults), Ok(theirs)) => {
            let own = |code| matches!(code, Code::DuplicateKey | Code::TooDeep);
            assert!(faults.listed().iter().any(|fault| own(fault.code)), "{faults:?}\n{theirs:?}");
        }
        (Err(faults), Err(_)) => assert!(!faults.is_empty()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_serde_json(text in arbitrary_json()) {
        compare(text.as_bytes());
    }

    #[test]
    fn agrees_on_damaged_texts(text in arbitrary_json(), at in any::<prop::sample::Index>(), with in "[\\[\\]{}:,\"\\\\0-9eE.+ \n/xnNtu-]{0,2}", cut in 0..3_usize) {
        let mut text = text.into_bytes();
        let at = at.index(text.len() + 1);
        text.splice(at..(at + cut).min(text.len()), with.into_bytes());
        compare(&text);
    }

    #[test]
    fn no_bytes_make_it_panic(text in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"[[[]],,{}\"\":-01.e \\unN".to_vec())], 0..200)) {
        compare(&text);
    }

    #[test]
    fn rounds_like_the_standard_library(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,22})?([eE][+-]?[0-9]{1,3})?") {
        let expected = text.parse::<f64>().unwrap();
        match number::read(text.as_bytes(), 0) {
            Ok((value, end)) => prop_assert_eq!((value.to_bits(), end), (expected.to_bits(), text.len())),
            Err(bad) => prop_assert!(bad == number::Bad::Infinite(text.len()) && expected.is_infinite()),
        }
    }

    #[test]
    fn reads_back_every_double(bits in any::<u64>()) {
        let x = f64::from_bits(bits);
        prop_assume!(x.is_finite());
        for text in [format!("{x:?}"), format!("{x:e}"), format!("{x:.17e}"), zmij::Buffer::new().format(x).to_owned()] {
            prop_assert_eq!(number::read(text.as_bytes(), 0).map(|(y, _)| y.to_bits()), Ok(bits), "{}", text);
        }
    }
}
