//! How much work a schema can make, counted before it is compiled.

use std::collections::HashMap;

use serde_json::Value;

use crate::json::MAX_DEPTH;

/// Most references that may come to apply to one value.
const MAX_REFERENCES: u64 = 1_000;
/// Most ways to one value on which violations are looked for by name. Unlike a yes or no, which is found once for a
/// part of the value and kept, naming goes every way again.
const MAX_WAYS: u64 = 10_000;

/// What was counted.
pub(crate) struct Census {
    /// Patterns of strings and of names.
    pub(crate) patterns: usize,
    /// Deepest value whose violations may be named.
    deepest_named: usize,
}

/// A schema and the schemas in it, by number.
#[derive(Default)]
struct Subschema {
    /// Those that apply to the same value.
    beside: Vec<usize>,
    /// Those that apply to values inside.
    below: Vec<usize>,
    /// Where it refers to, also for the same value.
    reference: Option<String>,
}

#[derive(Default)]
struct Walk {
    all: Vec<Subschema>,
    by_place: HashMap<String, usize>,
    patterns: usize,
}

impl Census {
    /// Counts; the error says which construct is not allowed. Only references into the schema itself are: nothing is
    /// ever fetched.
    pub(crate) fn of(schema: &Value) -> Result<Self, String> {
        let mut walk = Walk::default();
        walk.visit(schema, "")?;
        walk.link()?;
        let order = order(&walk.all)?;
        let deepest_named = walk.deepest_named(&order);
        Ok(Self { patterns: walk.patterns, deepest_named })
    }

    /// Whether the violations of a value this deep may be looked for by name.
    pub(crate) const fn may_name(&self, depth: usize) -> bool {
        depth <= self.deepest_named
    }
}

impl Walk {
    fn visit(&mut self, schema: &Value, place: &str) -> Result<usize, String> {
        let number = self.all.len();
        self.all.push(Subschema::default());
        self.by_place.insert(place.to_owned(), number);
        let Value::Object(fields) = schema else { return Ok(number) };
        for (key, value) in fields {
            let at = format!("{place}/{}", escaped(key));
            match (key.as_str(), value) {
                ("$ref", Value::String(to)) => self.all[number].reference = Some(to.clone()),
                ("$dynamicRef" | "$recursiveRef", _) => return Err(format!("{at}: not supported, use $ref")),
                ("$id" | "id", Value::String(_)) if !place.is_empty() => {
                    return Err(format!("{at}: not supported inside a schema"));
                }
                ("pattern", Value::String(_)) => self.patterns += 1,
                ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => {
                    let found = self.visit_list(all, &at)?;
                    self.all[number].beside.extend(found);
                }
                ("not" | "if" | "then" | "else", _) => {
                    let found = self.visit(value, &at)?;
                    self.all[number].beside.push(found);
                }
                ("dependentSchemas" | "dependencies", Value::Object(_)) => {
                    let found = self.visit_map(value, &at)?;
                    self.all[number].beside.extend(found);
                }
                ("properties" | "patternProperties", Value::Object(map)) => {
                    self.patterns += if key == "patternProperties" { map.len() } else { 0 };
                    let found = self.visit_map(value, &at)?;
                    self.all[number].below.extend(found);
                }
                ("items" | "prefixItems", Value::Array(all)) => {
                    let found = self.visit_list(all, &at)?;
                    self.all[number].below.extend(found);
                }
                (
                    "items"
                    | "additionalItems"
                    | "additionalProperties"
                    | "contains"
                    | "propertyNames"
                    | "unevaluatedItems"
                    | "unevaluatedProperties"
                    | "contentSchema",
                    _,
                ) => {
                    let found = self.visit(value, &at)?;
                    self.all[number].below.push(found);
                }
                ("$defs" | "definitions", Value::Object(_)) => drop(self.visit_map(value, &at)?),
                _ => {}
            }
        }
        Ok(number)
    }

    fn visit_list(&mut self, schemas: &[Value], place: &str) -> Result<Vec<usize>, String> {
        let visit = |(index, schema)| self.visit(schema, &format!("{place}/{index}"));
        schemas.iter().enumerate().map(visit).collect()
    }

    fn visit_map(&mut self, schemas: &Value, place: &str) -> Result<Vec<usize>, String> {
        let visit = |(key, schema): (&String, _)| self.visit(schema, &format!("{place}/{}", escaped(key)));
        schemas.as_object().into_iter().flatten().map(visit).collect()
    }

    /// Puts what a schema refers to beside it.
    fn link(&mut self) -> Result<(), String> {
        for subschema in &mut self.all {
            if let Some(to) = &subschema.reference {
                let found = to.strip_prefix('#').and_then(|place| self.by_place.get(place));
                let unknown =
                    || format!("$ref {to:?}: not a schema of this one's own, such as \"#/$defs/name\"");
                subschema.beside.push(*found.ok_or_else(unknown)?);
            }
        }
        Ok(())
    }

    /// Goes through the depths of values, counting the ways in which a schema may come to the deepest part of one.
    fn deepest_named(&self, order: &[usize]) -> usize {
        let mut ways = vec![1_u64; self.all.len()];
        for depth in 1..=MAX_DEPTH {
            let mut deeper = vec![1_u64; self.all.len()];
            for &number in order {
                let subschema = &self.all[number];
                let below = subschema.below.iter().map(|inner| ways[*inner]).max().unwrap_or(0);
                let beside = subschema.beside.iter().map(|other| deeper[*other]);
                deeper[number] = beside.fold(below, u64::saturating_add).max(1);
            }
            if deeper[0] > MAX_WAYS {
                return depth - 1;
            }
            ways = deeper;
        }
        MAX_DEPTH
    }
}

/// The subschemas in an order in which each comes after those beside it.
fn order(all: &[Subschema]) -> Result<Vec<usize>, String> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; all.len()];
    let mut order = Vec::with_capacity(all.len());
    let mut references = vec![0_u64; all.len()];
    for start in 0..all.len() {
        // A stack of its own: references can chain deeper than any nesting.
        let mut stack = vec![start];
        while let Some(&number) = stack.last() {
            match marks[number] {
                Mark::New => {
                    marks[number] = Mark::Open;
                    for &other in &all[number].beside {
                        match marks[other] {
                            Mark::New => stack.push(other),
                            Mark::Open => return Err("$ref: refers to itself without end".to_owned()),
                            Mark::Done => {}
                        }
                    }
                }
                Mark::Open => {
                    marks[number] = Mark::Done;
                    let own = u64::from(all[number].reference.is_some());
                    let beside = all[number].beside.iter().map(|other| references[*other]);
                    references[number] = beside.fold(own, u64::saturating_add);
                    if references[number] > MAX_REFERENCES {
                        return Err(format!("more than {MAX_REFERENCES} references apply to one value"));
                    }
                    order.push(number);
                    stack.truncate(stack.len() - 1);
                }
                Mark::Done => stack.truncate(stack.len() - 1),
            }
        }
    }
    Ok(order)
}

/// A key as a JSON pointer writes it.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
