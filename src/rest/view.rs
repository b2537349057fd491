//! Response views: rows that are schema and serializer at once. A row writes its field straight into the reply's buffer.

use super::json::Json;
use super::links::Links;
use super::microversion::Microversion;

/// The type of a field, for the OpenAPI document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Any text.
    Text,
    /// A UUID in its canonical text form.
    Uuid,
    /// UTC, `YYYY-MM-DDTHH:MM:SS.ffffff`.
    Time,
    /// An integer.
    Int,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// An object whose values are texts.
    Map,
    /// An object.
    Object,
    /// A list of texts.
    Texts,
    /// A list of objects.
    Objects,
    /// The `links` list of `self` and `bookmark`.
    Links,
    /// Any JSON value.
    Any,
}

/// What a view knows besides the item.
pub struct Viewer<'a> {
    /// The version that the caller asked for.
    pub version: Microversion,
    /// The attributes that policy lets the caller see: the union of the `needs` bits of fields.
    pub allowed: u32,
    /// Makes the links of the item.
    pub links: &'a Links,
}

/// One field of a view of `T`.
pub struct Field<T: 'static> {
    /// The field's name on the wire.
    pub name: &'static str,
    /// Its type.
    pub shape: Shape,
    /// Whether it may be null.
    pub nullable: bool,
    /// First version that has it.
    pub since: Microversion,
    /// Last version that has it.
    pub until: Microversion,
    /// Policy bits without which it is left out; 0 where everybody sees it.
    pub needs: u32,
    /// Left out where this answers false.
    pub present: Option<fn(&T) -> bool>,
    /// Writes the value, exactly one JSON value.
    pub write: fn(&T, &Viewer<'_>, &mut Json),
}

impl<T> Field<T> {
    /// A field that every version has and everybody sees.
    pub const fn new(name: &'static str, shape: Shape, write: fn(&T, &Viewer<'_>, &mut Json)) -> Self {
        let (since, until) = (Microversion::MIN, Microversion::MAX);
        Self { name, shape, nullable: false, since, until, needs: 0, present: None, write }
    }

    /// The same field, which may be null.
    #[must_use]
    pub const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// The same field, from version 3.`minor` on.
    #[must_use]
    pub const fn since(mut self, minor: u16) -> Self {
        self.since = Microversion::new(3, minor);
        self
    }

    /// The same field, up to version 3.`minor`.
    #[must_use]
    pub const fn until(mut self, minor: u16) -> Self {
        self.until = Microversion::new(3, minor);
        self
    }

    /// The same field, only for callers whom policy allows `bits`.
    #[must_use]
    pub const fn needs(mut self, bits: u32) -> Self {
        self.needs = bits;
        self
    }

    /// The same field, only where the item has something to say.
    #[must_use]
    pub const fn present(mut self, when: fn(&T) -> bool) -> Self {
        self.present = Some(when);
        self
    }
}

/// The fields of one form of an item, in the order in which they are written.
pub struct View<T: 'static> {
    /// Name of the schema in the OpenAPI document.
    pub name: &'static str,
    /// The rows.
    pub fields: &'static [Field<T>],
}

impl<T> View<T> {
    /// Writes `item` as an object.
    pub fn object(&self, item: &T, viewer: &Viewer<'_>, json: &mut Json) {
        json.object(|json| self.fields(item, viewer, json));
    }

    /// Writes the fields of `item` into an object that is open already.
    pub fn fields(&self, item: &T, viewer: &Viewer<'_>, json: &mut Json) {
        for field in self.fields {
            let shown = viewer.version.within(field.since, field.until)
                && field.needs & viewer.allowed == field.needs
                && field.present.is_none_or(|present| present(item));
            if shown {
                json.name(field.name);
                (field.write)(item, viewer, json);
            }
        }
    }
}

/// What the OpenAPI document tells of a view's field, without the item's type.
#[derive(Debug, Clone, Copy)]
pub struct FieldRow {
    /// The field's name on the wire.
    pub name: &'static str,
    /// Its type.
    pub shape: Shape,
    /// Whether it may be null.
    pub nullable: bool,
    /// First version that has it.
    pub since: Microversion,
    /// Last version that has it.
    pub until: Microversion,
    /// Whether it may be left out.
    pub optional: bool,
}

/// A view as the OpenAPI document reads it.
pub trait Described: Sync {
    /// Name of the schema.
    fn name(&self) -> &'static str;
    /// Its fields.
    fn rows(&self) -> Vec<FieldRow>;
}

impl<T> Described for View<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn rows(&self) -> Vec<FieldRow> {
        let row = |field: &Field<T>| FieldRow {
            name: field.name,
            shape: field.shape,
            nullable: field.nullable,
            since: field.since,
            until: field.until,
            optional: field.needs != 0 || field.present.is_some(),
        };
        self.fields.iter().map(row).collect()
    }
}

/// How the body of a successful answer is wrapped around a view.
#[derive(Clone, Copy)]
pub enum Answer {
    /// No body.
    Nothing,
    /// `{"<envelope>": <view>}`, or the bare view where the envelope is empty.
    One(&'static str, &'static dyn Described),
    /// The bare view, or an empty object where there is none.
    Perhaps(&'static dyn Described),
    /// `{"<envelope>": [<view>...]}`, or the bare list where the envelope is empty.
    Many(&'static str, &'static dyn Described),
    /// An object that no view describes.
    Free,
}
