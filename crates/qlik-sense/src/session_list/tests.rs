//! Complete and damaged lists in pieces of any size.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone, PartialEq)]
struct Decoded {
    directory: String,
    user: String,
    id: String,
}

fn decode(body: &[u8], piece: usize) -> Result<Vec<Decoded>, DecodeError> {
    let mut rows = Vec::new();
    decode_rows::<Counted>(body, piece, |s| rows.push(row(&s.user_directory, &s.user_id, &s.session_id)))?;
    Ok(rows)
}

fn decode_rows<R: Row>(
    body: &[u8],
    piece: usize,
    mut each: impl FnMut(R::Of<'_>),
) -> Result<(), DecodeError> {
    let mut decoder = SessionListDecoder::<R>::default();
    for piece in body.chunks(piece) {
        decoder.push(piece, &mut each)?;
    }
    decoder.finish(&mut each)
}

fn row(directory: &str, user: &str, id: &str) -> Decoded {
    Decoded { directory: directory.to_owned(), user: user.to_owned(), id: id.to_owned() }
}

#[test]
fn both_spellings_of_members_and_unknown_ones_are_taken() {
    let body = br#" [ {"UserDirectory":"LAB","UserId":"a","Attributes":[{"g":"x"},{"g":""}],"SessionId":"1"},
        {"userDirectory":"lab","userId":"b","userName":null,"sessionId":"2","new":{"x":[1,2]}} ] "#;
    assert_eq!(decode(body, 7), Ok(vec![row("LAB", "a", "1"), row("lab", "b", "2")]));
}

#[test]
fn the_name_of_an_unknown_member_may_be_any_bytes() {
    let body = b"[{\"UserDi\xf2ectory\":\"LAB\",\"UserId\":\"a\",\"SessionId\":\"1\"}]";
    for piece in [1, 1024] {
        assert_eq!(decode(body, piece), Ok(vec![row("", "a", "1")]));
    }
}

#[test]
fn a_byte_order_mark_before_the_list_is_skipped_once() {
    let body = b"\xef\xbb\xbf [{\"SessionId\":\"1\"}]";
    for piece in 1..=body.len() {
        assert_eq!(decode(body, piece), Ok(vec![row("", "", "1")]), "{piece}");
    }
    let not_json = DecodeError::NotAList("something that is not JSON");
    for piece in [1, 2, 3, 1024] {
        assert_eq!(decode(b"\xef\xbb\xbf\xef\xbb\xbf[]", piece), Err(not_json.clone()));
        assert_eq!(decode(b" \xef\xbb\xbf[]", piece), Err(not_json.clone()));
        assert_eq!(decode(b"\xef\xbb\xbf", piece), Err(DecodeError::NotAList("an empty answer")));
    }
}

#[test]
fn few_bytes_of_a_long_piece_are_copied_to_complete_a_row() {
    let row = r#"{"UserId":"a","SessionId":"1"},"#;
    let body = format!("[{}", row.repeat(10_000));
    let (first, second) = body.as_bytes().split_at(10);
    let mut decoder = SessionListDecoder::<Counted>::default();
    let mut rows = 0;
    for piece in [first, second] {
        decoder.push(piece, &mut |_| rows += 1).unwrap();
    }
    assert_eq!(rows, 10_000);
    assert!(decoder.tail.capacity() <= 2 * TYPICAL_ROW, "{}", decoder.tail.capacity());
}

#[test]
fn a_missing_or_null_user_is_empty() {
    let body = br#"[{"SessionId":"1"},{"UserDirectory":null,"UserId":null,"SessionId":"2"}]"#;
    assert_eq!(decode(body, 1024), Ok(vec![row("", "", "1"), row("", "", "2")]));
}

#[test]
fn a_whole_row_has_name_and_attributes_in_their_order() {
    let body = r#"[{"UserId":"a","UserName":"A \u0041","SessionId":"1",
            "Attributes":[{"group":"x"},{"mail":""},{"group":null,"b":"\n"},{},null]},
        {"userId":"b","userName":null,"sessionId":"2","attributes":null},{"SessionId":"3"}]"#;
    let rows = "a Some(\"A A\") group=x mail= group= b=\n;b None; None;".to_owned();
    for piece in [1, 7, 1024] {
        assert_eq!(decode_whole(body, piece), Ok(rows.clone()), "in pieces of {piece}");
    }
    for wrong in [r#""UserName":7"#, r#""Attributes":{}"#, r#""Attributes":["x"]"#, r#""Attributes":[[]]"#] {
        let body = format!(r#"[{{"SessionId":"1",{wrong}}}]"#);
        assert_eq!(decode_whole(&body, 1024), Err(DecodeError::NotASession(1)), "{wrong}");
    }
}

fn decode_whole(body: &str, piece: usize) -> Result<String, DecodeError> {
    let mut text = String::new();
    decode_rows::<Whole>(body.as_bytes(), piece, |s| {
        text += &format!("{} {:?}", s.user_id, s.user_name);
        for (name, value) in s.attributes.0 {
            text += &format!(" {name}={value}");
        }
        text.push(';');
    })?;
    Ok(text)
}

#[test]
fn the_error_states_why_a_response_is_no_session_list() {
    for (body, error) in [
        ("", DecodeError::NotAList("an empty answer")),
        ("<html>", DecodeError::NotAList("HTML or XML")),
        ("{}", DecodeError::NotAList("a JSON object")),
        ("[", DecodeError::CutOff),
        (r#"[{"SessionId":"1"}"#, DecodeError::CutOff),
        (r#"[{"SessionId":"1"},"#, DecodeError::CutOff),
        (r#"[{"SessionId":"1"},]"#, DecodeError::NotASession(2)),
        (r#"[{"SessionId":"1"} {"SessionId":"2"}]"#, DecodeError::NoComma(1)),
        (r#"[,{"SessionId":"1"}]"#, DecodeError::NotASession(1)),
        (r#"[{"UserId":"a"}]"#, DecodeError::NotASession(1)),
        (r#"[{"SessionId":null}]"#, DecodeError::NotASession(1)),
        (r#"[{"SessionId":7}]"#, DecodeError::NotASession(1)),
        (r#"[{"SessionId":"1","UserId":7}]"#, DecodeError::NotASession(1)),
        (r#"[{"SessionId":"1"},null]"#, DecodeError::NotASession(2)),
        (r#"[["LAB","a","1"]]"#, DecodeError::NotASession(1)),
        (r#"[{"SessionId":"1",}]"#, DecodeError::NotJson(1)),
        (r#"[] x"#, DecodeError::Trailing),
    ] {
        for piece in [1, 3, 1024] {
            assert_eq!(decode(body.as_bytes(), piece), Err(error.clone()), "{body} in pieces of {piece}");
        }
    }
}

#[test]
fn an_error_quotes_no_part_of_the_response() {
    let error = decode(br#"[{"SessionId":["secret"]}]"#, 1024).unwrap_err();
    assert!(!error.to_string().contains("secret"));
    let error = decode(br#"[{"SessionId":"s","UserId":4711}]"#, 1024).unwrap_err();
    assert!(!error.to_string().contains("4711"));
}

#[test]
fn an_endless_row_is_refused() {
    let mut decoder = SessionListDecoder::<Counted>::default();
    let piece = vec![b'x'; 64 * 1024];
    decoder.push(br#"[{"SessionId":""#, &mut |_| {}).unwrap();
    let error = (0..100).find_map(|_| decoder.push(&piece, &mut |_| {}).err());
    assert_eq!(error, Some(DecodeError::RowTooLong(1)));
}

#[test]
fn a_number_of_an_unknown_member_may_be_cut_anywhere() {
    let body = br#"[{"SessionId":"1","n":-10.25e-3},{"x":[1E+5,-0.5],"SessionId":"2"}]"#;
    for piece in 1..body.len() {
        assert_eq!(decode(body, piece), Ok(vec![row("", "", "1"), row("", "", "2")]), "{piece}");
    }
    for wrong in [r#"[{"SessionId":"1","n":-}]"#, r#"[{"SessionId":"1","n":1.}]"#, r#"[{"a":1e"#] {
        for piece in 1..=wrong.len() {
            assert!(decode(wrong.as_bytes(), piece).is_err(), "{wrong} {piece}");
        }
    }
}

#[test]
fn a_row_above_the_limit_is_refused_in_one_piece_too() {
    let id = "x".repeat(MAX_ROW - r#"{"SessionId":""}"#.len());
    let longest = format!(r#"[{{"SessionId":"{id}"}}]"#);
    let longer = format!(r#"[{{"SessionId":"{id}x"}}]"#);
    for piece in [64 * 1024, 2 * MAX_ROW] {
        assert_eq!(decode(longest.as_bytes(), piece).unwrap().len(), 1);
        assert_eq!(decode(longer.as_bytes(), piece), Err(DecodeError::RowTooLong(1)));
    }
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_what_a_decoder_of_the_whole_gives(
        users in prop::collection::vec((any::<String>(), any::<String>(), any::<String>()), 0..20),
        piece in 1usize..200,
    ) {
        let values: Vec<_> = users
            .iter()
            .map(|(d, u, s)| serde_json::json!({"UserDirectory": d, "UserId": u, "SessionId": s}))
            .collect();
        let body = serde_json::to_vec(&values).unwrap();
        let rows: Vec<_> = users.iter().map(|(d, u, s)| row(d, u, s)).collect();
        prop_assert_eq!(decode(&body, piece), Ok(rows));
    }
}
