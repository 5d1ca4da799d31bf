//! Judged by the standard library: it reads exactly and writes the shortest digits by other algorithms (Grisu, Dragon, Eisel-Lemire).

use super::{Decimal, Printer, ROOM, Scanner};

/// Numbers near the middle between two doubles, with many digits or none, and at the edges of the ranges, from Paxson's, Gay's,
/// Lemire's and Ryu's lists of hard cases and of bugs in other readers and writers.
const HARD: &[&str] = &[
    "9007199254740993.0",
    "9007199254740992.9999999999999",
    "9007199254740993.0000000000001",
    "1.00000000000000011102230246251",
    "1.0000000000000001110223024625",
    "1.5000000000000001110223024625",
    "1.50000000000000011102230246251",
    "0.5000000000000001665334536937",
    "3.518437208883201171875e13",
    "62.5364939768271845828",
    "8.10109172351e-10",
    "9007199254740991.4999999999999",
    "30078505129381147446200.0",
    "1777820000000000000001.0",
    "0.000000000000000000000000001",
    "9.5367431640625e-7",
    "2.98023223876953125e-8",
    "7.1e-19",
    "9.0608011534336e15",
    "4.708356024711512e18",
    "9.409340012568248e18",
    "1.8531501765868567e21",
    "5.764607523034235e17",
    "1.152921504606847e18",
    "4.35e-34",
    "2.109808898695963e16",
    "4.940656e-18",
    "1.18575755e-16",
    "6.9294956446009195e15",
    "8.41e21",
    "2.0919495182368195e19",
    "5.0e-20",
    "4.9406564584124654e-15",
    "1.234e-9",
    "123456789012345678.9",
    "0.000123456789012345678901",
    "1e-54",
    "1e54",
    "12e53",
    "0.1e-53",
    "-0.0",
    "0.0",
    "-0",
    "0",
    "0e7",
    "255",
    "-18446744073709551615",
    "9223372036854775808",
    "9999999999999999999",
    "99999999999999999999",
    "1E5",
    "1e+5",
    "1.5E-05",
    "10.0",
    "0.30000000000000004",
    "5e-1",
];

/// Some of them, drawn, in every binade of the range and about its edges.
fn drawn(count: usize) -> Vec<f64> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let of = |i: usize, bits: u64, n: u64| match i % 8 {
        0 => f64::from_bits(bits),
        1 => (bits >> 11) as f64 * 10_f64.powi((n % 40) as i32 - 36),
        2 => (n % 100_000) as f64 / 10_f64.powi((bits % 12) as i32),
        3 => f64::from_bits(((883 + n % 220) << 52 | bits & 1 << 63).wrapping_add(bits % 5).wrapping_sub(2)),
        _ => f64::from_bits(bits & !(0x7FF << 52) | (883 + n % 220) << 52),
    };
    (0..count).map(|i| of(i, next(), next())).filter(|x| x.is_finite()).collect()
}

fn check_read(numbers: &[String]) {
    let row = numbers.iter().map(String::as_str).collect::<Vec<_>>();
    for separator in [",", ", "] {
        let text = format!("{:40}{}{separator}7]{:80}", "", row.join(separator), "");
        let (mut scanner, mut data, mut position, mut alone) = (Scanner::default(), Vec::new(), 40, 0);
        while data.len() < numbers.len() {
            position = scanner.numbers(text.as_bytes(), position, &mut data);
            if let Some(number) = numbers.get(data.len()) {
                // What it leaves begins where it says.
                assert!(
                    text[position..].starts_with(&format!("{number}{separator}")),
                    "{number} in {:?}",
                    &text[position..][..40]
                );
                data.push(number.parse().expect("a number"));
                position += number.len() + separator.len();
                alone += 1;
            }
        }
        for (number, x) in numbers.iter().zip(&data) {
            let exact: f64 = number.parse().expect("a number");
            assert_eq!(x.to_bits(), exact.to_bits(), "{number} was read as {x:?}");
        }
        if cfg!(target_arch = "x86_64") && std::is_x86_feature_detected!("avx2") {
            assert!(2 * alone < numbers.len(), "{alone} of {} were left", numbers.len());
        }
    }
}

#[test]
fn hard_numbers_are_read_exactly() {
    check_read(&HARD.iter().map(|&number| number.to_owned()).collect::<Vec<_>>());
}

#[test]
fn drawn_numbers_are_read_exactly() {
    let doubles = drawn(20_000);
    check_read(&doubles.iter().filter(|x| (1e-30..1e20).contains(&x.abs())).map(|x| format!("{x:?}")).collect::<Vec<_>>());
    check_read(&doubles.iter().map(|x| format!("{x:e}")).collect::<Vec<_>>());
    // Digits that are nobody's shortest, so that any of them may lie near a middle.
    let digits = doubles.iter().enumerate().filter(|(_, x)| (1e-9..1e9).contains(&x.abs()));
    check_read(&digits.map(|(i, x)| format!("{x:.*}", 1 + i % 20)).collect::<Vec<_>>());
    check_read(&doubles.iter().map(|x| (x.to_bits() as i64 >> (x.to_bits() % 64)).to_string()).collect::<Vec<_>>());
}

#[test]
fn middles_between_two_doubles_are_read_exactly() {
    // A middle of two doubles in [2^k, 2^(k+1)) is an odd multiple of 2^(k-53); its first digits, and the same one higher.
    let middles = drawn(4_000).into_iter().flat_map(|x| {
        let odd = (x.to_bits() & ((1 << 53) - 1)) | 1 << 53 | 1;
        let k = x.to_bits() >> 53 & 7;
        // odd · 2^(k-53) as a whole part and 18 decimals of the rest.
        let (whole, rest) = (odd >> (53 - k), odd & ((1 << (53 - k)) - 1));
        let decimals = (u128::from(rest) * 1_000_000_000_000_000_000) >> (53 - k);
        [0, 1].map(|more| format!("{whole}.{:018}", decimals + more))
    });
    check_read(&middles.collect::<Vec<_>>());
}

#[test]
fn what_is_no_number_is_left() {
    for row in [
        "1.5,2.5,01.5,",
        "1.5,2.5,.5,",
        "1.5,2.5,5.,",
        "1.5,2.5,1.5.5,",
        "1.5,2.5,--1.5,",
        "1.5,2.5,+1.5,",
        "1.5,2.5,1e,",
        "1.5,2.5,1e-,",
        "1.5,2.5,e5,",
        "1.5,2.5,-,",
        "1.5,2.5,-e5,",
        "1.5,2.5,1.5e5.5,",
        "1.5,2.5,1.5e5e5,",
        "1.5,2.5,-.5,",
        "1.5,2.5,1/5,",
        "1.5,2.5,1:5,",
        "1.5,2.5,00,",
        "1.5,2.5,-01,",
        "1.5,2.5,1.e5,",
        "1.5,2.5,0x1,",
        "1.5,2.5,1e99999,",
        "1.5,2.5,1.5 ,",
        "1.5,2.5,1.5],",
        "1.5,2.5,0.1234567890123456789012345678901234,",
        "1.5,2.5,1e-400,",
    ] {
        let text = format!("{:40}{row}{:80}", "", "7,7");
        let mut data = Vec::new();
        let position = Scanner::default().numbers(text.as_bytes(), 40, &mut data);
        // Two were read, or fewer where what follows them does not begin as numbers do.
        assert!(data == [1.5, 2.5][..(position - 40) / 4] && position <= 48, "{row}: {position}, {data:?}");
    }
    // The comma before what is no number is not passed.
    for end in ["[", "]", "\"NaN\"", "\n7", "  7", "null"] {
        let text = format!("{:40}1.5,2.5,{end}{:80}", "", "");
        let mut data = Vec::new();
        let position = Scanner::default().numbers(text.as_bytes(), 40, &mut data);
        assert!(position == 44 && data == [1.5] || position == 40 && data.is_empty(), "{end}: {position}, {data:?}");
    }
}

/// The text of each number, and whether the loop was made for it. Rows of them must be the same.
fn printed<T: Decimal>(data: &[T], other: impl Fn(T) -> String) -> Vec<(String, bool)> {
    let mut printer = Printer::new(data);
    let mut room = [0; ROOM];
    let mut text = |_| {
        let mut made = true;
        let length = printer.put(&mut room, |x, out| {
            made = false;
            let text = other(x);
            out[..text.len()].copy_from_slice(text.as_bytes());
            text.len()
        });
        (String::from_utf8_lossy(&room[..length]).into_owned(), made)
    };
    let texts: Vec<_> = (0..data.len()).map(&mut text).collect();
    let expected: String = texts.iter().map(|(text, _)| format!("{text},")).collect();
    for most in [1, 5, 64, 1000] {
        let (mut printer, mut row, mut left) = (Printer::new(data), Vec::new(), data.len());
        while left > 0 {
            let (count, start) = (left.min(most), row.len());
            row.resize(start + count * 25 + ROOM, 0);
            let length = printer.row(&mut row[start..], count, |x, out| {
                let text = other(x);
                out[..text.len()].copy_from_slice(text.as_bytes());
                text.len()
            });
            row.truncate(start + length);
            left -= count;
        }
        assert!(row == expected.as_bytes(), "rows of {most}: {}", String::from_utf8_lossy(&row));
    }
    texts
}

/// The digits of a number without point, sign and zeros around them, and the exponent of ten of the first.
fn digits(text: &str) -> (String, i32) {
    let text = text.trim_start_matches('-');
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let point = mantissa.find('.').unwrap_or(mantissa.len()) as i32;
    let all = mantissa.replace('.', "");
    let significant = all.trim_start_matches('0');
    let skipped = (all.len() - significant.len()) as i32;
    let exponent = exponent.parse::<i32>().expect("an exponent") + point - 1 - skipped;
    (significant.trim_end_matches('0').to_owned(), if significant.is_empty() { 0 } else { exponent })
}

fn check_print<T: Decimal + zmij::Float + std::fmt::LowerExp + std::fmt::Debug>(data: &[T]) -> usize {
    let texts = printed(data, |x| zmij::Buffer::new().format(x).to_owned());
    for (x, (text, made)) in data.iter().zip(&texts).filter(|(_, (_, made))| *made) {
        let (ours, theirs) = (digits(text), digits(&format!("{x:e}")));
        // Where two shortest ones are equally near, the standard library takes the upper one, and we the even one.
        let cut = ours.0.len().saturating_sub(1);
        let tie = cut >= 6 && ours.0.ends_with('2') && theirs.0.ends_with('3') && ours.0[..cut] == theirs.0[..cut];
        assert!(ours == theirs || tie && ours.1 == theirs.1, "{x:?} was written {text}, {made}");
        assert_eq!(text, zmij::Buffer::new().format(*x), "the form is that of all other numbers");
    }
    texts.iter().filter(|(_, made)| *made).count()
}

#[test]
fn numbers_are_written_shortest() {
    let hard: Vec<f64> = HARD.iter().map(|number| number.parse().expect("a number")).collect();
    check_print(&hard);
    let doubles = drawn(40_000);
    assert!(2 * check_print(&doubles) > doubles.len());
    let singles: Vec<f32> =
        doubles.iter().map(|&x| x as f32).chain(doubles.iter().map(|x| f32::from_bits(x.to_bits() as u32))).collect();
    assert!(3 * check_print(&singles) > singles.len());
    // Powers of two, below which the next double is half as far, with both neighbours; and of ten, where the count of digits changes.
    let about = |x: f64| (0..3).map(move |n| f64::from_bits(x.to_bits().wrapping_add(n).wrapping_sub(1)));
    check_print(&(1..2046).flat_map(|e| about(f64::from_bits(e << 52))).collect::<Vec<_>>());
    check_print(&(-40..25).flat_map(|e| about(10_f64.powi(e))).collect::<Vec<_>>());
    let about = |x: f32| (0..3).map(move |n| f32::from_bits(x.to_bits().wrapping_add(n).wrapping_sub(1)));
    check_print(&(1..254).flat_map(|e| about(f32::from_bits(e << 23))).collect::<Vec<_>>());
    check_print(&(-37..25).flat_map(|e| about(10_f32.powi(e))).collect::<Vec<_>>());
}

#[test]
fn a_printer_goes_through_any_count_of_numbers() {
    for count in [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000] {
        let data: Vec<f64> = (0..count).map(|i| f64::from(i).sqrt() - 3.0).collect();
        check_print(&data);
    }
}

/// Whether this is a number of RFC 8259.
fn is_json(number: &str) -> bool {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let (whole, exponent) = (whole.strip_prefix('-').unwrap_or(whole), exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction) && digits(exponent) && (whole == "0" || !whole.starts_with('0'))
}

#[test]
fn of_any_text_only_numbers_are_read() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % n
    };
    for round in 0..20_000 {
        // Exactly as long as its memory, so that a sanitizer sees what reads past it.
        let length = next(300);
        let text: Box<[u8]> = (0..length)
            .map(|_| match round % 3 {
                0 => b"0123456789,.-"[next(13) as usize],
                1 => b"123456789,,. e-][\"N"[next(19) as usize],
                _ => b"0123456789123456789123456789123456789,,,.."[next(42) as usize],
            })
            .collect();
        for begin in [0, 32, 33, 64, next(300) as usize] {
            if !matches!(text.get(begin), Some(b'-' | b'0'..=b'9')) {
                continue;
            }
            let mut data = Vec::new();
            let end = Scanner::default().numbers(&text, begin, &mut data);
            let read = String::from_utf8_lossy(&text[begin..end]);
            let numbers =
                read.trim_end_matches(' ').split_terminator(',').map(|number| number.strip_prefix(' ').unwrap_or(number));
            let numbers = numbers.map(|number| number.parse::<f64>().ok().filter(|_| is_json(number)).map(f64::to_bits));
            let data: Vec<_> = data.iter().map(|x| Some(x.to_bits())).collect();
            assert_eq!(numbers.collect::<Vec<_>>(), data, "{read:?}");
        }
    }
}

#[test]
fn of_any_text_only_rows_of_one_length_are_read() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % n
    };
    let mut rows_read = 0;
    for round in 0..20_000 {
        let length = 1 + next(4) as usize;
        let mut text = vec![b' '; next(40) as usize];
        let begin = text.len();
        for _ in 0..next(30) {
            let row: Vec<_> = (0..length + usize::from(next(40) == 0))
                .map(|_| match next(6) {
                    0 => next(100).to_string(),
                    1 => format!("-{}.{}", next(10), next(1_000_000)),
                    2 => format!("{}e-{}", next(10), next(20)),
                    _ => format!("0.{:017}", next(1 << 40)),
                })
                .collect();
            text.extend(format!("[{}],", row.join(if next(3) == 0 { ", " } else { "," })).bytes());
            text.extend(&b" "[..usize::from(next(4) == 0)]);
        }
        // Exactly as long as its memory, so that a sanitizer sees what reads past it.
        text.extend(vec![b' '; [0, 80][next(2) as usize]]);
        let mut text = text.into_boxed_slice();
        if round % 2 == 0 && !text.is_empty() {
            text[next(text.len() as u64) as usize] = b"[],.-e 0\"x"[next(10) as usize];
        }
        if text.get(begin) != Some(&b'[') {
            continue;
        }
        let mut data = vec![0.5];
        let (rows, left) = Scanner::default().rows(&text, begin, length, &mut data);
        rows_read += rows;
        let read = String::from_utf8_lossy(&text[begin..left]);
        assert!(rows == 0 || text[left] == b'[', "{read}");
        // Between rows, and before a number, a space may stand.
        let spaced = |text: &str| text.strip_prefix(' ').unwrap_or(text).to_owned();
        let (mut found, mut numbers) = (0, Vec::new());
        for row in read.split_terminator("],") {
            let row = if found == 0 { row.to_owned() } else { spaced(row) };
            let row: Vec<_> = row.strip_prefix('[').expect("a row").split(',').enumerate().collect();
            assert_eq!(row.len(), length, "{read}");
            for (i, number) in row {
                let number = if i == 0 { number.to_owned() } else { spaced(number) };
                assert!(is_json(&number), "{number} of {read}");
                numbers.push(number.parse::<f64>().expect("a number").to_bits());
            }
            found += 1;
            if found == rows {
                break;
            }
        }
        let data: Vec<_> = data[1..].iter().map(|x| x.to_bits()).collect();
        assert!(found == rows && numbers == data, "{read}");
    }
    // On a processor without these vectors nothing is.
    assert!(rows_read == 0 || rows_read > 10_000, "{rows_read}");
}
