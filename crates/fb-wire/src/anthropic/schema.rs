//! A JSON schema cut down to the subset that Anthropic enforces.
//!
//! Objects are closed, `oneOf` becomes `anyOf`, and keywords outside the subset move into the description, where
//! the model still reads them. What the subset cannot say (recursion, maps with open keys) is a [`Fault`]. The
//! order of properties is kept: models write in it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use fb_core::{Json, Refusal};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use crate::value::Fields;

/// The note for a schema that does not ask for quite the same.
pub(super) const CHANGED: &str = "cut to what Anthropic enforces; the rest stands in its descriptions";

/// A schema in the subset.
#[derive(Debug)]
pub(super) struct Clean {
    pub(super) schema: Json,
    /// Whether the schema asks for something else than before.
    pub(super) changed: bool,
}

/// Why a schema cannot be enforced.
#[derive(Debug)]
pub(super) struct Fault {
    /// Where, from the schema's root.
    place: String,
    why: &'static str,
}

impl Fault {
    pub(super) fn refusal(&self, field: &str) -> Refusal {
        Refusal::new(format!("{field}{}", self.place), self.why)
    }
}

/// Cuts down a schema; `description` is what the whole is for, if the schema itself does not say.
pub(super) fn sanitise(schema: &Json, description: Option<&str>) -> Result<Clean, Fault> {
    let mut cutter = Cutter::default();
    let mut tree = cutter.schema(schema.get(), "")?;
    cutter.check_recursion()?;
    if cutter.optional > MOST_OPTIONAL {
        return Err(fault("", "has more than 24 optional properties, which Anthropic refuses"));
    }
    if let (Tree::Map(fields), Some(text)) = (&mut tree, description)
        && !fields.iter().any(|(name, _)| name == "description")
    {
        fields.push((Cow::Borrowed("description"), Tree::text(text)?));
    }
    let schema = Json::print(&tree).map_err(|_unprintable| fault("", "cannot be printed"))?;
    Ok(Clean { schema, changed: cutter.changed })
}

/// All over the schema; with more its grammar does not compile.
const MOST_OPTIONAL: usize = 24;

/// Deeper nesting is no schema for an answer.
const DEEPEST: usize = 64;

const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

fn fault(place: &str, why: &'static str) -> Fault {
    Fault { place: place.to_owned(), why }
}

/// JSON that keeps the order of its fields.
enum Tree<'a> {
    Leaf(Cow<'a, RawValue>),
    List(Vec<Self>),
    Map(Vec<(Cow<'a, str>, Self)>),
}

impl Tree<'_> {
    fn text(text: &str) -> Result<Self, Fault> {
        let raw = serde_json::value::to_raw_value(text);
        raw.map(|raw| Self::Leaf(Cow::Owned(raw))).map_err(|_unprintable| fault("", "cannot be printed"))
    }
}

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Leaf(raw) => raw.serialize(serializer),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

#[derive(Default)]
struct Cutter {
    changed: bool,
    optional: usize,
    /// How many schemas the one at hand stands in.
    depth: usize,
    /// The definition the schema at hand stands in.
    definition: Option<String>,
    /// Which definitions each definition refers to.
    references: BTreeMap<String, BTreeSet<String>>,
    /// Where each definition that is referred to is first needed.
    needed: BTreeMap<String, String>,
}

/// A schema while it is cut: what stays, and what moves to the description.
#[derive(Default)]
struct Cut<'a> {
    fields: Vec<(Cow<'a, str>, Tree<'a>)>,
    moved: Vec<String>,
}

impl<'a> Cut<'a> {
    fn keep(&mut self, name: &'static str, value: Tree<'a>) {
        self.fields.push((Cow::Borrowed(name), value));
    }
}

impl Cutter {
    fn schema<'a>(&mut self, text: &'a str, place: &str) -> Result<Tree<'a>, Fault> {
        if text == "true" {
            return Ok(Tree::Map(Vec::new()));
        }
        let Ok(mut object) = serde_json::from_str::<Fields<'a>>(text) else {
            return Err(fault(place, "is no JSON schema"));
        };
        if self.depth >= DEEPEST {
            return Err(fault(place, "is nested too deep"));
        }
        self.depth += 1;
        let tree = if let Some(target) = take(&mut object, "$ref") {
            self.reference(target, &object, place)
        } else if let Some(all) = take(&mut object, "allOf") {
            self.all_of(all, object, place)
        } else {
            self.object(object, place)
        };
        self.depth -= 1;
        tree
    }

    /// Nothing may stand beside a reference.
    fn reference<'a>(&mut self, target: &'a str, rest: &Fields<'a>, place: &str) -> Result<Tree<'a>, Fault> {
        let raw: &RawValue =
            serde_json::from_str(target).map_err(|_no_json| fault(place, "is no JSON schema"))?;
        let path: String = serde_json::from_str(target).map_err(|_no_text| fault(place, "has a bad $ref"))?;
        if path == "#" {
            return Err(fault(place, RECURSION));
        }
        let name = path.strip_prefix("#/$defs/").or_else(|| path.strip_prefix("#/definitions/"));
        let Some(name) = name.filter(|name| !name.contains('/')) else {
            return Err(fault(place, "refers to something that is not in $defs"));
        };
        let name = name.replace("~1", "/").replace("~0", "~");
        if let Some(from) = &self.definition {
            self.references.entry(from.clone()).or_default().insert(name.clone());
        }
        self.needed.entry(name).or_insert_with(|| place.to_owned());
        let harmless =
            |name: &str| matches!(name, "description" | "title" | "default" | "$defs" | "definitions");
        self.changed |= rest.0.iter().any(|(name, _)| !harmless(name));
        let mut fields = vec![(Cow::Borrowed("$ref"), Tree::Leaf(Cow::Borrowed(raw)))];
        for word in ["$defs", "definitions"] {
            if let Some(text) = rest.get(word) {
                fields.push((Cow::Borrowed(word), self.definitions(text, place, word)?));
            }
        }
        Ok(Tree::Map(fields))
    }

    /// Of several schemas at once only the trivial case can be said: closed objects exclude each other.
    fn all_of<'a>(&mut self, all: &'a str, mut rest: Fields<'a>, place: &str) -> Result<Tree<'a>, Fault> {
        let parts: Vec<&'a RawValue> =
            serde_json::from_str(all).map_err(|_no_list| fault(place, "has an allOf that is no list"))?;
        rest.0.retain(|(name, _)| !matches!(&**name, "description" | "title" | "default"));
        match parts.as_slice() {
            [only] if rest.0.is_empty() => self.schema(only.get(), place),
            _ => Err(fault(place, "has allOf, which closed objects cannot satisfy")),
        }
    }

    fn object<'a>(&mut self, mut object: Fields<'a>, place: &str) -> Result<Tree<'a>, Fault> {
        let mut cut = Cut::default();
        if is_object(&object) {
            self.close(&mut object, place)?;
        }
        let closed = is_object(&object);
        for (name, text) in object.0 {
            self.keyword(&name, text, place, &mut cut)?;
        }
        if closed {
            cut.keep("additionalProperties", leaf("false", place)?);
        }
        if !cut.moved.is_empty() {
            self.changed = true;
            describe(&mut cut)?;
        }
        Ok(Tree::Map(cut.fields))
    }

    /// Checks that an object lists all its keys.
    fn close(&mut self, object: &mut Fields<'_>, place: &str) -> Result<(), Fault> {
        let said = take(object, "additionalProperties");
        let more = said.unwrap_or("true");
        let properties =
            object.get("properties").and_then(|text| serde_json::from_str::<Fields<'_>>(text).ok());
        let properties = properties.map_or(0, |properties| properties.0.len());
        let any = matches!(more, "true") || more.trim_start_matches('{').trim() == "}";
        let open = (more != "false" && !any)
            || (any && properties == 0)
            || object.get("patternProperties").is_some();
        if open {
            return Err(fault(place, "is an object with open keys, which Anthropic would leave empty"));
        }
        let required =
            object.get("required").and_then(|text| serde_json::from_str::<Vec<&RawValue>>(text).ok());
        self.optional += properties.saturating_sub(required.map_or(0, |required| required.len()));
        Ok(())
    }

    fn keyword<'a>(
        &mut self,
        name: &str,
        text: &'a str,
        place: &str,
        cut: &mut Cut<'a>,
    ) -> Result<(), Fault> {
        match name {
            "type" => cut.keep("type", leaf(text, place)?),
            "enum" => cut.keep("enum", leaf(text, place)?),
            "const" => cut.keep("const", leaf(text, place)?),
            "title" => cut.keep("title", leaf(text, place)?),
            "description" => cut.keep("description", leaf(text, place)?),
            "default" => cut.keep("default", leaf(text, place)?),
            "required" => cut.keep("required", leaf(text, place)?),
            "minItems" if matches!(text, "0" | "1") => cut.keep("minItems", leaf(text, place)?),
            "format" if FORMATS.iter().any(|known| text.trim_matches('"') == *known) => {
                cut.keep("format", leaf(text, place)?);
            }
            "properties" => {
                let properties = self.each(text, place, "properties")?;
                cut.keep("properties", properties);
            }
            "items" if text.starts_with('{') => cut.keep("items", self.schema(text, &join(place, "items"))?),
            "anyOf" | "oneOf" if cut.fields.iter().any(|(name, _)| name == "anyOf") => {
                return Err(fault(place, "has anyOf beside oneOf"));
            }
            "anyOf" | "oneOf" => {
                let choices = self.choices(text, place, name)?;
                cut.keep("anyOf", choices);
            }
            "$defs" => cut.keep("$defs", self.definitions(text, place, "$defs")?),
            "definitions" => cut.keep("definitions", self.definitions(text, place, "definitions")?),
            "$schema"
            | "$id"
            | "$anchor"
            | "$comment"
            | "examples"
            | "deprecated"
            | "readOnly"
            | "writeOnly"
            | "additionalProperties" => {}
            _ => cut.moved.push(format!("{name}: {text}")),
        }
        Ok(())
    }

    fn each<'a>(&mut self, text: &'a str, place: &str, word: &str) -> Result<Tree<'a>, Fault> {
        let place = join(place, word);
        let Ok(object) = serde_json::from_str::<Fields<'a>>(text) else {
            return Err(fault(&place, "is no object"));
        };
        let mut fields = Vec::with_capacity(object.0.len());
        for (name, text) in object.0 {
            let schema = self.schema(text, &join(&place, &name))?;
            fields.push((name, schema));
        }
        Ok(Tree::Map(fields))
    }

    fn choices<'a>(&mut self, text: &'a str, place: &str, word: &str) -> Result<Tree<'a>, Fault> {
        let place = join(place, word);
        let Ok(choices) = serde_json::from_str::<Vec<&'a RawValue>>(text) else {
            return Err(fault(&place, "is no list"));
        };
        let schema =
            |(index, raw): (usize, &'a RawValue)| self.schema(raw.get(), &format!("{place}[{index}]"));
        choices.into_iter().enumerate().map(schema).collect::<Result<_, _>>().map(Tree::List)
    }

    fn definitions<'a>(&mut self, text: &'a str, place: &str, word: &str) -> Result<Tree<'a>, Fault> {
        let Ok(object) = serde_json::from_str::<Fields<'a>>(text) else {
            return Err(fault(&join(place, word), "is no object"));
        };
        let outer = self.definition.take();
        let mut fields = Vec::with_capacity(object.0.len());
        for (name, text) in object.0 {
            self.references.entry(name.to_string()).or_default();
            self.definition = Some(name.to_string());
            let schema = self.schema(text, &join(&join(place, word), &name))?;
            fields.push((name, schema));
        }
        self.definition = outer;
        Ok(Tree::Map(fields))
    }

    /// Takes away the definitions that refer to nothing left until none is left, or only circles.
    fn check_recursion(&self) -> Result<(), Fault> {
        if let Some((_, place)) = self.needed.iter().find(|(name, _)| !self.references.contains_key(*name)) {
            return Err(fault(place, "refers to something that is not in $defs"));
        }
        let mut left = self.references.clone();
        while !left.is_empty() {
            let done: Vec<String> = left
                .iter()
                .filter(|(_, targets)| !targets.iter().any(|target| left.contains_key(target)))
                .map(|(name, _)| name.clone())
                .collect();
            if done.is_empty() {
                let circle = left.keys().find_map(|name| self.needed.get(name));
                return Err(fault(circle.map_or("", String::as_str), RECURSION));
            }
            left.retain(|name, _| !done.contains(name));
        }
        Ok(())
    }
}

const RECURSION: &str = "is recursive, which Anthropic cannot enforce";

/// [`Fields::get`], and forgets every field of this name.
fn take<'a>(fields: &mut Fields<'a>, name: &str) -> Option<&'a str> {
    let value = fields.get(name);
    fields.0.retain(|(key, _)| key != name);
    value
}

fn is_object(object: &Fields<'_>) -> bool {
    let kind = object.get("type").unwrap_or_default();
    kind.contains("\"object\"") || object.get("properties").is_some()
}

fn join(place: &str, name: &str) -> String {
    format!("{place}.{name}")
}

fn leaf<'a>(text: &'a str, place: &str) -> Result<Tree<'a>, Fault> {
    let raw: Result<&RawValue, _> = serde_json::from_str(text);
    raw.map(|raw| Tree::Leaf(Cow::Borrowed(raw))).map_err(|_no_json| fault(place, "is no JSON"))
}

/// Says in the description what could not stay.
fn describe(cut: &mut Cut<'_>) -> Result<(), Fault> {
    let moved = cut.moved.join("; ");
    let place = cut.fields.iter().position(|(name, _)| name == "description");
    let old = place.and_then(|place| match &cut.fields[place].1 {
        Tree::Leaf(raw) => serde_json::from_str::<String>(raw.get()).ok(),
        Tree::List(_) | Tree::Map(_) => None,
    });
    let text = old.map_or_else(|| moved.clone(), |old| format!("{old} ({moved})"));
    let description = Tree::text(&text)?;
    match place {
        Some(place) => cut.fields[place].1 = description,
        None => cut.keep("description", description),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
