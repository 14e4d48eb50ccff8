//! Reduces a JSON schema to the subset that Anthropic enforces.
//!
//! Objects are closed, `oneOf` becomes `anyOf`, and keywords outside the subset move into the description, where the
//! model still reads them. Schemas that the subset cannot express (recursion, maps with open keys) are a [`Fault`]. The
//! order of properties is kept, because models generate them in this order.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use fb_core::{Json, Refusal};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use crate::value::Fields;

/// The note for a schema with changed constraints.
pub(super) const CHANGED: &str = "cut to what Anthropic enforces; the rest stands in its descriptions";

/// A schema within the subset.
#[derive(Debug)]
pub(super) struct Clean {
    pub(super) schema: Json,
    /// True if the constraints differ from the original.
    pub(super) changed: bool,
}

/// The reason a schema cannot be enforced.
#[derive(Debug)]
pub(super) struct Fault {
    /// The path from the root of the schema.
    path: String,
    why: &'static str,
}

impl Fault {
    pub(super) fn refusal(&self, field: &str) -> Refusal {
        Refusal::new(format!("{field}{}", self.path), self.why)
    }
}

/// Reduces a schema; `description` is added if the schema itself has none.
pub(super) fn sanitise(schema: &Json, description: Option<&str>) -> Result<Clean, Fault> {
    let mut sanitiser = Sanitiser::default();
    let mut tree = sanitiser.schema(schema.get(), "")?;
    sanitiser.check_recursion()?;
    if sanitiser.optional > MAX_OPTIONAL {
        return Err(fault("", "has more than 24 optional properties, which Anthropic refuses"));
    }
    if let (Tree::Map(fields), Some(text)) = (&mut tree, description)
        && !fields.iter().any(|(name, _)| name == "description")
    {
        fields.push((Cow::Borrowed("description"), Tree::text(text)?));
    }
    let schema = Json::print(&tree).map_err(|_unprintable| fault("", "cannot be printed"))?;
    Ok(Clean { schema, changed: sanitiser.changed })
}

/// Maximum number of optional properties in a schema; with more, Anthropic's grammar does not compile.
const MAX_OPTIONAL: usize = 24;

/// Maximum nesting.
const MAX_DEPTH: usize = 64;

const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

fn fault(path: &str, why: &'static str) -> Fault {
    Fault { path: path.to_owned(), why }
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
struct Sanitiser {
    changed: bool,
    optional: usize,
    /// The number of schemas around the current one.
    depth: usize,
    /// The definition around the current schema.
    definition: Option<String>,
    /// The definitions that each definition refers to.
    references: BTreeMap<String, BTreeSet<String>>,
    /// The path of the first reference to each definition.
    first_reference: BTreeMap<String, String>,
}

/// A schema under construction.
#[derive(Default)]
struct Parts<'a> {
    fields: Vec<(Cow<'a, str>, Tree<'a>)>,
    /// Keywords that move into the description.
    moved: Vec<String>,
}

impl<'a> Parts<'a> {
    fn keep(&mut self, name: &'static str, value: Tree<'a>) {
        self.fields.push((Cow::Borrowed(name), value));
    }
}

impl Sanitiser {
    fn schema<'a>(&mut self, text: &'a str, path: &str) -> Result<Tree<'a>, Fault> {
        if text == "true" {
            return Ok(Tree::Map(Vec::new()));
        }
        let Ok(mut object) = serde_json::from_str::<Fields<'a>>(text) else {
            return Err(fault(path, "is no JSON schema"));
        };
        if self.depth >= MAX_DEPTH {
            return Err(fault(path, "is nested too deep"));
        }
        self.depth += 1;
        let tree = if let Some(target) = take(&mut object, "$ref") {
            self.reference(target, &object, path)
        } else if let Some(all) = take(&mut object, "allOf") {
            self.all_of(all, object, path)
        } else {
            self.object(object, path)
        };
        self.depth -= 1;
        tree
    }

    /// Converts a reference, which allows no other keywords beside it.
    fn reference<'a>(&mut self, target: &'a str, rest: &Fields<'a>, path: &str) -> Result<Tree<'a>, Fault> {
        let raw: &RawValue =
            serde_json::from_str(target).map_err(|_no_json| fault(path, "is no JSON schema"))?;
        let reference: String =
            serde_json::from_str(target).map_err(|_no_text| fault(path, "has a bad $ref"))?;
        if reference == "#" {
            return Err(fault(path, RECURSION));
        }
        let name = reference.strip_prefix("#/$defs/").or_else(|| reference.strip_prefix("#/definitions/"));
        let Some(name) = name.filter(|name| !name.contains('/')) else {
            return Err(fault(path, "refers to something that is not in $defs"));
        };
        let name = name.replace("~1", "/").replace("~0", "~");
        if let Some(from) = &self.definition {
            self.references.entry(from.clone()).or_default().insert(name.clone());
        }
        self.first_reference.entry(name).or_insert_with(|| path.to_owned());
        let harmless =
            |name: &str| matches!(name, "description" | "title" | "default" | "$defs" | "definitions");
        self.changed |= rest.0.iter().any(|(name, _)| !harmless(name));
        let mut fields = vec![(Cow::Borrowed("$ref"), Tree::Leaf(Cow::Borrowed(raw)))];
        for word in ["$defs", "definitions"] {
            if let Some(text) = rest.get(word) {
                fields.push((Cow::Borrowed(word), self.definitions(text, path, word)?));
            }
        }
        Ok(Tree::Map(fields))
    }

    /// Converts `allOf` with a single schema. Several schemas cannot be combined, since closed objects exclude each other.
    fn all_of<'a>(&mut self, all: &'a str, mut rest: Fields<'a>, path: &str) -> Result<Tree<'a>, Fault> {
        let parts: Vec<&'a RawValue> =
            serde_json::from_str(all).map_err(|_no_list| fault(path, "has an allOf that is no list"))?;
        rest.0.retain(|(name, _)| !matches!(&**name, "description" | "title" | "default"));
        match parts.as_slice() {
            [only] if rest.0.is_empty() => self.schema(only.get(), path),
            _ => Err(fault(path, "has allOf, which closed objects cannot satisfy")),
        }
    }

    fn object<'a>(&mut self, mut object: Fields<'a>, path: &str) -> Result<Tree<'a>, Fault> {
        let mut parts = Parts::default();
        if is_object(&object) {
            self.close(&mut object, path)?;
        }
        let closed = is_object(&object);
        for (name, text) in object.0 {
            self.keyword(&name, text, path, &mut parts)?;
        }
        if closed {
            parts.keep("additionalProperties", leaf("false", path)?);
        }
        if !parts.moved.is_empty() {
            self.changed = true;
            describe(&mut parts)?;
        }
        Ok(Tree::Map(parts.fields))
    }

    /// Checks that an object declares all its keys.
    fn close(&mut self, object: &mut Fields<'_>, path: &str) -> Result<(), Fault> {
        let additional = take(object, "additionalProperties").unwrap_or("true");
        let properties =
            object.get("properties").and_then(|text| serde_json::from_str::<Fields<'_>>(text).ok());
        let properties = properties.map_or(0, |properties| properties.0.len());
        let any = matches!(additional, "true") || additional.trim_start_matches('{').trim() == "}";
        let open = (additional != "false" && !any)
            || (any && properties == 0)
            || object.get("patternProperties").is_some();
        if open {
            return Err(fault(path, "is an object with open keys, which Anthropic would leave empty"));
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
        path: &str,
        parts: &mut Parts<'a>,
    ) -> Result<(), Fault> {
        match name {
            "type" => parts.keep("type", leaf(text, path)?),
            "enum" => parts.keep("enum", leaf(text, path)?),
            "const" => parts.keep("const", leaf(text, path)?),
            "title" => parts.keep("title", leaf(text, path)?),
            "description" => parts.keep("description", leaf(text, path)?),
            "default" => parts.keep("default", leaf(text, path)?),
            "required" => parts.keep("required", leaf(text, path)?),
            "minItems" if matches!(text, "0" | "1") => parts.keep("minItems", leaf(text, path)?),
            "format" if FORMATS.iter().any(|known| text.trim_matches('"') == *known) => {
                parts.keep("format", leaf(text, path)?);
            }
            "properties" => {
                let properties = self.each(text, path, "properties")?;
                parts.keep("properties", properties);
            }
            "items" if text.starts_with('{') => parts.keep("items", self.schema(text, &join(path, "items"))?),
            "anyOf" | "oneOf" if parts.fields.iter().any(|(name, _)| name == "anyOf") => {
                return Err(fault(path, "has anyOf beside oneOf"));
            }
            "anyOf" | "oneOf" => {
                let choices = self.choices(text, path, name)?;
                parts.keep("anyOf", choices);
            }
            "$defs" => parts.keep("$defs", self.definitions(text, path, "$defs")?),
            "definitions" => parts.keep("definitions", self.definitions(text, path, "definitions")?),
            "$schema"
            | "$id"
            | "$anchor"
            | "$comment"
            | "examples"
            | "deprecated"
            | "readOnly"
            | "writeOnly"
            | "additionalProperties" => {}
            _ => parts.moved.push(format!("{name}: {text}")),
        }
        Ok(())
    }

    fn each<'a>(&mut self, text: &'a str, path: &str, word: &str) -> Result<Tree<'a>, Fault> {
        let path = join(path, word);
        let Ok(object) = serde_json::from_str::<Fields<'a>>(text) else {
            return Err(fault(&path, "is no object"));
        };
        let mut fields = Vec::with_capacity(object.0.len());
        for (name, text) in object.0 {
            let schema = self.schema(text, &join(&path, &name))?;
            fields.push((name, schema));
        }
        Ok(Tree::Map(fields))
    }

    fn choices<'a>(&mut self, text: &'a str, path: &str, word: &str) -> Result<Tree<'a>, Fault> {
        let path = join(path, word);
        let Ok(choices) = serde_json::from_str::<Vec<&'a RawValue>>(text) else {
            return Err(fault(&path, "is no list"));
        };
        let schema =
            |(index, raw): (usize, &'a RawValue)| self.schema(raw.get(), &format!("{path}[{index}]"));
        choices.into_iter().enumerate().map(schema).collect::<Result<_, _>>().map(Tree::List)
    }

    fn definitions<'a>(&mut self, text: &'a str, path: &str, word: &str) -> Result<Tree<'a>, Fault> {
        let Ok(object) = serde_json::from_str::<Fields<'a>>(text) else {
            return Err(fault(&join(path, word), "is no object"));
        };
        let outer = self.definition.take();
        let mut fields = Vec::with_capacity(object.0.len());
        for (name, text) in object.0 {
            self.references.entry(name.to_string()).or_default();
            self.definition = Some(name.to_string());
            let schema = self.schema(text, &join(&join(path, word), &name))?;
            fields.push((name, schema));
        }
        self.definition = outer;
        Ok(Tree::Map(fields))
    }

    /// Removes definitions without remaining references until none is left, or only cycles.
    fn check_recursion(&self) -> Result<(), Fault> {
        if let Some((_, path)) =
            self.first_reference.iter().find(|(name, _)| !self.references.contains_key(*name))
        {
            return Err(fault(path, "refers to something that is not in $defs"));
        }
        let mut remaining = self.references.clone();
        while !remaining.is_empty() {
            let done: Vec<String> = remaining
                .iter()
                .filter(|(_, targets)| !targets.iter().any(|target| remaining.contains_key(target)))
                .map(|(name, _)| name.clone())
                .collect();
            if done.is_empty() {
                let cycle = remaining.keys().find_map(|name| self.first_reference.get(name));
                return Err(fault(cycle.map_or("", String::as_str), RECURSION));
            }
            remaining.retain(|name, _| !done.contains(name));
        }
        Ok(())
    }
}

const RECURSION: &str = "is recursive, which Anthropic cannot enforce";

/// Returns [`Fields::get`] and removes all fields with this name.
fn take<'a>(fields: &mut Fields<'a>, name: &str) -> Option<&'a str> {
    let value = fields.get(name);
    fields.0.retain(|(key, _)| key != name);
    value
}

fn is_object(object: &Fields<'_>) -> bool {
    let kind = object.get("type").unwrap_or_default();
    kind.contains("\"object\"") || object.get("properties").is_some()
}

fn join(path: &str, name: &str) -> String {
    format!("{path}.{name}")
}

fn leaf<'a>(text: &'a str, path: &str) -> Result<Tree<'a>, Fault> {
    let raw: Result<&RawValue, _> = serde_json::from_str(text);
    raw.map(|raw| Tree::Leaf(Cow::Borrowed(raw))).map_err(|_no_json| fault(path, "is no JSON"))
}

/// Appends the moved keywords to the description.
fn describe(parts: &mut Parts<'_>) -> Result<(), Fault> {
    let moved = parts.moved.join("; ");
    let position = parts.fields.iter().position(|(name, _)| name == "description");
    let old = position.and_then(|position| match &parts.fields[position].1 {
        Tree::Leaf(raw) => serde_json::from_str::<String>(raw.get()).ok(),
        Tree::List(_) | Tree::Map(_) => None,
    });
    let text = old.map_or_else(|| moved.clone(), |old| format!("{old} ({moved})"));
    let description = Tree::text(&text)?;
    match position {
        Some(position) => parts.fields[position].1 = description,
        None => parts.keep("description", description),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
