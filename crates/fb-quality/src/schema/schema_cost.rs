//! The work that a schema can cause, bounded before the schema is compiled.

use std::collections::HashMap;

use serde_json::Value;

use crate::json::MAX_DEPTH;

/// Maximum number of references that may apply to one value.
const MAX_REFERENCES: u64 = 1_000;
/// Maximum number of paths through a schema to one value for which violations are enumerated. The verdict alone is
/// computed once for each part of a value and memoised; enumeration follows every path again.
const MAX_PATHS: u64 = 10_000;

/// The measured cost of a schema.
pub(crate) struct SchemaCost {
    /// Number of patterns for strings and for property names.
    pub(crate) patterns: usize,
    /// Maximum depth of values with enumerated violations.
    max_enumerated_depth: usize,
}

/// A node of the schema graph; other nodes are referred to by their index.
#[derive(Default)]
struct Subschema {
    /// Subschemas that apply to the same value.
    same_value: Vec<usize>,
    /// Subschemas that apply to values inside.
    inner_values: Vec<usize>,
    /// The target of `$ref`, which applies to the same value.
    reference: Option<String>,
}

#[derive(Default)]
struct Walk {
    all: Vec<Subschema>,
    by_pointer: HashMap<String, usize>,
    patterns: usize,
}

impl SchemaCost {
    /// Measures a schema. The error names the construct that is not allowed. References must stay inside the schema,
    /// so that nothing is ever fetched.
    pub(crate) fn measure(schema: &Value) -> Result<Self, String> {
        let mut walk = Walk::default();
        walk.visit(schema, "")?;
        walk.link()?;
        let order = order(&walk.all)?;
        let max_enumerated_depth = walk.max_enumerated_depth(&order);
        Ok(Self { patterns: walk.patterns, max_enumerated_depth })
    }

    /// Returns `true` if the violations of a value of this depth can be enumerated at a bounded cost.
    pub(crate) const fn can_enumerate(&self, depth: usize) -> bool {
        depth <= self.max_enumerated_depth
    }
}

impl Walk {
    fn visit(&mut self, schema: &Value, pointer: &str) -> Result<usize, String> {
        let number = self.all.len();
        self.all.push(Subschema::default());
        self.by_pointer.insert(pointer.to_owned(), number);
        let Value::Object(fields) = schema else { return Ok(number) };
        for (key, value) in fields {
            let at = format!("{pointer}/{}", escaped(key));
            match (key.as_str(), value) {
                ("$ref", Value::String(to)) => self.all[number].reference = Some(to.clone()),
                ("$dynamicRef" | "$recursiveRef", _) => return Err(format!("{at}: not supported, use $ref")),
                ("$id" | "id", Value::String(_)) if !pointer.is_empty() => {
                    return Err(format!("{at}: not supported inside a schema"));
                }
                ("pattern", Value::String(_)) => self.patterns += 1,
                ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => {
                    let found = self.visit_list(all, &at)?;
                    self.all[number].same_value.extend(found);
                }
                ("not" | "if" | "then" | "else", _) => {
                    let found = self.visit(value, &at)?;
                    self.all[number].same_value.push(found);
                }
                ("dependentSchemas" | "dependencies", Value::Object(_)) => {
                    let found = self.visit_map(value, &at)?;
                    self.all[number].same_value.extend(found);
                }
                ("properties" | "patternProperties", Value::Object(map)) => {
                    self.patterns += if key == "patternProperties" { map.len() } else { 0 };
                    let found = self.visit_map(value, &at)?;
                    self.all[number].inner_values.extend(found);
                }
                ("items" | "prefixItems", Value::Array(all)) => {
                    let found = self.visit_list(all, &at)?;
                    self.all[number].inner_values.extend(found);
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
                    self.all[number].inner_values.push(found);
                }
                ("$defs" | "definitions", Value::Object(_)) => drop(self.visit_map(value, &at)?),
                _ => {}
            }
        }
        Ok(number)
    }

    fn visit_list(&mut self, schemas: &[Value], pointer: &str) -> Result<Vec<usize>, String> {
        let visit = |(index, schema)| self.visit(schema, &format!("{pointer}/{index}"));
        schemas.iter().enumerate().map(visit).collect()
    }

    fn visit_map(&mut self, schemas: &Value, pointer: &str) -> Result<Vec<usize>, String> {
        let visit = |(key, schema): (&String, _)| self.visit(schema, &format!("{pointer}/{}", escaped(key)));
        schemas.as_object().into_iter().flatten().map(visit).collect()
    }

    /// Resolves every reference to an edge for the same value.
    fn link(&mut self) -> Result<(), String> {
        for subschema in &mut self.all {
            if let Some(to) = &subschema.reference {
                let found = to.strip_prefix('#').and_then(|pointer| self.by_pointer.get(pointer));
                let unknown =
                    || format!("$ref {to:?}: not a subschema of this schema, such as \"#/$defs/name\"");
                subschema.same_value.push(*found.ok_or_else(unknown)?);
            }
        }
        Ok(())
    }

    /// Counts, for each depth, the paths through the schema to the deepest part of a value, and returns the last depth
    /// within the bound.
    fn max_enumerated_depth(&self, order: &[usize]) -> usize {
        let mut paths = vec![1_u64; self.all.len()];
        for depth in 1..=MAX_DEPTH {
            let mut deeper = vec![1_u64; self.all.len()];
            for &number in order {
                let subschema = &self.all[number];
                let inner = subschema.inner_values.iter().map(|inner| paths[*inner]).max().unwrap_or(0);
                let same = subschema.same_value.iter().map(|other| deeper[*other]);
                deeper[number] = same.fold(inner, u64::saturating_add).max(1);
            }
            if deeper[0] > MAX_PATHS {
                return depth - 1;
            }
            paths = deeper;
        }
        MAX_DEPTH
    }
}

/// Sorts the subschemas topologically: each comes after those that apply to the same value.
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
        // An explicit stack, because chains of references can be deeper than the permitted nesting.
        let mut stack = vec![start];
        while let Some(&number) = stack.last() {
            match marks[number] {
                Mark::New => {
                    marks[number] = Mark::Open;
                    for &other in &all[number].same_value {
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
                    let same = all[number].same_value.iter().map(|other| references[*other]);
                    references[number] = same.fold(own, u64::saturating_add);
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

/// Escapes a key for a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
