//! JSON that knows where each value stands, since the server's messages name the byte.

/// A value with its place in the text.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) kind: Kind<'a>,
    /// The text of the value.
    pub(crate) raw: &'a str,
    /// Where it starts, in bytes.
    pub(crate) start: usize,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(String),
    Array(Vec<Node<'a>>),
    Object(Vec<(String, Node<'a>)>),
}

impl Node<'_> {
    /// The byte that a message names when the value is of the wrong type: behind a scalar, behind the opening
    /// bracket of anything else (R 47, 138).
    pub(crate) fn place(&self) -> usize {
        match self.kind {
            Kind::Array(_) | Kind::Object(_) => self.start + 1,
            _ => self.start + self.raw.len(),
        }
    }
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) path: String,
    pub(crate) place: usize,
}

/// Reads a text.
pub(crate) fn parse(text: &str) -> Result<Node<'_>, Fault> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
        path: vec!["$".to_owned()],
    };
    let node = reader.value()?;
    reader.blanks();
    if reader.at < text.len() {
        let message = format!(
            "{} is invalid after a single JSON value. Expected end of data.",
            reader.shown()
        );
        return Err(reader.fault(message));
    }
    Ok(node)
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    path: Vec<String>,
}

const OPEN_END: &str = "Expected depth to be zero at the end of the JSON payload. There is an open JSON object or array \
                        that should be closed.";

impl<'a> Reader<'a> {
    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault {
            message: message.into(),
            path: self.path.concat(),
            place: self.at,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn shown(&self) -> String {
        let next = self.text[self.at..].chars().next();
        next.map_or_else(|| "end of data".to_owned(), |found| format!("'{found}'"))
    }

    fn blanks(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    }

    fn value(&mut self) -> Result<Node<'a>, Fault> {
        self.blanks();
        let start = self.at;
        let kind = match self.peek() {
            None if self.path.len() > 1 => return Err(self.fault(OPEN_END)),
            None => {
                let message = "The input does not contain any JSON tokens. Expected the input to start with a valid JSON \
                               token, when isFinalBlock is true.";
                return Err(self.fault(message));
            }
            Some(b'{') => self.object()?,
            Some(b'[') => self.array()?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node {
            kind,
            raw: &self.text[start..self.at],
            start,
        })
    }

    fn word(&mut self) -> Result<Kind<'a>, Fault> {
        let words = [
            ("null", Kind::Null),
            ("true", Kind::Bool(true)),
            ("false", Kind::Bool(false)),
        ];
        let rest = &self.text[self.at..];
        for (word, kind) in words {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(kind);
            }
            if rest.starts_with(&word[..1]) {
                let message = format!("'{rest}' is an invalid JSON literal. Expected the literal '{word}'.");
                self.at += word
                    .bytes()
                    .zip(rest.bytes())
                    .take_while(|(wanted, found)| wanted == found)
                    .count();
                return Err(self.fault(message));
            }
        }
        Err(self.fault(format!("{} is an invalid start of a value.", self.shown())))
    }

    fn number(&mut self) -> Result<Kind<'a>, Fault> {
        let start = self.at;
        self.skip(|byte| byte == b'-');
        let digits = self.at;
        self.skip(|byte| byte.is_ascii_digit());
        if self.bytes[digits..self.at].starts_with(b"0") && self.at > digits + 1 {
            self.at = digits + 1;
            return Err(self.fault(format!("Invalid leading zero before {}.", self.shown())));
        }
        self.skip(|byte| matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E' | b'0'..=b'9'));
        let text = &self.text[start..self.at];
        if text.ends_with(|last: char| last.is_ascii_digit()) && text.parse::<f64>().is_ok() {
            Ok(Kind::Number(text))
        } else {
            Err(self.fault(format!("{} is an invalid end of a number.", self.shown())))
        }
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.fault("Expected end of string, but instead reached end of data.")),
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let text = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(text).map_err(|_| {
            self.fault(format!(
                "{} is an invalid character within a JSON string.",
                self.shown()
            ))
        })
    }

    fn array(&mut self) -> Result<Kind<'a>, Fault> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Kind::Array(items));
        }
        loop {
            self.path.push(format!("[{}]", items.len()));
            items.push(self.value()?);
            self.path.pop();
            if self.ends(b']', "array")? {
                return Ok(Kind::Array(items));
            }
        }
    }

    fn object(&mut self) -> Result<Kind<'a>, Fault> {
        self.at += 1;
        let mut fields = Vec::new();
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Kind::Object(fields));
        }
        loop {
            self.blanks();
            match self.peek() {
                Some(b'"') => {}
                None => return Err(self.fault(OPEN_END)),
                _ => {
                    let message = format!(
                        "{} is an invalid start of a property name. Expected a '\"'.",
                        self.shown()
                    );
                    return Err(self.fault(message));
                }
            }
            let name = self.string()?;
            self.path.push(format!(".{name}"));
            self.blanks();
            if self.peek() != Some(b':') {
                let message = format!(
                    "{} is invalid after a property name. Expected a ':'.",
                    self.shown()
                );
                return Err(self.fault(message));
            }
            self.at += 1;
            let value = self.value()?;
            self.path.pop();
            fields.push((name, value));
            if self.ends(b'}', "object")? {
                return Ok(Kind::Object(fields));
            }
        }
    }

    /// Behind an item: true at the closing bracket, false where another item follows.
    fn ends(&mut self, closing: u8, what: &str) -> Result<bool, Fault> {
        self.blanks();
        match self.peek() {
            Some(byte) if byte == closing => {
                self.at += 1;
                Ok(true)
            }
            Some(b',') => {
                self.at += 1;
                self.blanks();
                match self.peek() {
                    Some(byte) if byte == closing => Err(self.fault(format!(
                        "The JSON {what} contains a trailing comma at the end which is not supported in this mode. \
                         Change the reader options."
                    ))),
                    _ => Ok(false),
                }
            }
            None => Err(self.fault(OPEN_END)),
            _ => {
                let message = format!(
                    "{} is invalid after a value. Expected either ',', '}}', or ']'.",
                    self.shown()
                );
                Err(self.fault(message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (String, String, usize) {
        let Fault { message, path, place } = parse(text).unwrap_err();
        (message, path, place)
    }

    #[test]
    fn values_know_their_place() {
        let text = r#" {"a": [1.50, "x\"y", {"b": null}], "c": true} "#;
        let Kind::Object(fields) = parse(text).unwrap().kind else {
            panic!("an object")
        };
        let Kind::Array(items) = &fields[0].1.kind else {
            panic!("an array")
        };
        assert_eq!((items[0].raw, items[0].place()), ("1.50", 12));
        assert!(matches!(&items[1].kind, Kind::Text(text) if text == "x\"y"));
        assert_eq!((items[2].raw, items[2].place()), (r#"{"b": null}"#, 23));
    }

    #[test]
    fn faults_are_named_with_path_and_place() {
        let trailing = fault(r#"{"a":{"b":3,}}"#);
        assert!(trailing.0.contains("trailing comma"));
        assert_eq!((trailing.1.as_str(), trailing.2), ("$.a", 12));
        assert_eq!(fault(r#"{"a":"#).1, "$.a");
        assert_eq!(fault(r#"{"a":3"#), (OPEN_END.to_owned(), "$".to_owned(), 6));
        assert_eq!(fault("nope").2, 1);
        assert_eq!(
            fault("03"),
            ("Invalid leading zero before '3'.".to_owned(), "$".to_owned(), 1)
        );
        assert_eq!(
            fault("{} x").0,
            "'x' is invalid after a single JSON value. Expected end of data."
        );
        for text in [
            "",
            "[1",
            "{a:1}",
            "\"x",
            "1.",
            "-",
            "[1,]",
            "{\"a\" 1}",
            "\\",
            "\"\\",
        ] {
            parse(text).unwrap_err();
        }
    }
}
