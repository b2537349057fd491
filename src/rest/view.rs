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

    /// Whether a viewer sees it where it is present.
    fn is_for(&self, viewer: &Viewer<'_>) -> bool {
        viewer.version.within(self.since, self.until) && self.needs & viewer.allowed == self.needs
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
            if field.is_for(viewer) && field.present.is_none_or(|present| present(item)) {
                json.name(field.name);
                (field.write)(item, viewer, json);
            }
        }
    }
}

impl<T> View<T> {
    /// The fields that a viewer sees of items that have something to say in them: for many items, of which this is the same.
    pub fn shown<'v>(&'v self, viewer: &'v Viewer<'v>) -> Shown<'v, T> {
        let mut shown = Shown { viewer, names: Vec::new(), fields: Vec::new() };
        for field in self.fields.iter().filter(|field| field.is_for(viewer)) {
            Json::name_into(field.name, &mut shown.names);
            shown.fields.push((shown.names.len(), field));
        }
        shown
    }
}

/// The fields of a view that one viewer sees.
pub struct Shown<'v, T: 'static> {
    viewer: &'v Viewer<'v>,
    /// Their names one after the other, as they are written.
    names: Vec<u8>,
    /// Where the name of each ends.
    fields: Vec<(usize, &'v Field<T>)>,
}

impl<T> Shown<'_, T> {
    /// Writes `item` as an object, as [`View::object`] does.
    pub fn object(&self, item: &T, json: &mut Json) {
        json.object(|json| {
            let mut start = 0;
            for (end, field) in &self.fields {
                if field.present.is_none_or(|present| present(item)) {
                    json.written_name(self.names.get(start..*end).unwrap_or_default());
                    (field.write)(item, self.viewer, json);
                }
                start = *end;
            }
        });
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
