//! An event of our own that carries one more piece of a text.

use crate::json::{Kind, Value};

/// An event that carries nothing but one more piece of a text.
#[derive(Clone)]
pub struct PieceEvent {
    /// The `event` line, where it isn't that of the event it is like.
    pub name: Option<&'static str>,
    /// JSON up to the piece and from it on.
    pub data: [String; 2],
}

/// The event `like`, in which `piece` is a string, with nothing beside it but what says where it belongs: the scalars
/// `envelope` of the event and `inner` of what the piece stands in.
pub fn like(like: Value<'_>, piece: Value<'_>, envelope: &[&str], inner: &[&str]) -> PieceEvent {
    let mut writer = Writer {
        piece,
        kept: [envelope, inner],
        data: Default::default(),
        behind: 0,
    };
    writer.value(like, 0);
    PieceEvent {
        name: None,
        data: writer.data,
    }
}

struct Writer<'v> {
    piece: Value<'v>,
    /// Names of scalars at the top, and below.
    kept: [&'v [&'v str]; 2],
    data: [String; 2],
    /// 1 once the piece is reached.
    behind: usize,
}

impl Writer<'_> {
    /// A value that is the piece, or around it.
    fn value(&mut self, value: Value<'_>, depth: usize) {
        match value.kind() {
            Kind::Object => {
                let mut comma = "";
                self.push("{");
                for (name, member) in value.entries() {
                    let leads_on = self.is_around(member);
                    let kept = || self.kept[depth.min(1)].iter().any(|kept| name.is_str(kept));
                    if leads_on || !is_container(member) && kept() {
                        self.push(comma);
                        self.push(&format!("\"{}\":", name.inner_raw()));
                        match leads_on {
                            true => self.value(member, depth + 1),
                            false => self.scalar(member),
                        }
                        comma = ",";
                    }
                }
                self.push("}");
            }
            Kind::Array => {
                self.push("[");
                if let Some(item) = value.items().find(|item| self.is_around(*item)) {
                    self.value(item, depth + 1);
                }
                self.push("]");
            }
            _ => {
                self.push("\"");
                self.behind = 1;
                self.push("\"");
            }
        }
    }

    fn scalar(&mut self, value: Value<'_>) {
        let quote = if value.kind() == Kind::String {
            "\""
        } else {
            ""
        };
        self.push(&format!("{quote}{}{quote}", value.inner_raw()));
    }

    fn is_around(&self, value: Value<'_>) -> bool {
        let (outer, inner) = (value.range(), self.piece.range());
        outer.start <= inner.start && inner.end <= outer.end
    }

    fn push(&mut self, text: &str) {
        self.data[self.behind].push_str(text);
    }
}

fn is_container(value: Value<'_>) -> bool {
    matches!(value.kind(), Kind::Object | Kind::Array)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn only_the_way_to_the_piece_and_what_is_kept_stays() {
        let event = r#"{"id":"x","usage":{"n":1},"choices":[{"index":0,"delta":{}},{"index":1,"id":"no","delta":{"role":"a","content":"p\n"},
            "end":null}],"extra":1,"model":"m"}"#;
        let doc = json::parse(event.as_bytes()).unwrap();
        let choice = doc.root().get("choices").unwrap().items().nth(1).unwrap();
        let piece = choice.get("delta").unwrap().get("content").unwrap();
        let [head, tail] = like(doc.root(), piece, &["id", "model"], &["index", "end"]).data;
        assert_eq!(
            head,
            r#"{"id":"x","choices":[{"index":1,"delta":{"content":""#
        );
        assert_eq!(tail, r#""},"end":null}],"model":"m"}"#);
    }
}
